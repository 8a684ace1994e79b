// EtcdStore: keeps operators' changes in etcd: a replica of the rows, which follows etcd, and a writer that compares with it.
import type { Logger } from 'pino';
import type { Batch, Row, RowChange } from '../../core/state/row.ts';
import type { StateStore } from '../../core/state/store.ts';
import type { Clock } from '../../core/time/clock.ts';
import type { EtcdClient } from './client.ts';
import { EtcdContact } from './etcd-contact.ts';
import type { ClusterKeys } from './keys.ts';
import type { LocalCopy } from './local-copy.ts';
import { ReplicaFollower } from './replica-follower.ts';
import { RowReplica } from './row-replica.ts';
import { RowWriter } from './row-writer.ts';

/** What an {@link EtcdStore} is made of. */
export interface EtcdStoreOptions {
  readonly client: EtcdClient;
  readonly keys: ClusterKeys;
  readonly localCopy: LocalCopy;
  readonly log: Logger;
  readonly clock: Clock;
  /** How long a write may take before it fails with STORE_UNAVAILABLE, ms. */
  readonly timeout: number;
  /** Receives how long etcd's majority took to answer a probe, ms. */
  answered?(ms: number): void;
}

/** The manager's store in etcd. */
export class EtcdStore implements StateStore {
  readonly layer = 'cluster';
  /** Registrations with a ttl hold a lease: etcd drops them. */
  readonly expires = true;
  private readonly localCopy: LocalCopy;
  private readonly contact: EtcdContact;
  private readonly replica: RowReplica;
  private readonly follower: ReplicaFollower;
  private readonly writer: RowWriter;
  private listener: ((batch: Batch) => void) | undefined;

  constructor({ client, keys, localCopy, log, clock, timeout, answered }: EtcdStoreOptions) {
    this.localCopy = localCopy;
    const contact = new EtcdContact(clock);
    const replica = new RowReplica({
      keys,
      localCopy,
      log,
      clock,
      changed: batch => this.listener?.(batch),
    });
    this.contact = contact;
    this.replica = replica;
    this.follower = new ReplicaFollower({ client, keys, replica, contact, log, clock, answered });
    this.writer = new RowWriter({ client, keys, replica, contact, timeout });
  }

  /** The revision of etcd up to which the replica is complete. */
  get revision(): number {
    return this.replica.revision;
  }

  /** The revision of the newest change of a row that it knows of. */
  get newest(): number {
    return this.replica.newest;
  }

  /** The revision of the newest change that it knew of this long ago, ms, at most 10 s; 0: of none. */
  newestBefore(ms: number): number {
    return this.replica.newestBefore(ms);
  }

  get cluster(): string {
    return this.replica.cluster;
  }

  /** Keys whose values are unusable. */
  get damaged(): string[] {
    return this.replica.damaged;
  }

  /** The time since etcd's majority last confirmed something, ms. */
  get silentFor(): number {
    return this.contact.silentFor;
  }

  /** Why the last attempt to reach etcd failed; empty: it did not. */
  get awayBecause(): string {
    return this.contact.awayBecause;
  }

  /** Whether the replica may be out of date. */
  get stale(): boolean {
    return this.contact.stale;
  }

  /** Returns etcd's rows, or those of the local copy while etcd is away; later calls, as at a reload, return the replica. */
  async load(): Promise<readonly Row[]> {
    await this.follower.start();
    return this.replica.rows;
  }

  watch(listener: (batch: Batch) => void): void {
    this.listener = listener;
  }

  write(batch: Batch): Promise<Batch | undefined> {
    return this.writer.write(batch);
  }

  confirm(rows: readonly Pick<RowChange, 'kind' | 'key'>[]): Promise<void> {
    return this.writer.confirm(rows);
  }

  /** Stops following etcd; resolves when the local copy is on disk. */
  async close(): Promise<void> {
    await this.follower.close();
    await this.localCopy.flush();
  }
}
