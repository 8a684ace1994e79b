// A model of the manager: its part in the election, and the orders that it gives to its holder.
import { type Candidate, createCandidate, type ReadyLease } from './candidate.ts';
import type { Failsafe } from './failsafe.ts';
import { createFailsafe } from './failsafe.ts';
import type { Holder } from './holder.ts';
import type { EtcdLease, LeaseService, Won } from './lease-service.ts';
import type { Machine } from './machine.ts';
import { Pipe } from './pipe.ts';
import { Process } from './process.ts';

const aliveEvery = 200;

/** A leadership of this node. */
export interface Session {
  readonly revision: number;
  /** This node does not act before this. */
  readonly from: number;
  /** No other node acts before this. */
  until: number;
  /** When the last confirmed renewal was requested. */
  confirmed: number;
  acted: boolean;
  /** It is being released: no renewals. */
  ending: boolean;
  /** etcd has lost it; the promises of the others still count. */
  lost: boolean;
}

/** One manager. */
export class Manager extends Process {
  /** Messages from its holder. */
  readonly pipe: Pipe;
  readonly failsafe: Failsafe | undefined;
  readonly candidate: Candidate | undefined;
  session: Session | undefined;
  campaigning = false;
  /** It takes no part in the election any longer. */
  retired = false;
  private leading = false;
  private holder: Holder | undefined;
  private ready = false;
  private whenGone: (() => void) | undefined;
  private etcdNumber: number;
  private readonly identities = new Map<number, number>();
  private seen: { readonly last: number; readonly at: number } = { last: -1, at: 0 };

  constructor(machine: Machine) {
    super(machine);
    const { chance, etcds, p } = machine.cluster;
    this.pipe = new Pipe(this);
    this.etcdNumber = Math.floor(chance.between(0, etcds.length));
    this.failsafe = p.failsafe ? createFailsafe(this) : undefined;
    this.candidate = p.orders ? createCandidate(this) : undefined;
  }

  /** The member of etcd that it asks. */
  get etcd(): LeaseService {
    const etcd = this.machine.cluster.etcds[this.etcdNumber];
    if (etcd === undefined) throw new Error('there is no such member');
    return etcd;
  }

  start(): void {
    this.startHolder();
    this.look();
  }

  private startHolder(): void {
    this.ready = false;
    this.holder = this.machine.newHolder(this);
  }

  // --- campaigning -----------------------------------------------------------------------------------------------

  /** Looks each second, besides the watch. */
  private look(): void {
    const { chance } = this.machine.cluster;
    if (this.machine.now >= this.machine.etcdCutUntil) {
      this.candidate?.leaderIs(this.etcd.key?.node);
      if (this.etcd.key === undefined) this.campaign();
    }
    this.askIdentity();
    this.failsafe?.look();
    this.after(chance.between(900, 1100), () => this.look());
  }

  /** An event of the watch. */
  keyIsGone(): void {
    const { queue, net } = this.machine.cluster;
    if (this.machine.now < this.machine.etcdCutUntil) return;
    queue.at(this.machine.now + net.delay(), () =>
      this.step(() => {
        this.candidate?.leaderIs(this.etcd.key?.node);
        this.campaign();
      }),
    );
  }

  /** Takes the leadership if it is free; a session that etcd has lost is taken again. */
  campaign(): void {
    const { cluster, now } = this.machine;
    const { net } = cluster;
    const { etcd } = this;
    if (this.campaigning || this.retired || !this.ready || !this.mayStand()) return;
    if (this.session !== undefined && !this.session.lost) return;
    this.campaigning = true;
    const done = () => {
      this.campaigning = false;
    };
    const asked = this.machine.clock();
    const early = this.failsafe?.isEarly ?? false;
    const ready = this.candidate?.takeReady();
    if (ready !== undefined) {
      this.take(ready.lease, won => this.countFrom(won, ready), done, early);
      return;
    }
    let grantedAt = now;
    net.request(
      this,
      etcd,
      'commit',
      () => {
        grantedAt = this.machine.now;
      },
      () => this.take(etcd.grant(grantedAt), () => asked, done, early),
      () => {
        done();
        this.otherMember();
      },
    );
  }

