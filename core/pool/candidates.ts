// Candidates: the active upstreams of a pool in one list of three parts: available with room, available but full, and apart
// (left to other Weldrs). Each move is O(1).
import { membership, type Upstream } from './upstream.ts';

/** The list of one pool. An upstream is in one list at a time. */
export class Candidates {
  private readonly list: Upstream[] = [];
  private roomyCount = 0;
  private readyCount = 0;

  /** How many are available; they come first. */
  get ready(): number {
    return this.readyCount;
  }

  /** How many of the available ones have room; they come first. */
  get roomy(): number {
    return this.roomyCount;
  }

  /** How many there are, including those apart, which come last. */
  get size(): number {
    return this.list.length;
  }

  at(index: number): Upstream | undefined {
    return this.list[index];
  }

  /** A copy of the available part. */
  copyReady(): readonly Upstream[] {
    return this.list.slice(0, this.readyCount);
  }

  has(upstream: Upstream): boolean {
    return membership.slotOf(upstream) >= 0;
  }

  isReady(upstream: Upstream): boolean {
    const slot = membership.slotOf(upstream);
    return slot >= 0 && slot < this.readyCount;
  }

  /** Adds an upstream that is not in the list, as apart. */
  add(upstream: Upstream): void {
    membership.setSlot(upstream, this.list.push(upstream) - 1);
  }

  /** Removes an upstream that is in the list. */
  remove(upstream: Upstream): void {
    this.part(upstream);
    this.swap(membership.slotOf(upstream), this.list.length - 1);
    this.list.pop();
    membership.setSlot(upstream, -1);
  }

  /** Makes one that is apart available. */
  admit(upstream: Upstream): void {
    this.swap(membership.slotOf(upstream), this.readyCount++);
    this.sort(upstream);
  }

  /** Sets an available one apart; does nothing when it already is. */
  part(upstream: Upstream): void {
    if (!this.isReady(upstream)) return;
    if (membership.slotOf(upstream) < this.roomyCount)
      this.swap(membership.slotOf(upstream), --this.roomyCount);
    this.swap(membership.slotOf(upstream), --this.readyCount);
  }

  /** Moves an available one among those with room or those without. */
  sort(upstream: Upstream): void {
    const slot = membership.slotOf(upstream);
    if (slot < 0 || slot >= this.readyCount || slot < this.roomyCount !== upstream.full) return;
    this.swap(slot, upstream.full ? --this.roomyCount : this.roomyCount++);
  }

  private swap(one: number, other: number): void {
    const [a, b] = [this.list[one], this.list[other]];
    if (a === undefined || b === undefined || one === other) return;
    this.list[one] = b;
    this.list[other] = a;
    membership.setSlot(b, one);
    membership.setSlot(a, other);
  }
}
