// EtcdContact: when etcd's majority last confirmed something to this node, and why it could not be reached.
import type { Clock } from '../../core/time/clock.ts';

/** The interval between two probes of etcd's majority, ms. */
export const probeEvery = 1000;
/** Without an answer for three probes the replica counts as stale, ms. */
const staleAfter = 3 * probeEvery;

/** The state of one node's contact with etcd. */
export class EtcdContact {
  private readonly clock: Clock;
  private lastAnswer = Number.NEGATIVE_INFINITY;
  /** Whether the watch of the rows is connected. */
  isFollowing = false;
  /** Why the last attempt to reach etcd failed; empty: it did not. */
  awayBecause = 'etcd was not reached yet';

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Records that etcd's majority confirmed something just now. */
  confirmed(): void {
    this.lastAnswer = this.clock.monotonic();
  }

  /** The time since etcd's majority last confirmed something, ms. */
  get silentFor(): number {
    return this.clock.monotonic() - this.lastAnswer;
  }

  /** Whether the replica may be out of date. */
  get stale(): boolean {
    return !this.isFollowing || this.silentFor > staleAfter;
  }
}
