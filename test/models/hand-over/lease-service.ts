// A model of etcd as the election sees it: one key with a lease, terms of Raft, and the ways in which it is late or
// its leader is not what it was. Times are true times in ms.
import type { Chance, EventQueue } from '../../../benchmark/event-queue.ts';
import { Board, type BoardView } from './board.ts';

/** A lease. */
export interface EtcdLease {
  expiry: number;
}

/** The key `leader`. */
export interface LeaderKey {
  readonly revision: number;
  readonly node: number;
  readonly lease: EtcdLease;
}

/** Who may go on without etcd: the leader, by the word of all members. */
export interface FailsafeList {
  readonly revision: number;
  readonly leader: number;
  readonly members: readonly number[];
}

/** What the winner of the key learns. */
export interface Won {
  readonly revision: number;
  readonly released: boolean;
  /** The revision of the leadership before. */
  readonly before: number;
  /** In which it was won. */
  readonly term: number;
}

const electionTimeout = 1000;
const expiryCheck = 500;

/** etcd. */
export class LeaseService {
  readonly identity: number;
  key: LeaderKey | undefined;
  /** The key `last-leader`. */
  released = true;
  last = 0;
  /** Who was named to follow the last leader. */
  next: number | undefined;
  /** The list of failsafe. */
  list: FailsafeList | undefined;
  /** What is said of who is to lead. */
  readonly board: Board;
  /** Nodes that are there, and until when. */
  readonly nodes = new Map<number, number>();
  private readonly queue: EventQueue;
  private readonly chance: Chance;
  private readonly lease: number;
  /** How long its leader takes for a millisecond. */
  private rate = 1;
  private revisions = 0;
  /** Nobody commits anything before this. */
  private electedAt = 0;
  /** Until when a leader that was cut off still believes in itself. */
  private staleUntil = 0;
  private elections = 0;
  private readonly deleted: () => void;
  /** Leases that no key holds yet. */
  private readonly leases = new Set<EtcdLease>();

  constructor(
    queue: EventQueue,
    chance: Chance,
    lease: number,
    told: { deleted: () => void; board: (view: BoardView) => void },
    identity = 0,
  ) {
    this.queue = queue;
    this.chance = chance;
    this.lease = lease;
    this.deleted = told.deleted;
    this.board = new Board(queue, chance, told.board);
    this.identity = identity;
    this.newRate();
    queue.at(chance.between(0, expiryCheck), () => this.checkExpiry());
  }

  get hasLeader(): boolean {
    return this.queue.now >= this.electedAt;
  }

  /** May a node on the side of the leader that was cut off still be talking to it? */
  get hasStaleLeader(): boolean {
    return this.queue.now < this.staleUntil;
  }

  /** Of Raft. */
  get term(): number {
    return this.elections;
  }

  grant(from = this.queue.now): EtcdLease {
    const lease = { expiry: from + this.lease * this.rate };
    this.leases.add(lease);
    return lease;
  }

  /** False: it has expired. */
  renewLease(lease: EtcdLease): boolean {
    if (this.queue.now >= lease.expiry) return false;
    lease.expiry = this.queue.now + this.lease * this.rate;
    return true;
  }

  /** Wins the key if nobody has it. */
  take(node: number, lease: EtcdLease): Won | undefined {
    if (this.key !== undefined || this.queue.now >= lease.expiry) return undefined;
    this.leases.delete(lease);
    const { released, last } = this;
    this.released = false;
    this.next = undefined;
    this.last = ++this.revisions;
    this.key = { node, revision: this.last, lease };
    return { revision: this.last, released, before: last, term: this.term };
  }

  /** Writes the list of failsafe, if the leadership and the list are as they were seen. */
  writeList(
    leadership: number,
    seen: number,
    list: Omit<FailsafeList, 'revision'>,
  ): FailsafeList | undefined {
    if (this.key?.revision !== leadership || (this.list?.revision ?? 0) !== seen) return undefined;
    this.list = { ...list, revision: ++this.revisions };
    return this.list;
  }

  /**
   * The leader of etcd renews. False: it is gone; a lease that has expired waits to be revoked, and cannot be renewed
   * (etcd, server/lease/lessor.go Renew).
   */
  renew(revision: number): boolean {
    return this.key?.revision === revision && this.renewLease(this.key.lease);
  }

  /** Ends a leadership; `compare`: if it is this one. */
  release(revision: number, released: boolean, compare: boolean, next?: number): void {
    if (this.key === undefined || (compare && this.key.revision !== revision)) return;
    if (released) this.released = true;
    this.next = next;
    this.remove();
  }

  /** The leader is cut off, or dies: it may believe in itself for two election timeouts, another follows. */
  loseLeader(span = 0): void {
    const { queue, chance } = this;
    if (!this.hasLeader) return;
    this.staleUntil = queue.now + chance.between(0, 2 * electionTimeout);
    this.electedAt = queue.now + span + chance.between(electionTimeout, 2 * electionTimeout);
    const election = ++this.elections;
    queue.at(this.electedAt, () => {
      if (election !== this.elections) return;
      this.newRate();
      // A new leader gives every lease its full time, and an election timeout more.
      const expiry = queue.now + (this.lease + electionTimeout) * this.rate;
      if (this.key !== undefined) this.key.lease.expiry = expiry;
      for (const lease of this.leases) lease.expiry = expiry;
      for (const [node, expiry] of this.nodes) this.nodes.set(node, Math.max(expiry, queue.now + 10_000));
    });
  }

  private checkExpiry(): void {
    const { queue, chance, key } = this;
    queue.at(queue.now + expiryCheck, () => this.checkExpiry());
    if (!this.hasLeader) return;
    for (const [node, expiry] of this.nodes) if (queue.now >= expiry) this.nodes.delete(node);
    for (const lease of this.leases) if (queue.now >= lease.expiry) this.leases.delete(lease);
    if (key === undefined || queue.now < key.lease.expiry) return;
    // Once proposed it is done, whatever renewals come meanwhile.
    queue.at(queue.now + chance.between(1, 60), () => {
      if (this.key === key) this.remove();
    });
  }

  private remove(): void {
    this.key = undefined;
    this.deleted();
  }

  private newRate(): void {
    this.rate = 1 + this.chance.between(-0.005, 0.005);
  }
}