  private take(lease: EtcdLease, asked: (won: Won) => number, done: () => void, early: boolean): void {
    const { etcd } = this;
    this.machine.cluster.net.request(
      this,
      etcd,
      'commit',
      () =>
        this.failsafe === undefined || this.failsafe.mayTake(etcd, early)
          ? etcd.take(this.machine.name, lease)
          : undefined,
      won => {
        done();
        if (won !== undefined) this.won(won, asked(won));
      },
      done,
    );
  }

  /** Winning confirms a lease as last renewed within the same term, or else as granted. */
  private countFrom({ term }: Won, ready: ReadyLease): number {
    const { p } = this.machine.cluster;
    if (!p.countReadyFromRenewal) return this.machine.clock();
    return ready.term === term ? ready.asked : ready.grantedAsked;
  }

  private mayStand(): boolean {
    const { cluster, name } = this.machine;
    const { etcd } = this;
    if (this.candidate !== undefined && !this.candidate.mayStand()) return false;
    if (this.seen.last !== etcd.last) this.seen = { last: etcd.last, at: this.machine.clock() };
    if (
      etcd.next !== undefined &&
      etcd.next !== name &&
      this.machine.clock() - this.seen.at < cluster.p.preference
    ) {
      return false;
    }
    if (cluster.a.split && cluster.p.compareIdentity && !this.isOneEtcd()) return false;
    return this.failsafe?.mayStand ?? true;
  }

  private won({ revision, released, before }: Won, asked: number): void {
    const { p } = this.machine.cluster;
    const old = this.session;
    if (this.holder === undefined || (old !== undefined && !old.lost)) return;
    // No other node led since, so there is no end of a leadership to wait for.
    const again = old !== undefined && before === old.revision;
    const wait = released || again || !p.waitHoldOff ? 0 : p.holdOff;
    const session: Session = {
      revision,
      from: this.machine.clock() + wait,
      until: this.safeUntil(asked),
      confirmed: asked,
      acted: false,
      ending: false,
      lost: false,
    };
    this.session = session;
    if (!again) this.leading = false;
    this.failsafe?.won(again);
    this.confirm(session, asked);
    this.beat(session);
    this.sayAlive(session);
  }

  // --- holding ---------------------------------------------------------------------------------------------------

  private beat(session: Session): void {
    if (this.session !== session || session.ending) return;
    const { p } = this.machine.cluster;
    this.review(session);
    if (this.session !== session) return;
    if (session.lost) this.campaign();
    else this.renew(session);
    this.failsafe?.beat(session);
    this.after(p.renew, () => this.beat(session));
  }

  private renew(session: Session): void {
    const { p, chance, net } = this.machine.cluster;
    const { etcd } = this;
    const asked = this.machine.clock();
    const stale = etcd.hasStaleLeader && chance.happens(0.5);
    const renewed = () => this.confirm(session, p.countFromAsking ? asked : this.machine.clock());
    net.request(
      this,
      etcd,
      stale ? 'stale' : 'leader',
      () => stale || etcd.renew(session.revision),
      alive => {
        if (!alive) return this.lose(session);
        if (!p.confirm) return renewed();
        // The confirmation comes from the same side: a leader that was cut off cannot give it.
        if (stale) return;
        net.request(
          this,
          etcd,
          'commit',
          () => etcd.key?.revision === session.revision,
          ours => (ours ? renewed() : this.lose(session)),
        );
      },
    );
  }

  private confirm(session: Session, asked: number): void {
    session.confirmed = Math.max(session.confirmed, asked);
    this.prolong(session, this.safeUntil(asked));
  }

  /** Moves the time before which no other node acts, and acts on it. */
  prolong(session: Session, until: number): void {
    if (this.session !== session || session.ending) return;
    session.until = Math.max(session.until, until);
    this.review(session);
    const now = this.machine.clock();
    if (now < session.from || now >= session.until) return;
    this.leading = true;
    this.order(session);
  }

  private order(session: Session): void {
    const { holder } = this;
    if (this.session !== session || holder === undefined || !this.ready) return;
    session.acted = true;
    const { until, revision } = session;
    holder.pipe.send(() => holder.hold(until, revision));
  }

