// Balancers that do everything required of one, each in a plain form: the conformance kit must pass them.
import type { Plugin, WorkerSide } from '../../../core/plugin/plugin.ts';
import type { Pool, Upstream } from '../../../core/pool/pool.ts';
import type { ProxyContext } from '../../../core/request/context.ts';
import { seeded } from '../../../core/testing/seeded.ts';

type Choose = (ctx: ProxyContext) => Upstream | undefined;

/** A balancer of one function, which each worker creates. */
export function balancer(name: string, make: (side: WorkerSide) => Choose): Plugin {
  return {
    name,
    role: 'balancer',
    worker(side) {
      side.hooks.selectUpstream.tap(name, make(side));
    },
  };
}

/** The first upstream from `start` on that was not tried; if all were, the one at `start`. */
export function freshFrom(
  available: readonly Upstream[],
  tried: readonly Upstream[],
  start: number,
): Upstream | undefined {
  for (let step = 0; step < available.length; step++) {
    const upstream = available[(start + step) % available.length];
    if (upstream !== undefined && !tried.includes(upstream)) return upstream;
  }
  return available[start % Math.max(1, available.length)];
}

/** One after the other, whatever their weights. */
export const plainRoundRobin = balancer('plain-round-robin', ({ id }) => {
  const turns = new WeakMap<Pool, number>();
  return ({ pool, tried, rehearsal }) => {
    const turn = turns.get(pool) ?? id - 1;
    if (!rehearsal) turns.set(pool, turn + 1);
    return freshFrom(pool.available, tried, turn % Math.max(1, pool.available.length));
  };
});

/** At random, in proportion to the weights. */
export const weightedRandom = balancer('weighted-random', ({ id }) => {
  const random = seeded(id);
  const known = new WeakMap<Pool, { version: number; ends: number[] }>();
  const endsOf = (pool: Pool): number[] => {
    let entry = known.get(pool);
    if (entry?.version !== pool.version) {
      let end = 0;
      entry = { version: pool.version, ends: pool.available.map(({ weight }) => (end += weight)) };
      known.set(pool, entry);
    }
    return entry.ends;
  };
  return ({ pool, tried }) => {
    const ends = endsOf(pool);
    const at = random() * (ends.at(-1) ?? 0);
    let low = 0;
    for (let high = ends.length - 1; low < high; ) {
      const middle = (low + high) >> 1;
      if ((ends[middle] ?? 0) > at) high = middle;
      else low = middle + 1;
    }
    return freshFrom(pool.available, tried, low);
  };
});

/** The better of two random upstreams, according to `isBetter`. */
function twoChoices(
  { available }: Pool,
  tried: readonly Upstream[],
  random: () => number,
  isBetter: (a: Upstream, b: Upstream) => boolean,
): Upstream | undefined {
  const draw = () => freshFrom(available, tried, Math.floor(random() * available.length));
  const one = draw();
  const two = draw();
  return one !== undefined && two !== undefined && isBetter(two, one) ? two : one;
}

/** The less busy one of two. */
export const powerOfTwo = balancer('power-of-two', ({ id }) => {
  const random = seeded(id);
  return ({ pool, tried }) => twoChoices(pool, tried, random, (a, b) => a.inFlight < b.inFlight);
});

/** The faster one of two, by a moving average of how long attempts took; failures count as slow, and are forgotten. */
export const ewma = balancer('ewma', ({ id, hooks, clock }) => {
  const random = seeded(id);
  const averages = new WeakMap<Upstream, { value: number; at: number }>();
  hooks.attemptFinished.tap('ewma', ({ attempt, error, rehearsal }) => {
    if (attempt === undefined || rehearsal || error?.code === 'CLIENT_CLOSED') return;
    const took = error === undefined ? attempt.finishedAt - attempt.startedAt : 1000;
    averages.set(attempt.upstream, {
      value: cost(attempt.upstream) * 0.7 + took * 0.3,
      at: clock.monotonic(),
    });
  });
  const cost = (upstream: Upstream): number => {
    const average = averages.get(upstream);
    if (average === undefined) return 0;
    const value = average.value * Math.exp((average.at - clock.monotonic()) / 10_000);
    return value < 0.001 ? 0 : value;
  };
  return ({ pool, tried }) => twoChoices(pool, tried, random, (a, b) => cost(a) < cost(b));
});

/** The less busy one of two by separate counts of the requests that have begun and not ended. */
export const ownCounts = balancer('own-counts', ({ id, hooks }) => {
  const random = seeded(id);
  const counts = new WeakMap<Upstream, number>();
  const of = (upstream: Upstream) => counts.get(upstream) ?? 0;
  hooks.preProxy.tap('own-counts', ({ upstream }) => {
    if (upstream !== undefined) counts.set(upstream, of(upstream) + 1);
  });
  hooks.attemptFinished.tap('own-counts', ({ upstream }) => {
    if (upstream !== undefined) counts.set(upstream, of(upstream) - 1);
  });
  return ({ pool, tried }) => twoChoices(pool, tried, random, (a, b) => of(a) < of(b));
});

const points = 100;

/** A ring of hashes: each client has its place, and gets the next upstream after it. */
export const ring = balancer('ring', () => {
  const rings = new WeakMap<Pool, Ring>();
  return ({ pool, tried, clientIp }) => {
    let known = rings.get(pool);
    if (known?.version !== pool.version) {
      known = new Ring(pool);
      rings.set(pool, known);
    }
    return known.behind(hash(clientIp), tried);
  };
});

