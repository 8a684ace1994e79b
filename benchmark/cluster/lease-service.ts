// A model of etcd as the election sees it: one key with a lease, terms of Raft, and the ways in which it is late or
// its leader is not what it was. Times are true times in ms.
import type { Chance, EventQueue } from './event-queue.ts';

/** The key `leader`. */
export interface LeaderKey {
  readonly revision: number;
  expiry: number;
}

const electionTimeout = 1000;
const expiryCheck = 500;

/** etcd. */
export class LeaseService {
  key: LeaderKey | undefined;
  /** The key `last-leader`. */
  released = true;
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
  private readonly deleted: () => void;

  constructor(queue: EventQueue, chance: Chance, lease: number, deleted: () => void) {
    this.queue = queue;
    this.chance = chance;
    this.lease = lease;
    this.deleted = deleted;
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

  /** Wins the key if nobody has it. `leaseFrom`: when the lease was granted. */
  take(leaseFrom: number): { revision: number; released: boolean } | undefined {
    if (this.key !== undefined) return undefined;
    const { released } = this;
    this.released = false;
    this.key = { revision: ++this.revisions, expiry: leaseFrom + this.lease * this.rate };
    return { revision: this.revisions, released };
  }

  /**
   * The leader of etcd renews. False: it is gone; a lease that has expired waits to be revoked, and cannot be renewed
   * (etcd, server/lease/lessor.go Renew).
   */
  renew(revision: number): boolean {
    if (this.key?.revision !== revision || this.queue.now >= this.key.expiry) return false;
    this.key.expiry = this.queue.now + this.lease * this.rate;
    return true;
  }

  release(revision: number, released: boolean): void {
    if (this.key?.revision !== revision) return;
    this.released = released;
    this.remove();
  }

  /** The leader is cut off, or dies: it may believe in itself for two election timeouts, another follows. */
  loseLeader(): void {
    const { queue, chance } = this;
    if (!this.hasLeader) return;
    this.staleUntil = queue.now + chance.between(0, 2 * electionTimeout);
    this.electedAt = queue.now + chance.between(electionTimeout, 2 * electionTimeout);
    const elected = this.electedAt;
    queue.at(elected, () => {
      this.newRate();
      // A new leader gives every lease its full time, and an election timeout more.
      if (this.key !== undefined) this.key.expiry = elected + (this.lease + electionTimeout) * this.rate;
    });
  }

  private checkExpiry(): void {
    const { queue, chance, key } = this;
    queue.at(queue.now + expiryCheck, () => this.checkExpiry());
    if (key === undefined || !this.hasLeader || queue.now < key.expiry) return;
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
    this.rate = 1 + this.chance.between(-0.003, 0.003);
  }
}
