// Narrowing: limits one Weldr of a fleet to the servers of its own zone, and to a subset of them.
import { hashOf } from './hash.ts';
import type { PoolSettings } from './pool-settings.ts';
import type { Upstream } from './upstream.ts';
import type { Vantage } from './vantage.ts';

/** The share of its servers that a zone needs to take all requests, unless the pool sets another. */
const usualThreshold = 0.7;

/** Called with the share of its weight at which an active upstream counts; 0: it is left to other Weldrs. */
export type TakeShare = (upstream: Upstream, share: number) => void;

interface Ranked {
  readonly upstream: Upstream;
  readonly rank: number;
}

/**
 * All Weldrs order the servers of a pool by the hashes of their names; each starts at another place and takes the next
 * active ones. So each Weldr that had a server which leaves replaces it with a different one, and a server that comes or
 * goes changes at most two of any subset. After deterministic subsetting (B. Beyer and others: "Site Reliability
 * Engineering", 2016, chapter 20) and its low-churn successor (P. Ward and others: "Reinventing Backend Subsetting at
 * Google", 2022).
 */
export class Narrowing {
  private readonly vantage: Vantage;
  private readonly members = new Set<Upstream>();
  private order: Ranked[] = [];
  private readonly joined = new Set<Upstream>();
  private hasLeavers = false;

  constructor(vantage: Vantage) {
    this.vantage = vantage;
  }

  /** Returns whether the pool's settings ask for it. */
  static applies(settings: PoolSettings, vantage: Vantage): boolean {
    return settings.subset !== undefined || (vantage.zone !== undefined && settings.zonePreference !== false);
  }

  join(upstream: Upstream): void {
    this.members.add(upstream);
    this.joined.add(upstream);
  }

  leave(upstream: Upstream): void {
    this.members.delete(upstream);
    if (!this.joined.delete(upstream)) this.hasLeavers = true;
  }

  /** Reports the share of each active upstream, of the backups or of the primaries. O(n). */
  apportion(settings: PoolSettings, whom: 'backups' | 'primaries', take: TakeShare): void {
    const { zonePreference = true, subset } = settings;
    const zone = zonePreference === false ? undefined : this.vantage.zone;
    const own: Upstream[] = [];
    const others: Upstream[] = [];
    for (const { upstream } of this.sorted()) {
      if (upstream.backup !== (whom === 'backups')) continue;
      (zone === undefined || upstream.zone === zone ? own : others).push(upstream);
    }
    const threshold = typeof zonePreference === 'object' ? zonePreference.threshold : usualThreshold;
    const elsewhere = zone === undefined ? 0 : missingShare(own, threshold);
    const ownWindow = this.window(own, elsewhere < 1 ? subset?.size : 0);
    const otherWindow = this.window(others, elsewhere > 0 ? subset?.size : 0);
    ownWindow.apply(1, take);
    otherWindow.apply(weightFactor(elsewhere, ownWindow.weight, otherWindow.weight), take);
  }

  private window(upstreams: readonly Upstream[], size = upstreams.length): Window {
    return new Window(upstreams, Math.floor(this.vantage.start * upstreams.length), size);
  }

  private sorted(): readonly Ranked[] {
    if (this.hasLeavers) {
      this.hasLeavers = false;
      this.order = this.order.filter(({ upstream }) => this.members.has(upstream));
    }
    if (this.joined.size > 0) {
      for (const upstream of this.joined) this.order.push({ upstream, rank: hashOf(upstream.id) });
      this.joined.clear();
      // Cheap when few have come: a sorted run is merged.
      this.order.sort((a, b) => a.rank - b.rank || (a.upstream.id < b.upstream.id ? -1 : 1));
    }
    return this.order;
  }
}

/** A part of a circle of upstreams: the first `size` active ones from a place on. */
class Window {
  /** The sum of their weights. */
  readonly weight: number;
  private readonly upstreams: readonly Upstream[];
  private readonly begin: number;
  /** How many places it spans, including those of inactive upstreams. */
  private readonly span: number;

  constructor(upstreams: readonly Upstream[], begin: number, size: number) {
    this.upstreams = upstreams;
    this.begin = begin;
    let [weight, count, span] = [0, 0, 0];
    for (; count < size && span < upstreams.length; span++) {
      const upstream = upstreams[(begin + span) % upstreams.length];
      if (upstream?.state !== 'active') continue;
      weight += upstream.record.weight;
      count++;
    }
    this.weight = weight;
    this.span = span;
  }

  apply(share: number, take: TakeShare): void {
    const { upstreams, begin, span } = this;
    for (let at = 0; at < upstreams.length; at++) {
      const upstream = upstreams[(begin + at) % upstreams.length];
      if (upstream?.state === 'active') take(upstream, at < span ? share : 0);
    }
  }
}

/** The share of the requests that these cannot take when fewer than `threshold` of them are active. Disabled ones do not count. */
function missingShare(upstreams: readonly Upstream[], threshold: number): number {
  let [known, active] = [0, 0];
  for (const { state, record } of upstreams) {
    if (state === 'active') active += record.weight;
    if (state === 'active' || state === 'down') known += record.weight;
  }
  return active === 0 ? 1 : Math.max(0, 1 - active / (threshold * known));
}

/** In steps of 9 %, so that a failing server in a large zone does not always change all other weights. */
const stepsPerDouble = 8;

/** The factor for weights in other zones: they get their share, and none gets more than a server of this zone. */
function weightFactor(elsewhere: number, own: number, others: number): number {
  if (elsewhere === 0 || others === 0 || own === 0) return 1;
  const exact = (elsewhere * own) / ((1 - elsewhere) * others);
  return Math.min(1, 2 ** (Math.round(Math.log2(exact) * stepsPerDouble) / stepsPerDouble));
}
