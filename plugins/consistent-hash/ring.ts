// Ring: a circle of hashes on which each upstream has many points and each key belongs to the next point.
import { hashOf, spread } from '../../core/pool/hash.ts';
import type { Upstream } from '../../core/pool/pool.ts';
import { PointTable } from './point-table.ts';

/** Points of an upstream of weight 1: the standard deviation of its share is a twelfth. */
const pointsPerWeight = 128;
/**
 * The most points on the whole circle, and of one upstream; if weights ask for more, all have half, a quarter, … of their
 * points.
 */
const maxPoints = 1 << 21;
const maxPointsEach = 1 << 12;

interface Member {
  /** Its number in the table. */
  readonly number: number;
  readonly seed: number;
  readonly weight: number;
  /** The number of its points. */
  count: number;
}

/**
 * Consistent hashing (Karger and others: "Consistent Hashing and Random Trees", 1997): when an upstream leaves, only its own
 * keys move, and they spread over all others. The points depend only on the upstreams, so that workers and Weldrs that share
 * nothing agree.
 */
export class Ring {
  private readonly table = new PointTable();
  private readonly members = new Map<Upstream, Member>();
  /** By number; those in `free` are unused. */
  private readonly upstreams: (Upstream | undefined)[] = [];
  private readonly free: number[] = [];
  private weights = 0;
  /** How often the points per weight were halved. */
  private halvings = 0;
  /** Upstreams that may have more points than they should have now. */
  private readonly excessive = new Set<Upstream>();

  /** The number of upstreams. */
  get size(): number {
    return this.members.size;
  }

  /** The sum of their weights. */
  get weight(): number {
    return this.weights;
  }

  /** Whether anything is left to {@link trim}. */
  get isExcessive(): boolean {
    return this.excessive.size > 0;
  }

  /** Adds an upstream, which must not be on the ring. */
  add(upstream: Upstream, weight: number): void {
    this.weights += weight;
    this.fit(weight);
    const count = this.pointsOf(weight);
    const number = this.free.pop() ?? this.upstreams.length;
    this.upstreams[number] = upstream;
    const member = { number, seed: hashOf(upstream.id), weight, count };
    this.members.set(upstream, member);
    for (let n = 0; n < count; n++) this.table.add(pointAt(member.seed, n), number, this.comesBefore);
  }

  /** Removes an upstream. */
  remove(upstream: Upstream): void {
    const member = this.members.get(upstream);
    if (member === undefined) return;
    this.members.delete(upstream);
    this.excessive.delete(upstream);
    this.weights = this.members.size === 0 ? 0 : this.weights - member.weight;
    this.keep(member, 0);
    this.upstreams[member.number] = undefined;
    this.free.push(member.number);
  }

  /** Removes the surplus points of one upstream. */
  trim(): void {
    for (const upstream of this.excessive) {
      this.excessive.delete(upstream);
      const member = this.members.get(upstream);
      if (member !== undefined) this.keep(member, this.pointsOf(member.weight));
      return;
    }
  }

  /**
   * Walks the ring from a key and returns the first upstream that `accepts` takes; after `patience` points, the very first
   * one. Undefined: the ring is empty.
   */
  find(key: number, accepts: (upstream: Upstream) => boolean, patience: number): Upstream | undefined {
    let number = this.table.seek(key);
    if (number < 0) return undefined;
    const first = this.upstreams[number];
    if (first === undefined || accepts(first)) return first;
    for (let seen = 1; seen < patience; seen++) {
      number = this.table.next();
      const upstream = this.upstreams[number];
      if (upstream !== undefined && upstream !== first && accepts(upstream)) return upstream;
    }
    return first;
  }

  private pointsOf(weight: number): number {
    return Math.max(1, Math.round((weight * pointsPerWeight) / 2 ** this.halvings));
  }

  /**
   * Halves the points of all upstreams if there would be too many: the first half stays in place. This is not undone, because
   * a ring near the limit would then be rebuilt at each change.
   */
  private fit(heaviest: number): void {
    const { halvings } = this;
    while (this.pointsOf(this.weights) > maxPoints || this.pointsOf(heaviest) > maxPointsEach)
      this.halvings++;
    if (this.halvings > halvings) for (const upstream of this.members.keys()) this.excessive.add(upstream);
  }

  private keep(member: Member, kept: number): void {
    for (let n = kept; n < member.count; n++) this.table.remove(pointAt(member.seed, n), member.number);
    member.count = Math.min(member.count, kept);
  }

  /** Two upstreams on one point are ordered by name, not by arrival. */
  private readonly comesBefore = (one: number, other: number): boolean =>
    (this.upstreams[one]?.id ?? '') < (this.upstreams[other]?.id ?? '');
}

const goldenRatio = 0x9e3779b9;

const pointAt = (seed: number, n: number): number => spread(seed ^ spread(Math.imul(n + 1, goldenRatio)));