  private sayAlive(session: Session): void {
    const { holder } = this;
    if (this.session !== session) return;
    if (session.acted && holder !== undefined) holder.pipe.send(() => holder.hear());
    this.after(aliveEvery, () => this.sayAlive(session));
  }

  private review(session: Session): void {
    if (this.machine.clock() < session.until) return;
    // The session continues when a later renewal of it is confirmed.
    if (this.leading) this.tellRelease(session);
    this.leading = false;
    if (session.lost) this.session = undefined;
  }

  private safeUntil(asked: number): number {
    const { lease, holdOff, clockDrift } = this.machine.cluster.p;
    return asked + (lease + holdOff) * (1 - clockDrift);
  }

  // --- letting go ------------------------------------------------------------------------------------------------

  /** etcd reports that the leadership is over. */
  private lose(session: Session): void {
    if (this.session !== session || session.ending || session.lost) return;
    const { key } = this.etcd;
    if (key === undefined && this.failsafe?.isActive === true && this.leading) {
      session.lost = true;
      this.campaign();
      return;
    }
    this.leading = false;
    this.session = undefined;
    this.tellRelease(session);
  }

  /** Releases the address, then the key. `next`: the successor. */
  resign(done: () => void, next?: number): void {
    const { session } = this;
    const { p } = this.machine.cluster;
    if (session === undefined || session.ending) {
      done();
      return;
    }
    session.ending = true;
    this.leading = false;
    if (!session.acted) {
      this.giveUp(session, !p.releaseOnlyAfterActing, done, next);
      return;
    }
    this.whenGone = () => this.giveUp(session, true, done, next);
    this.tellRelease(session);
    // If the holder does not answer, its last order holds until then.
    const wait = p.keepKeyUntilGone ? session.until - this.machine.clock() : 0;
    this.after(wait, () => this.giveUp(session, false, done));
  }

  private giveUp(session: Session, released: boolean, done: () => void, next?: number): void {
    if (this.session !== session) return;
    const { net, p } = this.machine.cluster;
    const { etcd } = this;
    this.session = undefined;
    net.request(
      this,
      etcd,
      'commit',
      () => etcd.release(session.revision, released, p.compareRevision, next),
      done,
      done,
    );
  }

  private tellRelease({ revision }: Session): void {
    const { holder } = this;
    if (holder?.alive && this.ready) holder.pipe.send(() => holder.release(revision));
  }

  // --- reports of the holder -------------------------------------------------------------------------------------

  holderReady(holder: Holder): void {
    if (this.holder !== holder) return;
    this.ready = true;
    // The address was removed; a session that is still open continues with the next renewal.
    const { session } = this;
    if (session?.ending) this.holderGone(session.revision);
    if (session === undefined && this.etcd.key === undefined) this.campaign();
  }

  holderGone(revision: number): void {
    if (this.session?.revision === revision && this.session.ending) this.whenGone?.();
  }

  /** The holder has closed the session on its own, and ends the leadership on this manager's behalf. */
  holderClosed(revision: number): void {
    const { session } = this;
    if (session?.revision !== revision || !this.machine.cluster.p.stepDownWhenRefused) return;
    this.leading = false;
    // A resignation under way continues once the holder has let go.
    if (!session.ending) this.session = undefined;
  }

  holderDied(holder: Holder): void {
    if (this.holder !== holder) return;
    this.ready = false;
    this.after(50, () => this.startHolder());
  }

  // --- whether etcd is one ---------------------------------------------------------------------------------------

  private askIdentity(): void {
    const { etcds, chance, net, a } = this.machine.cluster;
    if (!a.split) return;
    const number = Math.floor(chance.between(0, etcds.length));
    const etcd = etcds[number];
    if (etcd === undefined) return;
    net.request(
      this,
      etcd,
      'commit',
      () => etcd.identity,
      identity => this.identities.set(number, identity),
    );
  }

  private isOneEtcd(): boolean {
    const { etcds } = this.machine.cluster;
    return this.identities.size > etcds.length / 2 && new Set(this.identities.values()).size === 1;
  }

  private otherMember(): void {
    this.etcdNumber = (this.etcdNumber + 1) % this.machine.cluster.etcds.length;
  }
}