class Ring {
  readonly version: number;
  private readonly places: { readonly at: number; readonly upstream: Upstream }[] = [];

  constructor({ version, available }: Pool) {
    this.version = version;
    for (const upstream of available) {
      for (let n = 0; n < points; n++) this.places.push({ at: hash(`${upstream.id} ${n}`), upstream });
    }
    this.places.sort((a, b) => a.at - b.at);
  }

  behind(at: number, tried: readonly Upstream[]): Upstream | undefined {
    const { places } = this;
    let low = 0;
    for (let high = places.length; low < high; ) {
      const middle = (low + high) >> 1;
      if ((places[middle]?.at ?? 0) < at) low = middle + 1;
      else high = middle;
    }
    for (let step = 0; step < places.length; step++) {
      const upstream = places[(low + step) % places.length]?.upstream;
      if (upstream !== undefined && !tried.includes(upstream)) return upstream;
    }
    return places[low % Math.max(1, places.length)]?.upstream;
  }
}

/** FNV-1a with a final step that spreads texts that differ only at the end. */
export function hash(text: string): number {
  let state = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193);
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35);
  return (state ^ (state >>> 16)) >>> 0;
}

/** The faster one of two, by averages that decay towards zero and never reach it. */
export const decaying = balancer('decaying', ({ id, hooks, clock }) => {
  const random = seeded(id);
  const averages = new WeakMap<Upstream, { value: number; at: number }>();
  const cost = (upstream: Upstream): number => {
    const { value, at } = averages.get(upstream) ?? { value: 0, at: 0 };
    return value * Math.exp((at - clock.monotonic()) / 10_000);
  };
  hooks.attemptFinished.tap('decaying', ({ attempt, error, rehearsal }) => {
    if (attempt === undefined || rehearsal) return;
    const took = error === undefined ? attempt.finishedAt - attempt.startedAt : 300;
    averages.set(attempt.upstream, { value: cost(attempt.upstream) * 0.7 + took, at: clock.monotonic() });
  });
  return ({ pool, tried }) => twoChoices(pool, tried, random, (a, b) => cost(a) < cost(b));
});

/** The fastest one of `sample`, by averages that only new latencies change. */
export const fastestOf = (sample: number): Plugin =>
  balancer('fastest', ({ id, hooks }) => {
    const random = seeded(id);
    const averages = new WeakMap<Upstream, number>();
    const of = (upstream: Upstream) => averages.get(upstream) ?? 0;
    hooks.attemptFinished.tap('fastest', ({ attempt, rehearsal }) => {
      if (attempt === undefined || rehearsal) return;
      const { upstream, startedAt, finishedAt } = attempt;
      const took = finishedAt - startedAt;
      averages.set(upstream, averages.has(upstream) ? of(upstream) * 0.7 + took * 0.3 : took);
    });
    return ({ pool, tried }) => {
      let best: Upstream | undefined;
      for (let n = 0; n < sample; n++) {
        const drawn = freshFrom(pool.available, tried, Math.floor(random() * pool.available.length));
        if (best === undefined || (drawn !== undefined && of(drawn) < of(best))) best = drawn;
      }
      return best;
    };
  });

/** At random for new clients; known ones keep their upstream while it is available. */
export const remembering = balancer('remembering', ({ id }) => {
  const random = seeded(id);
  const homes = new WeakMap<Pool, Map<string, Upstream>>();
  return ({ pool, tried, clientIp, rehearsal }) => {
    const known = homes.get(pool) ?? new Map<string, Upstream>();
    homes.set(pool, known);
    const home = known.get(clientIp);
    if (home?.available && home.home === pool && !tried.includes(home)) return home;
    const chosen = freshFrom(pool.available, tried, Math.floor(random() * pool.available.length));
    if (chosen !== undefined && !rehearsal) known.set(clientIp, chosen);
    return chosen;
  };
});

/** At random, and new upstreams less often for half a minute. */
export const warmingUp = balancer('warming-up', ({ id, pools, clock }) => {
  const random = seeded(id);
  const since = new WeakMap<Upstream, number>();
  const come = (upstream: Upstream) => void since.set(upstream, clock.now());
  pools.follow(pool =>
    pool.observe({ added: come, changed: (one, was) => void (was.state !== 'active' && come(one)) }),
  );
  const part = (upstream: Upstream): number => 0.1 + (clock.now() - (since.get(upstream) ?? 0)) / 30_000;
  return ({ pool, tried }) => {
    const draw = () => freshFrom(pool.available, tried, Math.floor(random() * pool.available.length));
    let drawn = draw();
    for (let n = 0; n < 3 && drawn !== undefined && random() > part(drawn); n++) drawn = draw();
    return drawn;
  };
});

/** By the client's cookie. */
export const byCookie = balancer('by-cookie', () => ({ pool, tried, request }) => {
  const place = hash(request.headers.get('cookie') ?? '');
  return freshFrom(pool.available, tried, place % Math.max(1, pool.available.length));
});

/** A plain round robin that waits for something else before it chooses. */
export const askingFirst: Plugin = {
  name: 'asking-first',
  worker({ hooks, clock, id }) {
    const turns = new WeakMap<Pool, number>();
    hooks.selectUpstream.tapPromise('asking-first', async ({ pool, tried, rehearsal }) => {
      await new Promise<void>(resolve => clock.after(5, resolve));
      const turn = turns.get(pool) ?? id - 1;
      if (!rehearsal) turns.set(pool, turn + 1);
      return freshFrom(pool.available, tried, turn % Math.max(1, pool.available.length));
    });
  },
};
