// Rotation: weighted round robin that is never off by a whole request, in O(log of the number of different weights).
import type { Upstream } from '../../core/pool/pool.ts';
import { ClassHeap, Turn, WeightClass } from './weight-class.ts';

// Starts are sums of 1/weight. They are kept small, so that rounding stays below a thousandth of a request.
const rebaseAt = 1024;
// The rounding error that may add up, as a fraction of a request.
const tolerance = 1e-6;

const none: readonly Upstream[] = [];

/**
 * Chooses among upstreams by weight. Each upstream's n-th request has a window in virtual time, from (n-1)/weight to
 * n/weight; one unit passes in as many choices as the weights add up to. Of the open windows, the one that closes first is
 * served. So after any number of choices from an unchanged set each upstream is within one request of its share (Baruah,
 * Cohen, Plaxton, Varvel: "Proportionate progress", 1996). Upstreams of equal weight open and close in the order in which
 * they were served, so they form a queue and only the queues are compared: one choice costs the same for 10 upstreams and for
 * 10,000. It allocates nothing.
 */
export class Rotation {
  private readonly turns = new Map<Upstream, Turn>();
  private readonly classes = new Map<number, WeightClass>();
  /** Classes whose first window is open, by when it closes. */
  private readonly open = new ClassHeap();
  /** The other classes, by when their first window opens. */
  private readonly waiting = new ClassHeap();
  private totalWeight = 0;
  /** Sum of weight times start: divided by the total weight it is the virtual time. */
  private served = 0;

  get size(): number {
    return this.turns.size;
  }

  /**
   * Adds an upstream, behind those of the same weight, or changes its weight (any number above 0). The rest of its wait is
   * scaled to the new weight, so that no upstream gets a burst.
   */
  put(upstream: Upstream, weight: number): void {
    const known = this.turns.get(upstream);
    if (known?.class.weight === weight) return;
    const now = this.virtualTime;
    const ahead = known === undefined ? 0 : ((known.start - now) * known.class.weight) / weight;
    this.remove(upstream);
    const weightClass = this.classOf(weight);
    const turn = new Turn(upstream, weightClass);
    turn.start = Math.max(now + ahead, weightClass.tail?.start ?? Number.NEGATIVE_INFINITY);
    this.turns.set(upstream, turn);
    weightClass.append(turn);
    this.totalWeight += weight;
    this.served += weight * turn.start;
    if (weightClass.head === turn) this.place(weightClass);
  }

  /** Removes an upstream; does nothing if it is unknown. */
  remove(upstream: Upstream): void {
    const turn = this.turns.get(upstream);
    if (turn === undefined) return;
    this.turns.delete(upstream);
    this.unlink(turn);
    const { weight } = turn.class;
    if (turn.class.head === undefined) this.classes.delete(weight);
    this.totalWeight -= weight;
    this.served -= weight * turn.start;
    if (this.turns.size === 0) {
      this.totalWeight = 0;
      this.served = 0;
    }
  }

  /**
   * Returns the upstream whose turn it is, or the next one that is not in `tried`; if all were tried, the one whose turn it
   * is. Undefined when there are no upstreams.
   */
  choose(tried: readonly Upstream[] = none): Upstream | undefined {
    const turn = this.nextFor(tried);
    if (turn === undefined) return undefined;
    this.serve(turn);
    return turn.upstream;
  }

  /** Returns what {@link choose} would, without using up the turn. */
  foresee(tried: readonly Upstream[] = none): Upstream | undefined {
    return this.nextFor(tried)?.upstream;
  }

  private get virtualTime(): number {
    return this.totalWeight === 0 ? 0 : this.served / this.totalWeight;
  }

  private classOf(weight: number): WeightClass {
    const known = this.classes.get(weight);
    if (known !== undefined) return known;
    const made = new WeightClass(weight);
    this.classes.set(weight, made);
    return made;
  }

  private nextFor(tried: readonly Upstream[]): Turn | undefined {
    const turn = this.next();
    if (turn === undefined || tried.length === 0 || !tried.includes(turn.upstream)) return turn;
    return this.nextUntried(tried) ?? turn;
  }

  /** The turn to be served now. */
  private next(): Turn | undefined {
    const now = (this.served + 1 - tolerance) / this.totalWeight;
    for (let first = this.waiting.first; first !== undefined && first.key < now; first = this.waiting.first) {
      this.waiting.remove(first);
      this.open.add(first, closing(first));
    }
    return (this.open.first ?? this.waiting.first)?.head;
  }

  private serve(turn: Turn): void {
    const { class: own } = turn;
    own.unlink(turn);
    turn.start += 1 / own.weight;
    own.append(turn);
    this.place(own);
    this.served += 1;
    if (turn.start >= rebaseAt * 2) this.rebase();
  }

  /** Skips those that were tried, without costing them their turn. */
  private nextUntried(tried: readonly Upstream[]): Turn | undefined {
    const aside: Turn[] = [];
    let turn = this.next();
    while (turn !== undefined && tried.includes(turn.upstream)) {
      aside.push(turn);
      this.unlink(turn);
      turn = this.next();
    }
    for (const passed of aside.reverse()) {
      passed.class.prepend(passed);
      this.place(passed.class);
    }
    return turn;
  }

  private unlink(turn: Turn): void {
    const wasFirst = turn.class.head === turn;
    turn.class.unlink(turn);
    if (wasFirst) this.place(turn.class);
  }

  /** Moves a class whose head has changed to where it belongs. */
  private place(weightClass: WeightClass): void {
    weightClass.heap?.remove(weightClass);
    if (weightClass.head !== undefined) this.waiting.add(weightClass, weightClass.head.start);
  }

  /** Sets virtual time back before the sums grow so large that rounding errors matter. */
  private rebase(): void {
    this.served = 0;
    this.totalWeight = 0;
    for (const turn of this.turns.values()) {
      turn.start -= rebaseAt;
      this.totalWeight += turn.class.weight;
      this.served += turn.class.weight * turn.start;
    }
    this.open.lower(rebaseAt);
    this.waiting.lower(rebaseAt);
  }
}

function closing(weightClass: WeightClass): number {
  return (weightClass.head?.start ?? 0) + 1 / weightClass.weight;
}
