// A model of a node as a candidate: its candidacy, when it stands back, and its part in orders to hand over.
import type { BoardView, Candidacy, Order } from './board.ts';
import type { EtcdLease } from './lease-service.ts';
import type { Manager } from './manager.ts';

const keepEvery = 1500;
const readyRenewEvery = 50;
const readyKeptFor = 5000;
const readyWithin = 150;

/** A lease that was granted before it is needed. */
export interface ReadyLease {
  readonly lease: EtcdLease;
  /** When its last renewal was requested, by the machine's clock, and the term in which it was confirmed. */
  asked: number;
  term: number;
  readonly grantedAsked: number;
  readonly end: number;
}

/** One node's part in the election's orders. */
export class Candidate {
  private readonly manager: Manager;
  private seen: BoardView | undefined;
  private freeSince = Number.NEGATIVE_INFINITY;
  private lastLeader: number | undefined;
  private leader: number | undefined;
  private ready: ReadyLease | undefined;
  private answered: Candidacy['answer'];
  private answering: number | undefined;
  private releasing: number | undefined;
  private whenAccepted: (() => void) | undefined;
  private isLeaving = false;

  constructor(manager: Manager) {
    this.manager = manager;
    this.keep();
  }

  private get name(): number {
    return this.manager.machine.name;
  }

  private get rests(): boolean {
    return this.seen?.resting.has(this.name) ?? false;
  }

  // --- standing --------------------------------------------------------------------------------------------------

  /** Returns whether the node may take a free leadership now. If it may soon, it campaigns then. */
  mayStand(): boolean {
    const { manager, seen } = this;
    const { p } = manager.machine.cluster;
    if (seen === undefined || this.rests) return false;
    const wait = this.freeSince + this.standBack(seen) - manager.machine.clock();
    if (wait <= 0) return true;
    if (wait < p.behindChosen + 1) manager.after(wait, () => manager.campaign());
    return false;
  }

  private standBack({ candidacies, order }: BoardView): number {
    const { p } = this.manager.machine.cluster;
    const chosen = order?.to;
    if (chosen === this.name) return 0;
    const fit = [...candidacies].filter(
      ([node, candidacy]) => node !== this.name && node !== this.lastLeader && candidacy.fit,
    );
    if (fit.some(([node]) => node === chosen)) return p.behindChosen;
    const { priority } = this.manager.machine;
    return fit.some(([, other]) => other.priority > priority) ? p.behindAnother : 0;
  }

  /** Returns the lease that was granted ahead, once; undefined without one. */
  takeReady(): ReadyLease | undefined {
    const { ready } = this;
    this.ready = undefined;
    return ready;
  }

  /** The leader has changed. */
  leaderIs(node: number | undefined): void {
    if (node === this.leader) return;
    if (node === undefined) {
      this.lastLeader = this.leader;
      this.freeSince = this.manager.machine.clock();
    }
    this.leader = node;
    this.review();
  }

  // --- the board -------------------------------------------------------------------------------------------------

  /** Receives the board's state from the watch. */
  sees(view: BoardView): void {
    if (view.revision <= (this.seen?.revision ?? -1)) return;
    this.seen = view;
    this.review();
  }

  private review(): void {
    const { manager, seen } = this;
    const { session } = manager;
    if (seen === undefined) return;
    const { order } = seen;
    if (order?.to === this.name && session !== undefined) this.endOrder(order.id);
    else if (order?.to === this.name && this.answering !== order.id) this.makeReady(order);
    else if (order?.from === this.name && this.isAccepted(order)) {
      this.whenAccepted?.();
      this.whenAccepted = undefined;
      if (session !== undefined && !this.isLeaving && this.releasing !== order.id) {
        this.releasing = order.id;
        manager.resign(() => {});
      }
    }
    if (this.rests && session !== undefined && !session.ending && !session.lost) manager.resign(() => {});
    if (session === undefined && manager.etcd.key === undefined) manager.campaign();
  }

