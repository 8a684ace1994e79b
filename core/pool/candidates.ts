// Candidates: the upstreams of a pool that could be given requests, in one list of three parts: those that may be and have room,
// those that may be and are full, and those that are left to other Weldrs. Each move is O(1).
import { membership, type Upstream } from './upstream.ts';

/** The list of one pool. An upstream is in one list at a time. */
export class Candidates {
  private readonly list: Upstream[] = [];
  private roomyCount = 0;
  private readyCount = 0;

  /** How many may be given requests; they come first. */
  get ready(): number {
    return this.readyCount;
  }

  /** How many of these have room; they come first among them. */
  get roomy(): number {
    return this.roomyCount;
  }

  /** How many there are, those that are apart included; they come last. */
  get size(): number {
    return this.list.length;
  }

  at(index: number): Upstream | undefined {
    return this.list[index];
  }

  /** A copy of the part that may be given requests. */
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

  /** Takes one in that is not there, as one that is apart. */
  add(upstream: Upstream): void {
    membership.setSlot(upstream, this.list.push(upstream) - 1);
  }

  /** Takes one out that is there. */
  remove(upstream: Upstream): void {
    this.part(upstream);
    this.swap(membership.slotOf(upstream), this.list.length - 1);
    this.list.pop();
    membership.setSlot(upstream, -1);
  }

  /** One that is apart may be given requests. */
  admit(upstream: Upstream): void {
    this.swap(membership.slotOf(upstream), this.readyCount++);
    this.sort(upstream);
  }

  /** One may be given requests no more; nothing happens where that is so already. */
  part(upstream: Upstream): void {
    if (!this.isReady(upstream)) return;
    if (membership.slotOf(upstream) < this.roomyCount)
      this.swap(membership.slotOf(upstream), --this.roomyCount);
    this.swap(membership.slotOf(upstream), --this.readyCount);
  }

  /** Puts one that may be given requests among those with room, or those without. */
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
