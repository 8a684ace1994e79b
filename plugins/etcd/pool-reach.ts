// PoolReach: which pools this node can send requests to. Checks need some intervals to notice that a whole network is gone; while
// another node could lead, one connection a second for each pool notices sooner.
import { connect } from 'node:net';
import { NameLookups } from '../../core/http/upstream/name-lookups.ts';
import type { Upstream } from '../../core/pool/pool.ts';
import { type CancelTimer, type Clock, systemClock } from '../../core/time/clock.ts';
import type { ReportedPools } from './membership.ts';

const { lookup } = new NameLookups(systemClock);

/** The names of pools. Pools without a server are in neither list. */
export interface Reach {
  readonly usable: readonly string[];
  readonly unusable: readonly string[];
}

/** What a {@link PoolReach} is made of. */
export interface PoolReachOptions {
  readonly pools: ReportedPools;
  readonly clock: Clock;
  /** Returns whether a lost pool has to be noticed sooner than checks do now. */
  wanted(): boolean;
  /** Called when a pool went out of reach, or came back. */
  changed(): void;
}

const probeEvery = 1000;
/** A server that accepts no connection within this time is out of reach, ms. */
const patience = 1000;
/** The number of pools tried at once, and of servers tried before a pool counts as out of reach. */
const poolsAtOnce = 16;
const serversOfPool = 8;
/** The most servers from which some are chosen. */
const mostSeen = 1000;
/** Further pools are not reported. */
const mostNames = 500;

/**
 * Returns the pools that the other node can use and this one cannot; none unless the other can use all that this one can. So a node
 * that hands over for these loses no pool, and no two nodes ever find each other better.
 */
export function gains(own: Reach, other: Reach): string[] {
  const there = new Set(other.usable);
  if (!own.usable.every(pool => there.has(pool))) return [];
  return own.unusable.filter(pool => there.has(pool));
}

/** The reach of one node. */
export class PoolReach {
  private readonly options: PoolReachOptions;
  private pools: ReportedPools;
  /** Pools whose checks pass, but of which no server accepted a connection. */
  private readonly lost = new Set<string>();
  private next = 0;
  private busy = false;
  private readonly stop: CancelTimer;

  constructor(options: PoolReachOptions) {
    this.options = options;
    this.pools = options.pools;
    this.stop = options.clock.every(probeEvery, () => void this.probe());
  }

  /** Continues with the pools of a reloaded Weldr. */
  follow(pools: ReportedPools): void {
    this.pools = pools;
  }

  close(): void {
    this.stop();
  }

  /** The pools in and out of reach, by checks and by attempts to connect. */
  get reach(): Reach {
    const usable: string[] = [];
    const unusable: string[] = [];
    for (const pool of this.pools.names) {
      const counts = this.pools.counts(pool);
      if (counts === undefined || counts.servers === 0) continue;
      const isUsable = counts.available > 0 && !this.lost.has(pool);
      const list = isUsable ? usable : unusable;
      if (list.length < mostNames) list.push(pool);
    }
    return { usable, unusable };
  }

  /** Tries these pools now; resolves with those out of reach. */
  async outOfReach(pools: readonly string[]): Promise<readonly string[]> {
    const tried = pools.slice(0, poolsAtOnce);
    const reached = await Promise.all(tried.map(pool => this.tryPool(pool)));
    return tried.filter((_, index) => reached[index] !== true);
  }

  private async probe(): Promise<void> {
    if (this.busy) return;
    if (!this.options.wanted()) return this.forget();
    this.busy = true;
    try {
      const names = this.pools.names.filter(pool => (this.pools.counts(pool)?.available ?? 0) > 0);
      const from = names.length <= poolsAtOnce ? 0 : this.next % names.length;
      this.next = from + poolsAtOnce;
      for (const pool of [...this.lost]) if (!names.includes(pool)) this.lost.delete(pool);
      const turn = [...names.slice(from), ...names.slice(0, from)].slice(0, poolsAtOnce);
      await Promise.all(turn.map(pool => this.tryPool(pool)));
    } finally {
      this.busy = false;
    }
  }

  /** Forgets the attempts, so that checks alone decide. */
  private forget(): void {
    if (this.lost.size === 0) return;
    this.lost.clear();
    this.options.changed();
  }

  /** Resolves with whether a server of the pool accepts a connection: tries one, then some others. */
  private async tryPool(pool: string): Promise<boolean> {
    const chosen = this.choose(pool);
    const [first, ...others] = chosen;
    if (first === undefined) return false;
    let reached = await accepts(first);
    if (!reached && others.length > 0) reached = (await Promise.all(others.map(accepts))).includes(true);
    if (reached === !this.lost.has(pool)) return reached;
    if (reached) this.lost.delete(pool);
    else this.lost.add(pool);
    this.options.changed();
    return reached;
  }

  /** Returns some available servers of the pool, at random. */
  private choose(pool: string): Upstream[] {
    const seen: Upstream[] = [];
    for (const { upstream } of this.pools.list(pool)) {
      if (upstream.available) seen.push(upstream);
      if (seen.length >= mostSeen) break;
    }
    const chosen: Upstream[] = [];
    while (chosen.length < serversOfPool && seen.length > 0) {
      chosen.push(...seen.splice(Math.floor(Math.random() * seen.length), 1));
    }
    return chosen;
  }
}

/** Resolves with whether the server accepts a connection in time. Sends nothing over it. */
async function accepts({ endpoint }: Upstream): Promise<boolean> {
  const socket =
    endpoint.kind === 'unix'
      ? connect({ path: endpoint.path })
      : connect({ host: endpoint.hostname, port: endpoint.port, lookup });
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.once('connect', () => resolve(true));
  socket.on('error', () => resolve(false));
  const timer = setTimeout(() => resolve(false), patience);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}
