// ReplicaFollower: keeps a replica in step with etcd: reads all rows, watches them from there, and probes whether etcd's majority
// responds.
import type { Logger } from 'pino';
import { toError } from '../../core/errors.ts';
import type { Clock } from '../../core/time/clock.ts';
import { type EtcdClient, plainReason, revisionOf } from './client.ts';
import { type EtcdContact, probeEvery } from './etcd-contact.ts';
import { takeOverFirstFormat } from './first-format.ts';
import { afterPrefix, type ClusterKeys } from './keys.ts';
import type { RowReplica } from './row-replica.ts';
import { readSnapshot, type Snapshot } from './snapshot.ts';
import { KeyWatch } from './watch.ts';

/** What a {@link ReplicaFollower} is made of. */
export interface ReplicaFollowerOptions {
  readonly client: EtcdClient;
  readonly keys: ClusterKeys;
  readonly replica: RowReplica;
  readonly contact: EtcdContact;
  readonly log: Logger;
  readonly clock: Clock;
  /** Receives how long etcd's majority took to answer a probe, ms. */
  answered?: ((ms: number) => void) | undefined;
}

const retryDelay = 200;

/** Follows etcd from `start` to `close`. */
export class ReplicaFollower {
  private readonly options: ReplicaFollowerOptions;
  private readonly watcher: KeyWatch;
  private isMigrated = false;
  private cancelProbe: (() => void) | undefined;
  private running: Promise<void> | undefined;
  private closed = false;

  constructor(options: ReplicaFollowerOptions) {
    this.options = options;
    const { client, log, keys } = options;
    this.watcher = new KeyWatch({ client, log, key: keys.rows, rangeEnd: afterPrefix(keys.rows) });
  }

  /** Fills the replica from etcd, or from the local copy while etcd is away, and follows from there. Later calls do nothing. */
  async start(): Promise<void> {
    if (this.running !== undefined) return;
    const { replica, contact, clock } = this.options;
    let fresh = false;
    try {
      replica.take(await this.readAll());
      fresh = true;
    } catch (thrown) {
      contact.awayBecause = plainReason(thrown);
      await replica.restore(contact.awayBecause);
    }
    this.cancelProbe = clock.every(probeEvery, () => void this.probe());
    this.running = this.run(fresh);
  }

  /** Stops following. */
  async close(): Promise<void> {
    this.closed = true;
    this.cancelProbe?.();
    this.watcher.close();
    await this.running;
  }

  /** Follows until closed: from the replica's revision if etcd still has the same history, else after reading all rows again. */
  private async run(fresh: boolean): Promise<void> {
    const { log, replica, contact, clock } = this.options;
    let complete = fresh;
    while (!this.closed) {
      try {
        if (!complete && !(this.isMigrated && (await this.sameHistory()))) replica.take(await this.readAll());
        const end = await this.watcher.follow(replica.revision + 1, {
          connected: member => {
            contact.isFollowing = true;
            contact.awayBecause = '';
            log.info({ host: member.host, revision: replica.revision }, 'following etcd');
          },
          events: events => replica.apply(events),
        });
        if (end === 'compacted') log.info('etcd has compacted the changes since: reading everything');
        if (contact.isFollowing && end === 'disconnected')
          log.warn('lost the watch of etcd; the pool stays as it is');
      } catch (thrown) {
        contact.awayBecause = plainReason(thrown);
        log.debug({ reason: contact.awayBecause }, 'etcd does not answer');
      }
      contact.isFollowing = false;
      complete = false;
      if (!this.closed) await new Promise<void>(resolve => clock.after(retryDelay, resolve));
    }
  }

  /**
   * Returns whether etcd holds, at the replica's revision, exactly what the replica has. After a restore, or in another cluster,
   * it does not.
   */
  private async sameHistory(): Promise<boolean> {
    const { log, client, keys, replica } = this.options;
    const { revision } = replica;
    if (revision === 0) return false;
    let then: Snapshot;
    try {
      then = await readSnapshot(client, { prefixes: [keys.rows], keysOnly: true, revision });
    } catch (thrown) {
      const { message } = toError(thrown);
      if (/has been compacted/.test(message)) return false;
      if (!/is a future revision/.test(message)) throw thrown;
      log.warn(
        { revision: replica.revision },
        'etcd is at an older revision than this node saw (restored from a backup?): reading everything',
      );
      return false;
    }
    if (then.clusterId !== replica.cluster) {
      log.warn(
        { was: replica.cluster, is: then.clusterId },
        'this is another etcd cluster: reading everything',
      );
      return false;
    }
    if (replica.matches(then)) return true;
    log.warn(
      { revision: replica.revision },
      'etcd has another history than this node saw (restored from a backup?): reading everything',
    );
    return false;
  }

  private async readAll(): Promise<Snapshot> {
    const { client, keys, contact } = this.options;
    if (!this.isMigrated) {
      await takeOverFirstFormat({ client, keys, log: this.options.log, now: this.options.clock.now() });
      this.isMigrated = true;
    }
    const snapshot = await readSnapshot(client, { prefixes: [keys.rows] });
    contact.confirmed();
    return snapshot;
  }

  /** Asks for something that only etcd's majority can answer. */
  private async probe(): Promise<void> {
    const { client, keys, replica, contact, clock } = this.options;
    // The watch may overtake the answer.
    const seen = replica.revision;
    const asked = clock.monotonic();
    try {
      const answer = await client.call(
        async (etcd, options) =>
          await etcd.kv.range({ key: Buffer.from(keys.leader), count_only: true }, options),
        { totalMs: 2 * probeEvery, attemptMs: probeEvery },
      );
      contact.confirmed();
      this.options.answered?.(clock.monotonic() - asked);
      const backwards = revisionOf(answer.header) < seen;
      if (contact.isFollowing && (backwards || answer.header.cluster_id !== replica.cluster)) {
        this.options.log.warn('etcd seems to have another history: comparing it with what this node saw');
        this.watcher.restart();
      }
    } catch (thrown) {
      contact.awayBecause = plainReason(thrown);
    }
  }
}
