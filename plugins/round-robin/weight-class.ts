// WeightClass and ClassHeap: a queue of upstreams of equal weight, and the heap that orders such queues.
import type { Upstream } from '../../core/pool/pool.ts';

/** An upstream's place in the rotation: a link in the queue of its class. */
export class Turn {
  readonly upstream: Upstream;
  class: WeightClass;
  /** The earliest virtual time at which its next request is due: the number of its requests so far, divided by its weight. */
  start = 0;
  before: Turn | undefined = undefined;
  after: Turn | undefined = undefined;

  constructor(upstream: Upstream, weightClass: WeightClass) {
    this.upstream = upstream;
    this.class = weightClass;
  }
}

/** Upstreams of one weight, ordered by start. A served one goes to the end, so no sorting is needed. */
export class WeightClass {
  readonly weight: number;
  head: Turn | undefined = undefined;
  tail: Turn | undefined = undefined;
  /** The key by which its heap orders it. */
  key = 0;
  /** Its index in its heap. */
  at = 0;
  heap: ClassHeap | undefined = undefined;

  constructor(weight: number) {
    this.weight = weight;
  }

  append(turn: Turn): void {
    turn.before = this.tail;
    turn.after = undefined;
    if (this.tail === undefined) this.head = turn;
    else this.tail.after = turn;
    this.tail = turn;
  }

  prepend(turn: Turn): void {
    turn.before = undefined;
    turn.after = this.head;
    if (this.head === undefined) this.tail = turn;
    else this.head.before = turn;
    this.head = turn;
  }

  unlink(turn: Turn): void {
    const { before, after } = turn;
    if (before === undefined) this.head = after;
    else before.after = after;
    if (after === undefined) this.tail = before;
    else after.before = before;
    turn.before = undefined;
    turn.after = undefined;
  }
}

/** A binary min-heap of classes by key; any of them can be removed. */
export class ClassHeap {
  private readonly list: WeightClass[] = [];

  get first(): WeightClass | undefined {
    return this.list[0];
  }

  add(item: WeightClass, key: number): void {
    item.heap = this;
    item.key = key;
    item.at = this.list.push(item) - 1;
    this.up(item);
  }

  remove(item: WeightClass): void {
    item.heap = undefined;
    const last = this.list.pop();
    if (last === undefined || last === item) return;
    last.at = item.at;
    this.list[last.at] = last;
    this.up(last);
    this.down(last);
  }

  /** Subtracts the same amount from all keys, which keeps their order. */
  lower(by: number): void {
    for (const item of this.list) item.key -= by;
  }

  private up(item: WeightClass): void {
    while (item.at > 0) {
      const parent = this.list[(item.at - 1) >> 1];
      if (parent === undefined || parent.key <= item.key) return;
      this.swap(parent, item);
    }
  }

  private down(item: WeightClass): void {
    for (;;) {
      const left = this.list[2 * item.at + 1];
      const right = this.list[2 * item.at + 2];
      const least = right !== undefined && left !== undefined && right.key < left.key ? right : left;
      if (least === undefined || least.key >= item.key) return;
      this.swap(item, least);
    }
  }

  /** Swaps a class with its parent: `below` takes the place of `above`. */
  private swap(above: WeightClass, below: WeightClass): void {
    const { at } = above;
    above.at = below.at;
    below.at = at;
    this.list[above.at] = above;
    this.list[below.at] = below;
  }
}
