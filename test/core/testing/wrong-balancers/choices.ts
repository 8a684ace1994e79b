// Wrong balancers: which upstreams they choose, and what they do to those that they choose from.
import { type Pool, Upstream } from '../../../../core/pool/pool.ts';
import { seeded } from '../../../../core/testing/seeded.ts';
import { upstreamRecord } from '../../../../core/testing.ts';
import { balancer, freshFrom } from '../right-balancers.ts';
import { chance, counter, equal, fresh, other, turns, type Wrong } from './wrong.ts';

const nothing = 'chooses nothing from an empty pool';
const untouched = 'does not change what it chooses from';
const unavailable = 'never chooses an unavailable upstream';
const backups = 'gives a backup requests only while no other is available';
const narrowed = 'leaves servers of other Weldrs to them';
const follows = 'follows upstreams that come, go and change';
const waits = 'chooses no upstream that left while it waited';
const large = 'chooses all upstreams of a large pool';
const flaps = 'treats an upstream as before when it comes back';

export const wrongInChoices: readonly Wrong[] = [
  {
    mistake: 'invents an upstream',
    balancer: turns(
      (ctx, turn) => fresh(ctx, turn) ?? new Upstream('default', upstreamRecord('http://nowhere:1')),
    ),
    options: equal,
    check: nothing,
  },
  {
    mistake: 'throws on an empty pool',
    balancer: turns((ctx, turn) => {
      const chosen = fresh(ctx, turn);
      if (chosen === undefined) throw new TypeError('cannot read of undefined');
      return chosen;
    }),
    options: equal,
    check: nothing,
    message: /cannot read of undefined/,
  },
  {
    mistake: 'never settles',
    balancer: {
      name: 'silent',
      worker: ({ hooks }) => hooks.selectUpstream.tapPromise('silent', () => new Promise(() => {})),
    },
    options: equal,
    check: untouched,
    message: /never settled/,
  },
  {
    mistake: 'returns a promise from tap',
    balancer: balancer('promising', () => (async () => undefined) as never),
    options: equal,
    check: untouched,
    message: /tapPromise/,
  },
  {
    mistake: 'leaves a timer',
    balancer: balancer('timed', ({ clock }) => {
      clock.every(1000, () => {});
      return () => undefined;
    }),
    options: equal,
    check: untouched,
  },
  {
    mistake: 'remembers the array',
    balancer: balancer('rememberer', ({ pools: all, id }) => {
      const { available } = all.default;
      const next = counter(id - 1);
      return ctx => (ctx.pool === all.default ? freshFrom(available, ctx.tried, next(ctx.pool)) : undefined);
    }),
    options: equal,
    check: nothing,
  },
  {
    mistake: 'keeps a removed upstream',
    balancer: balancer('keeper', ({ id }) => {
      const known = new WeakMap<Pool, Set<Upstream>>();
      const next = counter(id - 1);
      return ({ pool, tried }) => {
        const kept = known.get(pool) ?? new Set();
        known.set(pool, kept);
        for (const upstream of pool.available) kept.add(upstream);
        if (pool.available.length === 0) return undefined;
        return freshFrom(
          [...kept].filter(({ available }) => available),
          tried,
          next(pool),
        );
      };
    }),
    options: equal,
    check: follows,
    message: /which is not in the pool/,
  },
  {
    mistake: 'goes back to its last choice though it was removed',
    balancer: balancer('attached', ({ id }) => {
      const last = new WeakMap<Pool, Upstream>();
      const random = seeded(id);
      return ctx => {
        const { pool, tried } = ctx;
        const known = last.get(pool);
        if (pool.available.length === 0) return undefined;
        if (known?.available && !tried.includes(known) && random() < 0.25) return known;
        const chosen = fresh(ctx, Math.floor(random() * pool.available.length));
        if (chosen !== undefined) last.set(pool, chosen);
        return chosen;
      };
    }),
    options: other,
    check: follows,
    message: /which is not in the pool/,
  },
  {
    mistake: 'updates its list only when an upstream is added or removed',
    balancer: balancer('membership', ({ pools: all, id }) => {
      const lists = new WeakMap<Pool, readonly Upstream[]>();
      const next = counter(id - 1);
      all.follow(pool => {
        const list = () => void lists.set(pool, pool.available);
        list();
        pool.observe({ added: list, removed: list });
      });
      return ctx => {
        const chosen = freshFrom(lists.get(ctx.pool) ?? [], ctx.tried, next(ctx.pool));
        return chosen?.available ? chosen : fresh(ctx, next(ctx.pool));
      };
    }),
    options: other,
    check: follows,
    message: /only 1\d of 21 upstreams were chosen/,
  },
  {
    mistake: 'knows only the first hundred',
    balancer: chance((ctx, random) =>
      fresh(ctx, Math.floor(random() * Math.min(100, ctx.pool.available.length))),
    ),
    options: other,
    check: large,
    message: /only 100 of 160 upstreams/,
  },
  {
    mistake: 'sorts the array',
    balancer: turns((ctx, turn) => {
      (ctx.pool.available as Upstream[]).sort((a, b) => b.weight - a.weight);
      return fresh(ctx, turn);
    }),
    options: equal,
    check: untouched,
    message: /read only property/,
  },
  {
    mistake: 'removes entries from the array',
    balancer: turns(({ pool }) => (pool.available as Upstream[]).splice(0, 1)[0]),
    options: equal,
    check: untouched,
  },
  {
    mistake: 'records its choice in tried',
    balancer: turns((ctx, turn) => {
      const chosen = fresh(ctx, turn);
      if (chosen !== undefined) (ctx.tried as Upstream[]).push(chosen);
      return chosen;
    }),
    options: equal,
    check: untouched,
    message: /ctx\.tried was changed/,
  },
  {
    mistake: 'counts in the upstream itself',
    balancer: turns((ctx, turn) => {
      const chosen = fresh(ctx, turn);
      chosen?.begin();
      return chosen;
    }),
    options: equal,
    check: untouched,
    message: /inFlight/,
  },
  {
    mistake: 'takes the first of the map',
    balancer: balancer('first', () => ({ pool, tried }) => {
      for (const upstream of pool) if (upstream.available && !tried.includes(upstream)) return upstream;
      return pool.available[0];
    }),
    options: other,
    check: unavailable,
  },
  {
    mistake: 'uses the state and ignores which are available',
    balancer: turns(({ pool, tried }, turn) =>
      freshFrom(
        [...pool].filter(({ state }) => state === 'active'),
        tried,
        turn,
      ),
    ),
    options: equal,
    check: backups,
  },
  {
    mistake: 'forgets that a backup steps back',
    balancer: balancer('steps-in', () => {
      const next = counter(0);
      const listOf = new WeakMap<Pool, Set<Upstream>>();
      return ({ pool, tried }) => {
        const known = new Set([...(listOf.get(pool) ?? []), ...pool.available]);
        for (const upstream of known) {
          if (upstream.home !== pool || upstream.state !== 'active') known.delete(upstream);
        }
        listOf.set(pool, known);
        return freshFrom([...known], tried, next(pool));
      };
    }),
    options: equal,
    check: backups,
  },
  {
    mistake: 'uses states alone',
    balancer: turns(({ pool, tried }, turn) => {
      const active = [...pool].filter(({ state }) => state === 'active');
      const primaries = active.filter(({ backup }) => !backup);
      return freshFrom(primaries.length > 0 ? primaries : active, tried, turn);
    }),
    options: equal,
    check: narrowed,
  },
  {
    mistake: 'takes the busiest of all',
    balancer: balancer('busiest', () => ({ pool, tried }) => {
      const untried = pool.available.filter(upstream => !tried.includes(upstream));
      return untried.sort((a, b) => b.inFlight - a.inFlight)[0] ?? pool.available[0];
    }),
    options: other,
    check: unavailable,
    message: /never chosen/,
  },
  {
    mistake: 'never uses the last',
    balancer: chance((ctx, random) =>
      fresh(ctx, Math.floor(random() * Math.max(1, ctx.pool.available.length - 1))),
    ),
    options: other,
    check: unavailable,
  },
  {
    mistake: 'chooses by a clock',
    balancer: balancer(
      'clocked',
      ({ clock }) =>
        ctx =>
          fresh(ctx, clock.now()),
    ),
    options: other,
    check: large,
  },
  {
    mistake: 'forgets upstreams that have come back',
    balancer: balancer('forgetful', ({ pools: all, id }) => {
      const lists = new Map<Pool, Upstream[]>();
      const next = counter(id - 1);
      all.follow(pool => {
        const list = [...pool.available];
        lists.set(pool, list);
        const leave = (upstream: Upstream) => {
          if (list.includes(upstream)) list.splice(list.indexOf(upstream), 1);
        };
        pool.observe({
          added: upstream => void (upstream.available && list.push(upstream)),
          removed: leave,
          changed: (upstream, was) => {
            if (!upstream.available) leave(upstream);
            // Only the first three may come back.
            else if (was.state !== 'active' && list.length < 3) list.push(upstream);
          },
        });
      });
      return ({ pool, tried }) => freshFrom(lists.get(pool) ?? [], tried, next(pool));
    }),
    options: equal,
    check: follows,
  },
  {
    mistake: 'waits after it has chosen',
    balancer: {
      name: 'late',
      worker({ hooks, id }) {
        const next = counter(id - 1);
        hooks.selectUpstream.tapPromise('late', async ctx => {
          const chosen = fresh(ctx, next(ctx.pool));
          await new Promise(resolve => setImmediate(() => setImmediate(resolve)));
          return chosen;
        });
      },
    },
    options: equal,
    check: waits,
  },
  {
    mistake: 'trusts an upstream less each time that it is down',
    balancer: balancer('grudging', ({ pools: all, id }) => {
      const random = seeded(id);
      const trust = new Map<string, number>();
      all.follow(pool => {
        pool.observe({
          changed: ({ id: url, available }) =>
            void (available || trust.set(url, Math.max(0.125, (trust.get(url) ?? 1) / 2))),
        });
      });
      return ctx => {
        const chosen = fresh(ctx, Math.floor(random() * ctx.pool.available.length));
        if (chosen === undefined || random() < (trust.get(chosen.id) ?? 1)) return chosen;
        return fresh(ctx, Math.floor(random() * ctx.pool.available.length));
      };
    }),
    options: other,
    check: flaps,
  },
  {
    mistake: 'adds an upstream again each time that it comes back',
    balancer: balancer('doubling', ({ id }) => {
      const lists = new WeakMap<Pool, Upstream[]>();
      const next = counter(id - 1);
      return ({ pool, tried }) => {
        let list = lists.get(pool);
        if (list === undefined) {
          const made = [...pool.available];
          list = made;
          lists.set(pool, made);
          pool.observe({
            added: upstream => void (upstream.available && made.push(upstream)),
            changed: (upstream, was) =>
              void (upstream.available && was.state !== 'active' && made.push(upstream)),
          });
        }
        const there = list.filter(one => one.available && one.home === pool);
        return freshFrom(there, tried, next(pool));
      };
    }),
    options: other,
    check: flaps,
  },
  {
    mistake: 'starts over whenever an upstream flaps',
    balancer: balancer('beginner', ({ id }) => {
      const state = new WeakMap<Pool, { version: number; turn: number }>();
      return ctx => {
        const { pool } = ctx;
        const known = state.get(pool);
        const current = known?.version === pool.version ? known : { version: pool.version, turn: id - 1 };
        state.set(pool, current);
        return fresh(ctx, current.turn++);
      };
    }),
    options: equal,
    check: flaps,
    message: /while another upstream went down and came back all the time/,
  },
  {
    mistake: 'makes up for what an upstream has missed',
    balancer: balancer('fewest-ever', ({ id }) => {
      const totals = new Map<Upstream, number>();
      return ({ pool, tried }) => {
        const { available } = pool;
        let best = freshFrom(available, tried, id);
        for (const one of available) {
          if (
            !tried.includes(one) &&
            best !== undefined &&
            (totals.get(one) ?? 0) < (totals.get(best) ?? 0)
          ) {
            best = one;
          }
        }
        if (best !== undefined) totals.set(best, (totals.get(best) ?? 0) + 1);
        return best;
      };
    }),
    options: other,
    check: flaps,
  },
];
