// A model of the keys in etcd that decide who leads: candidacies, an order to hand over, maintenance.
import type { Chance, EventQueue } from './event-queue.ts';

/** A node's candidacy. */
export interface Candidacy {
  readonly priority: number;
  readonly fit: boolean;
  /** The node's answer to an order: ready, or refused. */
  readonly answer: { readonly order: number; readonly ready: boolean } | undefined;
}

/** An order to one leader to hand over to another. */
export interface Order {
  readonly id: number;
  readonly from: number;
  readonly to: number;
}

/** All keys at one revision. */
export interface BoardView {
  readonly revision: number;
  readonly candidacies: ReadonlyMap<number, Candidacy>;
  readonly order: Order | undefined;
  readonly resting: ReadonlySet<number>;
}

/** Lifetime of a candidacy or an order unless it is renewed, ms. */
const lease = 5000;

/** The keys in etcd; each change is passed to their watchers. */
export class Board {
  view: BoardView = { revision: 0, candidacies: new Map(), order: undefined, resting: new Set() };
  private readonly queue: EventQueue;
  private readonly chance: Chance;
  private readonly changed: (view: BoardView) => void;
  private readonly ends = new Map<number, number>();
  private orders = 0;

  constructor(queue: EventQueue, chance: Chance, changed: (view: BoardView) => void) {
    this.queue = queue;
    this.chance = chance;
    this.changed = changed;
  }

  /** Sets a node's candidacy, which ends unless it is set again; undefined removes it. */
  say(node: number, candidacy: Candidacy | undefined): void {
    const known = this.view.candidacies.get(node);
    const end = this.queue.now + lease;
    if (candidacy !== undefined && !this.ends.has(node)) this.forgetLater(node, end);
    if (candidacy !== undefined) this.ends.set(node, end);
    if (JSON.stringify(known) === JSON.stringify(candidacy)) return;
    const candidacies = new Map(this.view.candidacies);
    if (candidacy === undefined) candidacies.delete(node);
    else candidacies.set(node, candidacy);
    this.change({ candidacies });
  }

  /** Writes an order unless one exists. Returns its number. */
  order(from: number, to: number): number | undefined {
    if (this.view.order !== undefined) return undefined;
    const id = ++this.orders;
    this.change({ order: { id, from, to } });
    this.queue.at(this.queue.now + lease + this.chance.between(0, 1000), () => this.endOrder(id));
    return id;
  }

  endOrder(id: number): void {
    if (this.view.order?.id === id) this.change({ order: undefined });
  }

  rest(node: number, rests: boolean): void {
    if (this.view.resting.has(node) === rests) return;
    const resting = new Set(this.view.resting);
    if (rests) resting.add(node);
    else resting.delete(node);
    this.change({ resting });
  }

  private forgetLater(node: number, at: number): void {
    this.queue.at(at + this.chance.between(0, 1000), () => {
      const end = this.ends.get(node);
      if (end === undefined) return;
      if (end > this.queue.now) return this.forgetLater(node, end);
      this.ends.delete(node);
      this.say(node, undefined);
    });
  }

  private change(part: Partial<BoardView>): void {
    this.view = { ...this.view, ...part, revision: this.view.revision + 1 };
    this.changed(this.view);
  }
}
