// DamagedLeadership: finds a leadership in etcd that no node has (written by hand, restored from a backup), reports it, and removes
// it once no node can still hold anything because of it.
import type { Logger } from 'pino';
import type { Clock } from '../../core/time/clock.ts';
import { type EtcdClient, plainReason } from './client.ts';
import type { ElectionTimes } from './election-times.ts';
import type { LeaderKeys, SeenLeader } from './leader-keys.ts';
import { grantLease, revokeLease } from './leases.ts';

/** What a {@link DamagedLeadership} works with. */
export interface DamagedLeadershipOptions {
  readonly client: EtcdClient;
  readonly leaderKeys: LeaderKeys;
  /** The name of the key, for messages. */
  readonly key: string;
  readonly times: ElectionTimes;
  readonly log: Logger;
  readonly clock: Clock;
}

/** The interval between checks of the leader's lease, ms. */
const askForLeaseEvery = 5000;

/** The state of the key `leader`, as one node sees it. */
export class DamagedLeadership {
  private readonly options: DamagedLeadershipOptions;
  private seen: SeenLeader | undefined;
  /** What is wrong with it; undefined: nothing. */
  private damage: string | undefined;
  /** Since when, monotonic ms. */
  private since = 0;
  private askedAt = Number.NEGATIVE_INFINITY;
  private leaseIsGone = false;
  private busy = false;

  constructor(options: DamagedLeadershipOptions) {
    this.options = options;
  }

  /** What is wrong, as a sentence; undefined: nothing. */
  get finding(): string | undefined {
    if (this.damage === undefined) return undefined;
    const rest = `; a node that may lead removes it ${this.patience / 1000} s after it was found`;
    return `the key ${this.options.key} ${this.damage}${rest}`;
  }

  /** Records what etcd holds now; undefined: nothing. */
  saw(leader: SeenLeader | undefined): void {
    if (leader?.mod === this.seen?.mod) return;
    this.seen = leader;
    this.leaseIsGone = false;
    this.askedAt = Number.NEGATIVE_INFINITY;
    this.damage = undefined;
  }

  /** Looks once; with `mayRepair` it removes the leadership when it is time. Never rejects. */
  async look(mayRepair: boolean): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    try {
      await this.examine();
      const { damage, since, patience } = this;
      if (damage === undefined || !mayRepair || this.options.clock.monotonic() - since < patience) return;
      await this.repair(damage);
    } catch (thrown) {
      this.options.log.debug({ reason: plainReason(thrown) }, 'the leadership could not be checked');
    } finally {
      this.busy = false;
    }
  }

  /** After this time a leader that renews has written the key again, or its time is over, ms. */
  private get patience(): number {
    return this.options.times.lease + this.options.times.holdOff;
  }

  private async examine(): Promise<void> {
    const { seen } = this;
    if (seen === undefined) return;
    await this.askForLease(seen);
    if (seen !== this.seen) return;
    const damage = this.damageOf(seen);
    if (damage === this.damage) return;
    this.damage = damage;
    this.since = this.options.clock.monotonic();
    if (damage !== undefined) {
      this.options.log.error({ key: this.options.key, revision: seen.mod }, `the leadership ${damage}`);
    }
  }

  private damageOf({ lease, node, isNewer }: SeenLeader): string | undefined {
    if (lease === '0') return 'has no lease, so it makes no node the leader (was it written by hand?)';
    if (this.leaseIsGone)
      return 'has a lease that is gone, so it makes no node the leader (was etcd restored?)';
    return node === undefined && !isNewer ? 'cannot be read (was it written by hand?)' : undefined;
  }

  private async askForLease({ lease }: SeenLeader): Promise<void> {
    const { client, clock } = this.options;
    const now = clock.monotonic();
    if (lease === '0' || now - this.askedAt < askForLeaseEvery) return;
    this.askedAt = now;
    const answer = await client.call(
      async (etcd, options) => await etcd.leaseClient.leaseTimeToLive({ ID: lease }, options),
    );
    // With 0 it has expired, and etcd is about to revoke it and delete its keys.
    this.leaseIsGone = Number(answer.TTL) === -1;
  }

  private async repair(damage: string): Promise<void> {
    const { client, leaderKeys, times, log, key } = this.options;
    const seen = await leaderKeys.look();
    if (seen.leader?.mod !== this.seen?.mod) return;
    // etcd may grant more than the config asks for.
    const { id, ttl } = await grantLease(client, times.lease);
    revokeLease(client, id).catch(() => {});
    // A leader that was overwritten and then cut off does not know it: its time is over after its lease and hold-off.
    const wait = Math.max(ttl, seen.lease) + Math.max(times.holdOff, seen.holdOff);
    if (!(await leaderKeys.clear(seen, wait))) return;
    log.warn(
      { key, wait },
      `removed the leadership: it ${damage}; the next leader waits until no other node can hold anything`,
    );
    this.saw(undefined);
  }
}
