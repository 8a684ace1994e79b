// Wrong balancers: how they treat requests that are tried again, refused or aborted.
import type { Plugin } from '../../../../core/plugin/plugin.ts';
import type { Pool, Upstream } from '../../../../core/pool/pool.ts';
import type { ProxyContext } from '../../../../core/request/context.ts';
import { seeded } from '../../../../core/testing/seeded.ts';
import { balancer, freshFrom } from '../right-balancers.ts';
import { at, chance, counter, counting, equal, fresh, oneOfTwo, other, turns, type Wrong } from './wrong.ts';

const retries = 'tries another upstream on a retry while there is one';
const refused = 'chooses another upstream when its choice is refused';
const before = 'chooses as before after requests that were aborted, failed or tried again';

const rest = 'counts what is in flight when others have ended';
const left = 'chooses as before after an upstream left with requests in flight';

/** The less busy of two by separate counts, which it forgets when `forgets` says so. */
const forgetful = (forgets: (pool: Pool, forget: (upstream: Upstream) => void) => unknown): Plugin =>
  balancer('forgetful', ({ id, hooks, pools }) => {
    const random = seeded(id);
    const counts = new Map<string, number>();
    const of = (upstream: Upstream) => counts.get(upstream.id) ?? 0;
    hooks.preProxy.tap('forgetful', ({ upstream }) => {
      if (upstream !== undefined) counts.set(upstream.id, of(upstream) + 1);
    });
    hooks.attemptFinished.tap('forgetful', ({ upstream }) => {
      if (upstream !== undefined) counts.set(upstream.id, of(upstream) - 1);
    });
    pools.follow(pool => void forgets(pool, upstream => void counts.delete(upstream.id)));
    return ctx => oneOfTwo(ctx, random, (a, b) => of(a) < of(b));
  });

