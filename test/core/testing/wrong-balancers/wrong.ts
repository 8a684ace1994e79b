// A wrong balancer: one mistake, which the conformance kit must find; and the means to build one.
import type { Plugin, WorkerSide } from '../../../../core/plugin/plugin.ts';
import type { Pool, Upstream } from '../../../../core/pool/pool.ts';
import type { ProxyContext } from '../../../../core/request/context.ts';
import { seeded } from '../../../../core/testing/seeded.ts';
import type { BalancerCheckOptions } from '../../../../core/testing.ts';
import { balancer, freshFrom } from '../right-balancers.ts';

/** A mistake, the balancer that makes it, and the check that it fails. */
export interface Wrong {
  readonly mistake: string;
  readonly balancer: Plugin;
  readonly options: BalancerCheckOptions;
  readonly check: string;
  readonly message?: RegExp;
}

export const equal = { weights: false } as const;
export const other = { distribution: 'none' } as const;

/** Counts per pool; `first` is where the counting begins. */
export function counter(first: number): (pool: Pool) => number {
  const counts = new WeakMap<Pool, number>();
  return pool => {
    const count = counts.get(pool) ?? first;
    counts.set(pool, count + 1);
    return count;
  };
}

export const at = <T>(list: readonly T[], index: number): T | undefined =>
  list[index % Math.max(1, list.length)];

/** Caches what `make` returns for a pool until the pool changes. */
export function cached<T>(make: (pool: Pool) => T): (pool: Pool) => T {
  const known = new WeakMap<Pool, { version: number; value: T }>();
  return pool => {
    let entry = known.get(pool);
    if (entry?.version !== pool.version) {
      entry = { version: pool.version, value: make(pool) };
      known.set(pool, entry);
    }
    return entry.value;
  };
}

/** The better of two random upstreams; one that was tried only if all were. */
export function oneOfTwo(
  { pool, tried }: ProxyContext,
  random: () => number,
  isBetter: (a: Upstream, b: Upstream) => boolean,
): Upstream | undefined {
  const { available } = pool;
  const a = freshFrom(available, tried, Math.floor(random() * available.length));
  const b = freshFrom(available, tried, Math.floor(random() * available.length));
  return a !== undefined && b !== undefined && isBetter(b, a) ? b : a;
}

/** Counts of requests that a balancer keeps for itself. */
interface OwnCounts {
  begin(upstream: Upstream | undefined): undefined;
  end(upstream: Upstream | undefined): undefined;
}

/** The less busy of two, by separate counts, which `keep` updates. */
export function counting(keep: (counts: OwnCounts, side: WorkerSide) => void): Plugin {
  return balancer('counting', side => {
    const random = seeded(side.id);
    const counts = new WeakMap<Upstream, number>();
    const of = (upstream: Upstream) => counts.get(upstream) ?? 0;
    const add = (upstream: Upstream | undefined, by: number): undefined => {
      if (upstream !== undefined) counts.set(upstream, of(upstream) + by);
    };
    const begin = (upstream: Upstream | undefined) => add(upstream, 1);
    keep({ begin, end: upstream => add(upstream, -1) }, side);
    return ctx => oneOfTwo(ctx, random, (a, b) => of(a) < of(b));
  });
}

/** A balancer from `choose`, which receives a count for each pool; it starts at the number of the worker. */
export const turns = (choose: (ctx: ProxyContext, turn: number) => Upstream | undefined): Plugin =>
  balancer('turns', ({ id }) => {
    const next = counter(id - 1);
    return ctx => choose(ctx, next(ctx.pool));
  });

export const chance = (choose: (ctx: ProxyContext, random: () => number) => Upstream | undefined): Plugin =>
  balancer('chance', ({ id }) => {
    const random = seeded(id);
    return ctx => choose(ctx, random);
  });

export const fresh = (ctx: ProxyContext, start: number): Upstream | undefined =>
  freshFrom(ctx.pool.available, ctx.tried, start % Math.max(1, ctx.pool.available.length));
