// Wrong balancers: how they distribute requests.
import type { Pool, Upstream } from '../../../../core/pool/pool.ts';
import { seeded } from '../../../../core/testing/seeded.ts';
import { balancer, freshFrom } from '../right-balancers.ts';
import { cached, chance, counter, equal, fresh, oneOfTwo, other, turns, type Wrong } from './wrong.ts';

const shares = 'shares requests by weight';
const bursts = 'spreads the requests of a round evenly';
const atOnce = 'spreads requests that come at once';
const busy = 'does not prefer an upstream that is busy';

export const wrongInShares: readonly Wrong[] = [
  {
    mistake: 'ignores weights',
    balancer: turns(fresh),
    options: {},
    check: shares,
    message: /an upstream of weight \d got \d+ of \d+ requests/,
  },
  {
    mistake: 'ignores weights, and draws at random',
    balancer: chance((ctx, random) => fresh(ctx, Math.floor(random() * ctx.pool.available.length))),
    options: { distribution: 0.1 },
    check: shares,
  },
  {
    mistake: 'uses weights that it should ignore',
    balancer: balancer('weighing', ({ id }) => {
      const next = counter(id - 1);
      const list = cached(({ available }) => available.flatMap(one => Array(one.weight).fill(one)));
      return ctx => freshFrom(list(ctx.pool), ctx.tried, next(ctx.pool));
    }),
    options: equal,
    check: shares,
  },
  {
    mistake: 'reads weights once',
    balancer: balancer('once', ({ id }) => {
      const random = seeded(id);
      const known = new WeakMap<Upstream, number>();
      const weightOf = (upstream: Upstream): number => {
        const weight = known.get(upstream) ?? upstream.weight;
        known.set(upstream, weight);
        return weight;
      };
      const list = cached(({ available }) =>
        available.flatMap(one => Array<Upstream>(weightOf(one)).fill(one)),
      );
      return ({ pool, tried }) =>
        freshFrom(list(pool), tried, Math.floor(random() * Math.max(1, list(pool).length)));
    }),
    options: { distribution: 0.1 },
    check: shares,
    message: /of 10000 requests/,
  },
  {
    mistake: 'gives an upstream all its requests at once',
    balancer: balancer('bursts', ({ id }) => {
      const next = counter(id - 1);
      const list = cached(({ available }) => available.flatMap(one => Array(one.weight).fill(one)));
      return ctx => freshFrom(list(ctx.pool), ctx.tried, next(ctx.pool));
    }),
    options: {},
    check: bursts,
    message: /an upstream of weight 5 got \d of \d+ requests in a row/,
  },
  {
    mistake: 'gives two requests to each',
    balancer: turns((ctx, turn) => fresh(ctx, turn >> 1)),
    options: equal,
    check: bursts,
    message: /the upstream of the one before/,
  },
  {
    mistake: 'gives two requests to each and claims to be random',
    balancer: turns((ctx, turn) => fresh(ctx, turn >> 1)),
    options: { distribution: 0.1, weights: false },
    check: bursts,
    message: /the upstream of the one before, instead of/,
  },
  {
    mistake: 'changes at random, but seldom',
    balancer: balancer('seldom', ({ id }) => {
      const random = seeded(id);
      const next = counter(0);
      let start = 0;
      return ctx => {
        if (next(ctx.pool) % 100 === 0) start = Math.floor(random() * 1e6);
        return fresh(ctx, start);
      };
    }),
    options: { distribution: 1, weights: false },
    check: bursts,
    message: /in a row/,
  },
  {
    mistake: 'moves on only when a request has finished',
    balancer: balancer('finishing', ({ hooks, id }) => {
      const ended = new WeakMap<Pool, number>();
      hooks.finished.tap('finishing', ({ pool }) => void ended.set(pool, (ended.get(pool) ?? id) + 1));
      return ctx => fresh(ctx, ended.get(ctx.pool) ?? id);
    }),
    options: other,
    check: atOnce,
  },
  {
    mistake: 'takes the busier one of two',
    balancer: chance((ctx, random) => oneOfTwo(ctx, random, (a, b) => a.inFlight > b.inFlight)),
    options: other,
    check: busy,
    message: /the busier one of two upstreams got \d+ of 1000 requests, and \d+ of 1000/,
  },
];
