// ReadyLease: gets a lease before it is needed and renews it until then, so that taking a leadership needs only one write.
import type { CancelTimer, Clock } from '../../core/time/clock.ts';
import type { EtcdClient } from './client.ts';
import { type GrantedLease, grantLease, keepAliveOnce, revokeLease } from './leases.ts';

/** A lease as last renewed. */
export interface RenewedLease extends GrantedLease {
  /** The term of Raft in which it was renewed: only a write in the same term confirms that. Undefined: not renewed yet. */
  readonly term?: string | undefined;
  /** `performance.now()` before it was granted; a write in any term confirms the grant. */
  readonly grantedFrom: number;
}

// An address is held only for what is left of the lease, which would be too little if it were renewed less often. ms.
const renewEvery = 50;
/** An unused lease is dropped after this time, ms. */
const keptFor = 5000;

/** Holds one lease at a time. */
export class ReadyLease {
  private readonly client: EtcdClient;
  private readonly clock: Clock;
  private lease: RenewedLease | undefined;
  private timers: CancelTimer[] = [];

  constructor(client: EtcdClient, clock: Clock) {
    this.client = client;
    this.clock = clock;
  }

  /** Gets a lease of at least `ttl` ms. Rejects when etcd does not answer. */
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

  /** Returns the lease, which the caller owns from now on; undefined: there is none. */
  take(): RenewedLease | undefined {
    const { lease } = this;
    this.lease = undefined;
    for (const cancel of this.timers.splice(0)) cancel();
    return lease;
  }

  /** Revokes the lease, if there is one. */
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
