// A model of failsafe: without a majority of etcd the leader continues while every other candidate promises not
// to stand.
import type { LeaseService } from './lease-service.ts';
import type { Manager, Session } from './manager.ts';

const nodeLease = 10_000;
const keepEvery = 3000;
/** The members of a list that does not exist, or of another leader's: any node may stand. */
const noMembers: readonly number[] = [];

/** One node's part in failsafe. */
export class Failsafe {
  private readonly manager: Manager;
  private readonly started: number;
  /** The node has promised not to stand before this. */
  private promisedUntil = 0;
  /** The promises of the others to this node. */
  private promises = new Map<number, number>();
  /** Lists that etcd may hold now; the first is known to have been written. */
  private lists: (readonly number[])[] = [noMembers];
  private seen = 0;
  private writing = false;

  constructor(manager: Manager) {
    this.manager = manager;
    this.started = manager.machine.clock();
    this.keep();
  }

  // --- as a member -----------------------------------------------------------------------------------------------

  get mayStand(): boolean {
    const { machine } = this.manager;
    return !machine.cluster.p.keepPromise || machine.clock() >= this.promisedUntil;
  }

  /** Whether a promise from before the start may still count. */
  get isEarly(): boolean {
    const { machine } = this.manager;
    const { promise, clockDrift, waitAfterStart } = machine.cluster.p;
    return waitAfterStart && machine.clock() < this.started + promise * (1 + clockDrift);
  }

  /** Part of the transaction that takes the key. */
  mayTake({ list }: LeaseService, early: boolean): boolean {
    const { name, cluster } = this.manager.machine;
    if (list === undefined || list.leader === name) return true;
    if (list.members.length === 0) return cluster.p.anybodyForEmptyList;
    if (list.members.includes(name)) return !early;
    return !cluster.p.onlyListed;
  }

  /** Promises not to stand; returns false for a refusal. */
  promise(): boolean {
    const { machine, session, campaigning } = this.manager;
    const { p } = machine.cluster;
    if (p.refuseWhileStanding && (session !== undefined || campaigning)) return false;
    this.promisedUntil = machine.clock() + p.promise;
    return true;
  }

  // --- as the leader ---------------------------------------------------------------------------------------------

  /** Whether every member has promised, so that the leadership holds without etcd. */
  get isActive(): boolean {
    return this.safeUntil > this.manager.machine.clock();
  }

  /** No other node acts before this. */
  get safeUntil(): number {
    const asked = this.asked();
    const promises = [...asked].map(member => this.promises.get(member) ?? 0).sort((a, b) => a - b);
    const { askAll } = this.manager.machine.cluster.p;
    return promises[askAll ? 0 : Math.floor(promises.length / 2)] ?? 0;
  }

  /** The leadership was won; `again`: without another one in between. */
  won(again: boolean): void {
    if (!again) this.promises = new Map();
    this.lists = [noMembers];
    this.seen = -1;
  }

  beat(session: Session): void {
    const { machine } = this.manager;
    const { net, p, machines } = machine.cluster;
    if (machine.clock() - session.confirmed < 1.5 * p.renew) return;
    for (const member of this.asked()) {
      const to = machines[member];
      if (to === undefined) continue;
      const asked = machine.clock();
      net.askPeer(
        this.manager,
        to,
        () => to.manager?.failsafe?.promise() ?? false,
        promised => {
          if (!promised) return;
          const from = p.countPromiseFromAsking ? asked : machine.clock();
          const until = from + p.promise * (1 - p.clockDrift);
          this.promises.set(member, Math.max(this.promises.get(member) ?? 0, until));
          const current = this.manager.session;
          // After an interruption others may have led.
          if (current === undefined || (p.unbroken && machine.clock() >= current.until)) return;
          this.manager.prolong(current, this.safeUntil);
        },
      );
    }
  }

  /** Each second: has etcd's list name the present nodes. */
  look(): void {
    const { session, machine, etcd } = this.manager;
    const { net } = machine.cluster;
    if (session === undefined || session.ending || session.lost || this.writing) return;
    this.writing = true;
    const done = () => {
      this.writing = false;
    };
    net.request(
      this.manager,
      etcd,
      'commit',
      () => ({ list: etcd.list, there: [...etcd.nodes.keys()] }),
      ({ list, there }) => {
        done();
        if (this.manager.session !== session || etcd !== this.manager.etcd) return;
        if (list === undefined || list.leader !== machine.name || list.revision !== this.seen) {
          this.lists = list?.leader === machine.name ? [list.members] : [noMembers];
          this.seen = list?.revision ?? 0;
        }
        const members = there.filter(node => node !== machine.name).sort();
        if (list?.leader !== machine.name || members.join() !== list.members.join()) {
          this.write(session, members, done);
        }
      },
      done,
    );
  }

  private write(session: Session, members: readonly number[], done: () => void): void {
    const { machine, etcd } = this.manager;
    const { net, p } = machine.cluster;
    const { seen } = this;
    if (p.reckonUnansweredLists) this.lists.push(members);
    this.writing = true;
    net.request(
      this.manager,
      etcd,
      'commit',
      () => etcd.writeList(session.revision, seen, { leader: machine.name, members }),
      list => {
        done();
        if (list === undefined || this.manager.session !== session) return;
        this.seen = list.revision;
        this.lists = [list.members];
      },
      done,
    );
  }

  /** Members whose promise is needed; empty: failsafe is not possible. */
  private asked(): Set<number> {
    if (this.lists.some(list => list.length === 0)) return new Set();
    return new Set(this.lists.flat());
  }

  // --- presence --------------------------------------------------------------------------------------------------

  private keep(): void {
    const { machine, etcd } = this.manager;
    const { net } = machine.cluster;
    net.request(
      this.manager,
      etcd,
      'commit',
      () => etcd.nodes.set(machine.name, machine.now + nodeLease),
      () => {},
    );
    this.manager.after(keepEvery, () => this.keep());
  }
}

/** Created by the manager. */
export function createFailsafe(manager: Manager): Failsafe {
  return new Failsafe(manager);
}
