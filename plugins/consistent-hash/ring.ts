// Ring: a circle of hashes on which each upstream has many points, and each key belongs to the next point.

import { hashOf, spread } from '../../core/hash.ts';
import type { Upstream } from '../../core/pool/pool.ts';

/** Of an upstream of weight 1: its share is off by a twelfth, one standard deviation. */
const pointsPerWeight = 128;
/** On the whole circle, and of one upstream; where weights ask for more, all have half, a quarter, … of their points. */
const maxPoints = 1 << 21;
const maxPointsEach = 1 << 12;

const bucketBits = 12;
const buckets = 1 << bucketBits;
const bucketShift = 32 - bucketBits;

/** A part of the circle. */
interface Bucket {
  /** In order. */
  readonly points: number[];
  /** Whose they are. */
  readonly owners: Upstream[];
}

/**
 * Consistent hashing (Karger and others: "Consistent Hashing and Random Trees", 1997): when an upstream goes, only its own keys
 * move, and they spread over all others. The circle lies in 4,096 parts, so that a key is found, and an upstream's points are put in
 * or taken out, without a look at the rest. Where it is depends on nothing but the upstreams, so that workers and Weldrs which
 * share nothing agree.
 */
export class Ring {
  private readonly parts: Bucket[] = Array.from({ length: buckets }, () => ({ points: [], owners: [] }));
  /** The points that each one has. */
  private readonly members = new Map<Upstream, number>();
  private total = 0;
  private weights = 0;
  /** Halvings of the points per weight. */
  private halvings = 0;

  /** How many upstreams are on it. */
  get size(): number {
    return this.members.size;
  }

  /** What their weights add up to. */
  get weight(): number {
    return this.weights;
  }

  /** Puts an upstream on it. It must not be there. */
  add(upstream: Upstream, weight: number): void {
    this.weights += weight;
    this.fit(weight);
    const count = this.pointsOf(weight);
    this.members.set(upstream, count);
    this.put(upstream, 0, count);
  }

  /** Takes an upstream off, which was put there with this weight. */
  remove(upstream: Upstream, weight: number): void {
    const count = this.members.get(upstream);
    if (count === undefined) return;
    this.members.delete(upstream);
    this.weights -= weight;
    this.take(upstream, 0, count);
  }

  /**
   * Goes round from where a key is, and returns the first upstream that `accepts` takes; after as many points as `patience`, the
   * very first one. Undefined: nobody is on it.
   */
  find(key: number, accepts: (upstream: Upstream) => boolean, patience: number): Upstream | undefined {
    if (this.total === 0) return undefined;
    let first: Upstream | undefined;
    let part = key >>> bucketShift;
    let at = firstFrom(this.parts[part]?.points ?? [], key);
    for (let seen = 0; seen < patience; seen++) {
      let owner = this.parts[part]?.owners[at];
      while (owner === undefined) {
        part = (part + 1) % buckets;
        at = 0;
        owner = this.parts[part]?.owners[0];
      }
      if (accepts(owner)) return owner;
      first ??= owner;
      at++;
    }
    return first;
  }

  private pointsOf(weight: number): number {
    return Math.max(1, Math.round((weight * pointsPerWeight) / 2 ** this.halvings));
  }

  /**
   * Has everybody keep the first half of their points where there would be too many: those stay where they are. It is not taken
   * back: a ring near the limit would be made anew with each change.
   */
  private fit(heaviest: number): void {
    while (this.pointsOf(this.weights) > maxPoints || this.pointsOf(heaviest) > maxPointsEach) {
      this.halvings++;
      for (const [upstream, count] of this.members) {
        const kept = Math.max(1, Math.round(count / 2));
        this.members.set(upstream, kept);
        this.take(upstream, kept, count);
      }
    }
  }

  private put(upstream: Upstream, from: number, to: number): void {
    const seed = hashOf(upstream.id);
    for (let n = from; n < to; n++) {
      const point = pointAt(seed, n);
      const { points, owners } = this.partOf(point);
      let at = firstFrom(points, point);
      // Two on one point are in the order of their names, whoever came first.
      while (points[at] === point && (owners[at]?.id ?? '') < upstream.id) at++;
      points.splice(at, 0, point);
      owners.splice(at, 0, upstream);
    }
    this.total += to - from;
  }

  private take(upstream: Upstream, from: number, to: number): void {
    const seed = hashOf(upstream.id);
    for (let n = from; n < to; n++) {
      const point = pointAt(seed, n);
      const { points, owners } = this.partOf(point);
      let at = firstFrom(points, point);
      while (owners[at] !== upstream) at++;
      points.splice(at, 1);
      owners.splice(at, 1);
    }
    this.total -= to - from;
  }

  private partOf(point: number): Bucket {
    const part = this.parts[point >>> bucketShift];
    if (part === undefined) throw new RangeError(`a point that is off the ring: ${point}`);
    return part;
  }
}

const goldenRatio = 0x9e3779b9;

const pointAt = (seed: number, n: number): number => spread(seed ^ spread(Math.imul(n + 1, goldenRatio)));

/** The index of the first point from `key` on; the length where there is none. */
function firstFrom(points: readonly number[], key: number): number {
  let low = 0;
  let high = points.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((points[middle] ?? 0) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
