// ReadyLease: a lease that was granted before it is needed, and is renewed until then, so that a leadership can be
// taken by a single write.
import type { CancelTimer, Clock } from '../../core/time/clock.ts';
import type { EtcdClient } from './client.ts';
import { type GrantedLease, grantLease, keepAliveOnce, revokeLease } from './leases.ts';

/** A lease as renewed last. */
export interface RenewedLease extends GrantedLease {
  /** The term of Raft in which it was renewed: only a write of the same term confirms it. Undefined: it was not. */
  readonly term?: string | undefined;
  /** `performance.now()` before it was granted, which every term confirms. */
  readonly grantedFrom: number;
}

// The address is held by what is left of a lease: one that is renewed less often would be too old when it is used.
const renewEvery = 50;
/** It is of no use to anybody after that, ms. */
const keptFor = 5000;

/** One lease at a time. */
export class ReadyLease {
  private readonly client: EtcdClient;
  private readonly clock: Clock;
  private lease: RenewedLease | undefined;
  private timers: CancelTimer[] = [];

  constructor(client: EtcdClient, clock: Clock) {
    this.client = client;
    this.clock = clock;
  }

  /** Resolves when there is one. Rejects when etcd does not answer. */
  async prepare(ttl: number): Promise<void> {
    this.drop();
    const granted = await grantLease(this.client, ttl);
    this.lease = { ...granted, grantedFrom: granted.from };
    let busy = false;
    const renew = async () => {
      if (busy) return;
      busy = true;
      await this.renew(granted.id).catch(() => {});
      busy = false;
    };
    this.timers = [
      this.clock.every(renewEvery, () => void renew()),
      this.clock.after(keptFor, () => this.drop()),
    ];
  }

  /** Gives it away; undefined: there is none. */
  take(): RenewedLease | undefined {
    const { lease } = this;
    this.lease = undefined;
    for (const cancel of this.timers.splice(0)) cancel();
    return lease;
  }

  /** Ends it, if there is one. */
  drop(): void {
    const lease = this.take();
    if (lease !== undefined) revokeLease(this.client, lease.id).catch(() => {});
  }

  private async renew(id: string): Promise<void> {
    const from = performance.now();
    const { ttl, raftTerm } = await this.client.call(
      async (etcd, options) => await keepAliveOnce(etcd, id, options),
      { totalMs: 300, attemptMs: 150 },
    );
    const { lease } = this;
    if (lease?.id !== id) return;
    if (ttl === 0) this.take();
    else this.lease = { ...lease, ttl, from, term: raftTerm };
  }
}
