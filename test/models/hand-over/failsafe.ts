// A model of failsafe: without a majority of etcd the leader goes on for as long as every other candidate promises not
// to stand.
import type { LeaseService } from './lease-service.ts';
import type { Manager, Session } from './manager.ts';

const nodeLease = 10_000;
const keepEvery = 3000;
/** What a list says that is not there, or another leader's: anybody may stand. */
const nobody: readonly number[] = [];

/** One node's part in it. */
export class Failsafe {
  private readonly manager: Manager;
  private readonly started: number;
  /** What this node has promised: not to stand before this. */
  private promisedUntil = 0;
  /** What the others have promised it. */
  private promises = new Map<number, number>();
  /** Lists that may be in etcd now; the first is known to have been. */
  private lists: (readonly number[])[] = [nobody];
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

  /** May there be a promise from before its start? */
  get isEarly(): boolean {
    const { machine } = this.manager;
    const { promise, clockDrift, waitAfterStart } = machine.cluster.p;
    return waitAfterStart && machine.clock() < this.started + promise * (1 + clockDrift);
  }

  /** As a part of the transaction that takes the key. */
  mayTake({ list }: LeaseService, early: boolean): boolean {
    const { name, cluster } = this.manager.machine;
    if (list === undefined || list.leader === name) return true;
    if (list.members.length === 0) return cluster.p.anybodyForEmptyList;
    if (list.members.includes(name)) return !early;
    return !cluster.p.onlyListed;
  }

  /** Promises not to stand; false: it does not. */
  promise(): boolean {
    const { machine, session, campaigning } = this.manager;
    const { p } = machine.cluster;
    if (p.refuseWhileStanding && (session !== undefined || campaigning)) return false;
    this.promisedUntil = machine.clock() + p.promise;
    return true;
  }

  // --- as the leader ---------------------------------------------------------------------------------------------

  /** Has every member promised, so that the leadership holds without etcd? */
  get isActive(): boolean {
    return this.safeUntil > this.manager.machine.clock();
  }

  /** Nobody else acts before this. */
  get safeUntil(): number {
    const asked = this.asked();
    const promises = [...asked].map(member => this.promises.get(member) ?? 0).sort((a, b) => a - b);
    const { askAll } = this.manager.machine.cluster.p;
    return promises[askAll ? 0 : Math.floor(promises.length / 2)] ?? 0;
  }

  /** The leadership was won; `again`: and none was between. */
  won(again: boolean): void {
    if (!again) this.promises = new Map();
    this.lists = [nobody];
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
          // Once it was broken off, others may have led meanwhile.
          if (current === undefined || (p.unbroken && machine.clock() >= current.until)) return;
          this.manager.prolong(current, this.safeUntil);
        },
      );
    }
  }

  /** Each second: has etcd's list name who is there. */
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
          this.lists = list?.leader === machine.name ? [list.members] : [nobody];
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

  /** Whose word is needed; nobody's: failsafe is not possible. */
  private asked(): Set<number> {
    if (this.lists.some(list => list.length === 0)) return new Set();
    return new Set(this.lists.flat());
  }

  // --- being there -----------------------------------------------------------------------------------------------

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

/** As the manager makes it. */
export function createFailsafe(manager: Manager): Failsafe {
  return new Failsafe(manager);
}