  private isAccepted({ id, to }: Order): boolean {
    const answer = this.seen?.candidacies.get(to)?.answer;
    return answer?.order === id && answer.ready;
  }

  /** Gets a lease, keeps renewing it, and answers the order. */
  private makeReady({ id }: Order): void {
    const { manager } = this;
    const { machine, etcd } = manager;
    const { net } = machine.cluster;
    this.answering = id;
    if (this.rests || manager.retired || manager.failsafe?.mayStand === false) {
      this.answer(id, false);
      return;
    }
    const asked = machine.clock();
    net.request(
      manager,
      etcd,
      'commit',
      () => ({ lease: etcd.grant(), term: etcd.term }),
      ({ lease, term }) => {
        const ready = { lease, asked, term, grantedAsked: asked, end: machine.clock() + readyKeptFor };
        this.ready = ready;
        this.renewReady(ready);
        this.answer(id, true);
      },
      () => this.answer(id, false),
    );
  }

  private renewReady(ready: ReadyLease): void {
    const { manager } = this;
    const { machine, etcd } = manager;
    const { net, chance } = machine.cluster;
    if (this.ready !== ready) return;
    if (machine.clock() >= ready.end) {
      this.ready = undefined;
      return;
    }
    const asked = machine.clock();
    const stale = etcd.hasStaleLeader && chance.happens(0.5);
    net.request(
      manager,
      etcd,
      stale ? 'stale' : 'leader',
      () => ({ alive: stale || etcd.renewLease(ready.lease), term: stale ? etcd.term - 1 : etcd.term }),
      ({ alive, term }) => {
        if (!alive && this.ready === ready) this.ready = undefined;
        if (!alive || asked < ready.asked) return;
        ready.asked = asked;
        ready.term = term;
      },
    );
    manager.after(readyRenewEvery, () => this.renewReady(ready));
  }

  private answer(order: number, ready: boolean): void {
    this.answered = { order, ready };
    this.say();
  }

  // --- its candidacy ----------------------------------------------------------------------------------------------

  private keep(): void {
    this.say();
    this.manager.after(keepEvery, () => this.keep());
  }

  private say(): void {
    const { manager } = this;
    const { machine, etcd } = manager;
    const { priority } = machine;
    const fit = !this.isLeaving && !this.rests && this.seen !== undefined;
    const candidacy = { priority, fit, answer: this.answered };
    machine.cluster.net.request(
      manager,
      etcd,
      'commit',
      () => {
        etcd.board.say(machine.name, candidacy);
        return etcd.board.view;
      },
      // The watch may have missed what happened while it was away.
      view => this.sees(view),
    );
  }

  private endOrder(id: number): void {
    const { manager } = this;
    const { etcd } = manager;
    manager.machine.cluster.net.request(
      manager,
      etcd,
      'commit',
      () => etcd.board.endOrder(id),
      () => {},
    );
  }

  // --- orders ----------------------------------------------------------------------------------------------------

  /** Requests another leader, for an operator or for this node at its stop. */
  order(from: number, to: number): void {
    const { manager } = this;
    const { etcd } = manager;
    manager.machine.cluster.net.request(
      manager,
      etcd,
      'commit',
      () => etcd.board.order(from, to),
      id => {
        if (id !== undefined) manager.after(4000, () => this.endOrder(id));
      },
    );
  }

  /** Stops: waits a moment at most until another node is ready. */
  leave(done: () => void): void {
    this.isLeaving = true;
    const next = [...(this.seen?.candidacies ?? [])].find(([node, { fit }]) => node !== this.name && fit);
    if (this.manager.session === undefined || next === undefined) {
      done();
      return;
    }
    let over = false;
    const go = () => {
      if (over) return;
      over = true;
      done();
    };
    this.whenAccepted = go;
    this.manager.after(readyWithin, go);
    this.order(this.name, next[0]);
  }
}

/** Created by the manager. */
export function createCandidate(manager: Manager): Candidate {
  return new Candidate(manager);
}
