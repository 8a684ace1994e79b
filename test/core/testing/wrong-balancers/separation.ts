// Wrong balancers: what they mix up, what a choice costs them, and what they remember of a request that was only
// explained.
import type { Pool, Upstream } from '../../../../core/pool/pool.ts';
import type { ProxyContext } from '../../../../core/request/context.ts';
import { seeded } from '../../../../core/testing/seeded.ts';
import { balancer, freshFrom, hash } from '../right-balancers.ts';
import { at, cached, chance, counter, equal, fresh, other, turns, type Wrong } from './wrong.ts';

const pools = 'chooses from the pool of the request';
const apart = 'keeps its pools and its instances apart';
const inStep = 'lets workers choose different upstreams at the same time';
const sticky = 'keeps a client at its upstream';
const traceless = 'leaves no trace of a request that is only explained';
const work = 'looks at a few upstreams, however many there are';

let shared = 0;

export const wrongInSeparation: readonly Wrong[] = [
  {
    mistake: 'uses only the default pool',
    balancer: balancer('one-pool', ({ pools: all, id }) => {
      const next = counter(id - 1);
      return ({ tried }) => freshFrom(all.default.available, tried, next(all.default));
    }),
    options: equal,
    check: pools,
  },
  {
    mistake: 'knows upstreams by their id alone',
    balancer: balancer('by-id', ({ id }) => {
      const known = new Map<string, Upstream>();
      const next = counter(id - 1);
      return ctx => {
        const chosen = fresh(ctx, next(ctx.pool));
        if (chosen === undefined) return undefined;
        const kept = known.get(chosen.id);
        // It checks that its upstreams still exist, in any pool.
        if (kept?.home !== undefined && kept.available) return kept;
        known.set(chosen.id, chosen);
        return chosen;
      };
    }),
    options: equal,
    check: pools,
  },
  {
    mistake: 'treats one version as one pool',
    balancer: balancer('versions', ({ id }) => {
      let version = -1;
      let list: readonly Upstream[] = [];
      const next = counter(id - 1);
      return ({ pool, tried }) => {
        if (pool.version !== version) list = [...pool.available];
        version = pool.version;
        return freshFrom(list, tried, next(pool));
      };
    }),
    options: equal,
    check: pools,
  },
  {
    mistake: 'counts for all pools at once',
    balancer: balancer('one-count', ({ id }) => {
      let turn = id;
      return ctx => fresh(ctx, turn++);
    }),
    options: equal,
    check: apart,
    message: /two pools/,
  },
  {
    mistake: 'counts for all instances at once',
    balancer: balancer('shared-count', () => {
      const started = new WeakMap<Pool, number>();
      return ctx => {
        const { pool } = ctx;
        if (pool.name !== 'default') {
          const turn = started.get(pool) ?? 0;
          started.set(pool, turn + 1);
          return fresh(ctx, turn);
        }
        return fresh(ctx, shared++);
      };
    }),
    options: equal,
    check: apart,
    message: /two instances/,
  },
  {
    mistake: 'begins at the same upstream in each worker',
    balancer: balancer('in-step', () => {
      const next = counter(0);
      return ctx => fresh(ctx, next(ctx.pool));
    }),
    options: equal,
    check: inStep,
    message: /for their first requests 8 workers chose 1\.0 different/,
  },
  {
    mistake: 'draws the same random numbers in each worker',
    balancer: balancer('same-seed', () => {
      const random = seeded(1);
      return ctx => fresh(ctx, Math.floor(random() * ctx.pool.available.length));
    }),
    options: other,
    check: inStep,
  },
  {
    mistake: 'begins at the same upstream when another one is added',
    balancer: balancer('restarting', ({ id, pools: all }) => {
      const turns = new WeakMap<Pool, number>();
      all.follow(pool => {
        turns.set(pool, id - 1);
        pool.observe({ added: () => void turns.set(pool, 0) });
      });
      return ctx => {
        const turn = turns.get(ctx.pool) ?? 0;
        turns.set(ctx.pool, turn + 1);
        return fresh(ctx, turn);
      };
    }),
    options: equal,
    check: inStep,
    message: /after a change of the pool/,
  },
  {
    mistake: 'takes a turn for a request that is only explained',
    balancer: turns((ctx, turn) => fresh(ctx, turn)),
    options: equal,
    check: traceless,
    message: /with 3 explained requests \(ctx\.rehearsal\) between any two others, \S+ was never chosen/,
  },
  {
    mistake: 'throws for a request that is only explained',
    balancer: balancer('unprepared', ({ id }) => {
      const next = counter(id - 1);
      return ctx => {
        if (ctx.rehearsal) throw new TypeError('not now');
        return fresh(ctx, next(ctx.pool));
      };
    }),
    options: equal,
    check: traceless,
    message: /not now/,
  },
  {
    mistake: 'goes through all of them',
    balancer: turns(({ pool, tried }, turn) => {
      const untried = pool.available.filter(upstream => !tried.includes(upstream));
      return at(untried.length > 0 ? untried : pool.available, turn);
    }),
    options: equal,
    check: work,
    message: /a choice among 500 upstreams looked at them \d{3,} times/,
  },
  {
    mistake: 'goes through all of them when an attempt is finished',
    balancer: balancer('afterwards', ({ id, hooks }) => {
      const next = counter(id - 1);
      let least = 0;
      hooks.attemptFinished.tap('afterwards', ({ pool }) => {
        least = Math.min(...pool.available.map(({ inFlight }) => inFlight));
      });
      return ctx => fresh(ctx, next(ctx.pool) + least);
    }),
    options: equal,
    check: work,
    message: /a request among 500 upstreams looked at them \d{3,} times/,
  },
  {
    mistake: 'lists the places of all of them',
    balancer: turns((ctx, turn) => {
      const places = Object.keys(ctx.pool.available);
      return fresh(ctx, Number(at(places, turn) ?? 0));
    }),
    options: equal,
    check: work,
  },
  {
    mistake: 'adds up the weights each time',
    balancer: chance(({ pool, tried }, random) => {
      let left = random() * pool.available.reduce((total, { weight }) => total + weight, 0);
      for (const [index, { weight }] of pool.available.entries()) {
        left -= weight;
        if (left < 0) return freshFrom(pool.available, tried, index);
      }
      return freshFrom(pool.available, tried, 0);
    }),
    options: { distribution: 0.1 },
    check: work,
  },
  {
    mistake: 'goes through a separate list',
    balancer: balancer('smooth', ({ id }) => {
      const known = new WeakMap<Upstream, { readonly upstream: Upstream; current: number }>();
      const list = cached(({ available }) =>
        available.map((upstream, n) => {
          const peer = known.get(upstream) ?? { upstream, current: ((n + id) * 0.618) % 1 };
          known.set(upstream, peer);
          return peer;
        }),
      );
      return ({ pool, tried }) => {
        const peers = list(pool);
        let best: (typeof peers)[number] | undefined;
        for (const pass of ['untried', 'all']) {
          let total = 0;
          for (const peer of peers) {
            if (pass === 'untried' && tried.includes(peer.upstream)) continue;
            total += peer.upstream.weight;
            peer.current += peer.upstream.weight;
            if (best === undefined || peer.current > best.current) best = peer;
          }
          if (best === undefined) continue;
          best.current -= total;
          return best.upstream;
        }
        return undefined;
      };
    }),
    options: {},
    check: work,
  },
  {
    mistake: 'goes through the ids of a separate list',
    balancer: balancer('rendezvous', () => {
      const list = cached(({ available }) => [...available]);
      const score = ({ clientIp }: ProxyContext, { id }: Upstream) => hash(`${clientIp} ${id}`);
      return ctx => {
        let best: Upstream | undefined;
        for (const one of list(ctx.pool)) {
          if (ctx.tried.length > 0 && ctx.tried.includes(one)) continue;
          if (best === undefined || score(ctx, one) > score(ctx, best)) best = one;
        }
        return best ?? list(ctx.pool)[0];
      };
    }),
    options: { distribution: 'none', sticky: true },
    check: work,
  },
  {
    mistake: 'asks the pool for each by its id',
    balancer: balancer('asking', ({ id }) => {
      const next = counter(id - 1);
      const ids = cached(pool => [...pool].map(one => one.id));
      return ctx => {
        const { pool } = ctx;
        if (!ids(pool).every(one => pool.get(one) !== undefined)) return undefined;
        return fresh(ctx, next(pool));
      };
    }),
    options: equal,
    check: work,
  },
  {
    mistake: 'goes through what it has derived from the list',
    balancer: balancer('sums', ({ id }) => {
      const random = seeded(id);
      const ends = cached(({ available }) => {
        let end = 0;
        return available.map(({ weight }) => (end += weight));
      });
      return ({ pool, tried }) => {
        const at = random() * (ends(pool)[ends(pool).length - 1] ?? 0);
        return freshFrom(
          pool.available,
          tried,
          Math.max(
            0,
            ends(pool).findIndex(end => end > at),
          ),
        );
      };
    }),
    options: { distribution: 0.1 },
    check: work,
  },
  {
    mistake: 'gives clients other upstreams when one leaves',
    balancer: balancer('modulo', () => ctx => {
      const [, , c = 0, d = 0] = ctx.clientIp.split('.').map(Number);
      return fresh(ctx, c * 256 + d);
    }),
    options: { distribution: 'none', sticky: true },
    check: sticky,
    message: /lost their upstream/,
  },
  {
    mistake: 'gives a client another upstream in each worker',
    balancer: balancer('local', ({ id }) => ctx => {
      const [, , c = 0, d = 0] = ctx.clientIp.split('.').map(Number);
      return fresh(ctx, c * 256 + d + id);
    }),
    options: { distribution: 'none', sticky: true },
    check: sticky,
    message: /from another worker/,
  },
];