export const wrongInAttempts: readonly Wrong[] = [
  {
    mistake: 'ignores what was tried',
    balancer: turns(({ pool }, turn) => at(pool.available, turn)),
    options: equal,
    check: retries,
  },
  {
    mistake: 'ignores what was tried, and draws at random',
    balancer: chance(({ pool }, random) => pool.available[Math.floor(random() * pool.available.length)]),
    options: other,
    check: retries,
  },
  {
    mistake: 'avoids only the last upstream that was tried',
    balancer: turns(({ pool, tried }, turn) => freshFrom(pool.available, tried.slice(-1), turn)),
    options: equal,
    check: retries,
  },
  {
    mistake: 'looks for another upstream only once',
    balancer: balancer('once-more', ({ id }) => {
      const next = counter(id - 1);
      return ({ pool, tried }) => {
        const first = at(pool.available, next(pool));
        return first !== undefined && tried.includes(first) ? at(pool.available, next(pool)) : first;
      };
    }),
    options: equal,
    check: retries,
  },
  {
    mistake: 'decides once per attempt',
    balancer: balancer('stubborn', ({ id }) => {
      const random = seeded(id);
      const minds = new WeakMap<ProxyContext, { tried: number; chosen: Upstream | undefined }>();
      return ctx => {
        const known = minds.get(ctx);
        if (known?.tried === ctx.tried.length) return known.chosen;
        const chosen = fresh(ctx, Math.floor(random() * ctx.pool.available.length));
        minds.set(ctx, { tried: ctx.tried.length, chosen });
        return chosen;
      };
    }),
    options: other,
    check: refused,
    message: /of \d+ such requests all upstreams had to be looked at/,
  },
  {
    mistake: 'chooses nothing when it is asked again',
    balancer: balancer('once', ({ id }) => {
      const random = seeded(id);
      const asked = new WeakMap<ProxyContext, number>();
      return ctx => {
        if (asked.get(ctx) === ctx.tried.length) return undefined;
        asked.set(ctx, ctx.tried.length);
        return fresh(ctx, Math.floor(random() * ctx.pool.available.length));
      };
    }),
    options: other,
    check: refused,
    message: /nothing was chosen/,
  },
  {
    mistake: 'counts choices that were refused',
    balancer: counting(({ begin, end }, { hooks }) => {
      hooks.eligible.tap('counting', (_, upstream) => begin(upstream));
      hooks.attemptFinished.tap('counting', ({ upstream }) => end(upstream));
    }),
    options: other,
    check: refused,
    message: /was refused for a while/,
  },
  {
    mistake: 'counts down in judge',
    balancer: counting(({ begin, end }, { hooks }) => {
      hooks.preProxy.tap('counting', ({ upstream }) => begin(upstream));
      hooks.judge.tap('counting', ({ upstream }) => end(upstream));
    }),
    options: other,
    check: before,
    message: /clients left/,
  },
  {
    mistake: 'counts down successes only',
    balancer: counting(({ begin, end }, { hooks }) => {
      hooks.preProxy.tap('counting', ({ upstream }) => begin(upstream));
      hooks.attemptFinished.tap('counting', ({ upstream, error }) => {
        if (error === undefined || error.code === 'CLIENT_CLOSED' || error.code === 'BODY_CUT') {
          end(upstream);
        }
      });
    }),
    options: other,
    check: before,
    message: /failed/,
  },
  {
    mistake: 'counts down the last attempt only',
    balancer: counting(({ begin, end }, { hooks }) => {
      hooks.preProxy.tap('counting', ({ upstream }) => begin(upstream));
      hooks.finished.tap('counting', ({ upstream }) => end(upstream));
    }),
    options: other,
    check: before,
    message: /tried again elsewhere/,
  },
  {
    mistake: 'counts down failures twice',
    balancer: counting(({ begin, end }, { hooks }) => {
      hooks.preProxy.tap('counting', ({ upstream }) => begin(upstream));
      hooks.attemptFinished.tap('counting', ({ upstream, error }) => {
        end(upstream);
        if (error !== undefined) end(upstream);
      });
    }),
    options: other,
    check: before,
  },
  {
    mistake: 'counts down responses only',
    balancer: counting(({ begin, end }, { hooks }) => {
      hooks.preProxy.tap('counting', ({ upstream }) => begin(upstream));
      hooks.attemptFinished.tap('counting', ({ upstream, attempt, error }) => {
        if (attempt?.status !== 0 || error !== undefined) end(upstream);
      });
    }),
    options: other,
    check: before,
    message: /a plugin replied to/,
  },
  {
    mistake: 'counts down twice, though never below zero',
    balancer: balancer('clamped', ({ id, hooks }) => {
      const random = seeded(id);
      const counts = new WeakMap<Upstream, number>();
      const of = (upstream: Upstream) => counts.get(upstream) ?? 0;
      const end = ({ upstream }: ProxyContext) => {
        if (upstream !== undefined) counts.set(upstream, Math.max(0, of(upstream) - 1));
      };
      hooks.preProxy.tap('clamped', ({ upstream }) => {
        if (upstream !== undefined) counts.set(upstream, of(upstream) + 1);
      });
      hooks.attemptFinished.tap('clamped', end);
      hooks.finished.tap('clamped', end);
      return ctx => oneOfTwo(ctx, random, (a, b) => of(a) < of(b));
    }),
    options: other,
    check: rest,
    message: /with one left in flight/,
  },
  {
    mistake: 'forgets the requests in flight of a removed upstream',
    balancer: forgetful((pool, forget) => pool.observe({ removed: forget })),
    options: other,
    check: left,
    message: /was removed with requests in flight/,
  },
  {
    mistake: 'forgets the requests in flight of an upstream that is down',
    balancer: forgetful((pool, forget) =>
      pool.observe({ changed: upstream => void (upstream.available || forget(upstream)) }),
    ),
    options: other,
    check: left,
    message: /was down with requests in flight/,
  },
];
