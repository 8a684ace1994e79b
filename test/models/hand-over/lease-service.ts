// A model of etcd as the election sees it: one key with a lease, terms of Raft, and the ways in which it is late or
// has a stale leader. Times are true times in ms.
import { Board, type BoardView } from './board.ts';
import type { Chance, EventQueue } from './event-queue.ts';

export interface EtcdLease {
  expiry: number;
}

/** The key `leader`. */
export interface LeaderKey {
  readonly revision: number;
  readonly node: number;
  readonly lease: EtcdLease;
}

/** Who may continue without etcd: the leader, by the promises of all members. */
export interface FailsafeList {
  readonly revision: number;
  readonly leader: number;
  readonly members: readonly number[];
}

/** What the winner of the key learns. */
export interface Won {
  readonly revision: number;
  readonly released: boolean;
  /** The revision of the previous leadership. */
  readonly before: number;
  /** The term in which it was won. */
  readonly term: number;
}

const electionTimeout = 1000;
const expiryCheck = 500;

export class LeaseService {
  readonly identity: number;
  key: LeaderKey | undefined;
  /** The key `last-leader`. */
  released = true;
  last = 0;
  /** The named successor of the last leader. */
  next: number | undefined;
  /** The list of failsafe. */
  list: FailsafeList | undefined;
  /** Candidacies, orders and maintenance. */
  readonly board: Board;
  /** Present nodes, and until when. */
  readonly nodes = new Map<number, number>();
  private readonly queue: EventQueue;
  private readonly chance: Chance;
  private readonly lease: number;
  /** Rate of the leader's clock. */
  private rate = 1;
  private revisions = 0;
  /** No commit is possible before this. */
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

  /** Whether a node on the side of a leader that was cut off may still talk to it. */
  get hasStaleLeader(): boolean {
    return this.queue.now < this.staleUntil;
  }

  /** The term of Raft. */
  get term(): number {
    return this.elections;
  }

  grant(from = this.queue.now): EtcdLease {
    const lease = { expiry: from + this.lease * this.rate };
    this.leases.add(lease);
    return lease;
  }

  /** Returns false when the lease has expired. */
  renewLease(lease: EtcdLease): boolean {
    if (this.queue.now >= lease.expiry) return false;
    lease.expiry = this.queue.now + this.lease * this.rate;
    return true;
  }

  /** Takes the key if it is free. */
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

  /** Writes the list of failsafe, if the leadership and the list are unchanged. */
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
   * Renews by the leader of etcd. Returns false when the leadership is gone; an expired lease waits to be revoked, and
   * cannot be renewed (etcd, server/lease/lessor.go Renew).
   */
  renew(revision: number): boolean {
    return this.key?.revision === revision && this.renewLease(this.key.lease);
  }

  /** Ends a leadership; `compare`: only if it is this one. */
  release(revision: number, released: boolean, compare: boolean, next?: number): void {
    if (this.key === undefined || (compare && this.key.revision !== revision)) return;
    if (released) this.released = true;
    this.next = next;
    this.remove();
  }

  /** Cuts off or kills the leader: it may believe in itself for two election timeouts while another follows. */
  loseLeader(span = 0): void {
    const { queue, chance } = this;
    if (!this.hasLeader) return;
    this.staleUntil = queue.now + chance.between(0, 2 * electionTimeout);
    this.electedAt = queue.now + span + chance.between(electionTimeout, 2 * electionTimeout);
    const election = ++this.elections;
    queue.at(this.electedAt, () => {
      if (election !== this.elections) return;
      this.newRate();
      // A new leader gives every lease its full time plus an election timeout.
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
    // A proposed revocation happens, whatever renewals arrive meanwhile.
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
