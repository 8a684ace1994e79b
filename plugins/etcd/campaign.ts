// Campaign: takes the leadership while it is free, this node is fit, and no better node has precedence.
import { type EtcdClient, plainReason } from './client.ts';
import type { ElectionOptions } from './election-options.ts';
import type { ElectionTimes } from './election-times.ts';
import { failureOf, refusalOf } from './etcd-failure.ts';
import type { KnownLeader } from './known-leader.ts';
import type { LastLeadership, LeaderKeys } from './leader-keys.ts';
import { type LeaderSession, safeUntil } from './leader-session.ts';
import type { LeaderWatch } from './leader-watch.ts';
import { type GrantedLease, grantLease, revokeLease } from './leases.ts';
import { ReadyLease, type RenewedLease } from './ready-lease.ts';
import type { StandPermission } from './stand-permission.ts';
import type { Wakeup } from './wakeup.ts';

// How often a node that does not lead looks, besides the watch, and how soon it tries again after a failure.
const lookEvery = 1000;
const retryDelay = 100;
const refusedDelay = 500;

/** What a {@link Campaign} works with. */
export interface CampaignOptions {
  readonly election: ElectionOptions;
  readonly leaderKeys: LeaderKeys;
  readonly permission: StandPermission;
  readonly known: KnownLeader;
  readonly watch: LeaderWatch;
  readonly wakeup: Wakeup;
  isClosed(): boolean;
  isRetired(): boolean;
  isResigning(): boolean;
  /** The leadership that is held now. */
  session(): LeaderSession | undefined;
  /** This node no longer leads, and does not know which node does. */
  stepDown(): void;
  /** The leadership was won; `again`: no other node led since this one did. */
  won(session: LeaderSession, how: { readonly again: boolean; readonly hold: number }): void;
}

/** The result of a transaction that took the leadership. */
type Won = NonNullable<Awaited<ReturnType<LeaderKeys['take']>>>;

/** The campaigns of one node. */
export class Campaign {
  private readonly options: CampaignOptions;
  private readonly client: EtcdClient;
  /** A lease granted in advance, for the next campaign. */
  private readonly ready: ReadyLease;
  /** The lease of the transaction that takes the leadership, while that is under way. */
  private takesWith: string | undefined;
  private obstacle: string | undefined;

  constructor(options: CampaignOptions) {
    this.options = options;
    const { client, clock } = options.election;
    this.client = client;
    this.ready = new ReadyLease(client, clock);
  }

  /** Why etcd last refused to make this node the leader; undefined: it did not. */
  get refusal(): string | undefined {
    return this.obstacle;
  }

  /** Whether the transaction that takes the leadership is under way. */
  get isTaking(): boolean {
    return this.takesWith !== undefined;
  }

  /** Returns whether that transaction is writing the key with this lease. */
  takesBy(lease: string | undefined): boolean {
    return this.takesWith !== undefined && lease === this.takesWith;
  }

  /** Gets the lease for the next campaign now. Rejects when etcd does not answer. */
  async makeReady(): Promise<void> {
    await this.ready.prepare(this.options.election.times.lease);
  }

  /** Campaigns until closed. */
  async run(): Promise<void> {
    const { permission, wakeup } = this.options;
    const { log } = this.options.election;
    while (!this.options.isClosed()) {
      try {
        const session = this.options.session();
        const isFree = session === undefined || session.isRetaken;
        const wanted = isFree && !this.options.isResigning() && !this.options.isRetired();
        const wait = this.standsBackFor;
        const stands = wanted && wait <= 0 && permission.promisedTo === undefined;
        if (stands && this.options.election.unfit() === undefined) await this.campaign();
        this.obstacle = undefined;
        await wakeup.wait(wanted && wait > 0 ? wait : lookEvery);
      } catch (thrown) {
        log.debug({ reason: plainReason(thrown) }, 'the election continues: etcd does not answer');
        const kind = refusalOf(thrown)?.kind ?? failureOf(thrown).kind;
        const isAway = kind === 'unreachable' || kind === 'no-answer' || kind === 'no-majority';
        this.obstacle = isAway ? undefined : plainReason(thrown);
        await this.pause(isAway ? retryDelay : refusedDelay);
      }
    }
  }

  /** Drops the lease that was made ready. */
  close(): void {
    this.ready.drop();
  }

  /** How long a free leadership is still left to others, ms. */
  private get standsBackFor(): number {
    const { known, election } = this.options;
    if (known.name !== undefined) return 0;
    const wait = election.standBack?.(known.last) ?? 0;
    return known.freeSince + wait - election.clock.monotonic();
  }

  /** Takes the leadership if no node has it. */
  private async campaign(): Promise<void> {
    const { known, watch, leaderKeys, permission } = this.options;
    const { keys, times, log, clock } = this.options.election;
    // Once the watch has reported that the key is gone, the lease need not wait for a second look.
    const granting = known.name === undefined ? this.newLease() : undefined;
    granting?.catch(() => {});
    // How the leadership ended need not be looked up either: if that has changed, the transaction fails.
    const seen = watch.seenEnd ?? (await watch.look());
    watch.forgetEnd();
    if (seen.leader !== undefined || this.options.isRetired() || !permission.isGivenBy(seen.failsafe)) {
      if (granting !== undefined) this.drop(await granting);
      return;
    }
    const lease = await (granting ?? this.newLease());
    // The previous leader counted on the hold-off of its own config.
    const wait = await leaderKeys.waitAfter(seen, { ...times, granted: lease.ttl });
    // A promise may have been given meanwhile; from here on none is.
    if (permission.promisedTo !== undefined) return this.drop(lease);
    const since = clock.now();
    const before = this.options.session();
    const won = await this.take(seen, lease, since);
    if (won === undefined || this.options.session() !== before || this.options.isResigning()) {
      // Another node was faster, the leadership that was to be taken again has ended meanwhile, or an earlier attempt has won and
      // its answer was lost: dropping the lease ends that leadership.
      this.drop(lease);
      await this.pause(retryDelay);
      return;
    }
    // If no other node led since this one did, there is no end to wait for.
    const again = before !== undefined && seen.lastMod === before.revision;
    if (before !== undefined && !again) this.options.stepDown();
    const hold = again ? 0 : wait;
    if (seen.isDamaged)
      log.error({ key: keys.lastLeader, wait }, 'the key could not be read, and is written again');
    this.options.won(this.sessionOf(won, lease, { times, since, hold }), { again, hold });
  }

  private sessionOf(
    won: Won,
    lease: RenewedLease,
    { times, since, hold }: { readonly times: ElectionTimes; readonly since: number; readonly hold: number },
  ): LeaderSession {
    const { election } = this.options;
    // Winning confirms what was renewed before it, if etcd's leader is still the same.
    const asked = lease.term === won.term ? lease.from : lease.grantedFrom;
    return {
      lease,
      revision: won.revision,
      times,
      since,
      surrender: election.surrenderOf?.(won.revision),
      asked,
      from: election.clock.monotonic() + hold,
      until: safeUntil(times, asked, lease.ttl),
      etcdUntil: safeUntil(times, asked, lease.ttl),
      confirmed: asked,
      isRetaken: false,
    };
  }

  /** Returns a lease for a campaign: one that was granted in advance, or a new one. */
  private async newLease(): Promise<RenewedLease> {
    const ready = this.ready.take();
    if (ready !== undefined) return ready;
    const lease = await grantLease(this.client, this.options.election.times.lease);
    return { ...lease, grantedFrom: lease.from };
  }

  /** Writes the keys. No promise is given meanwhile. */
  private async take(seen: LastLeadership, lease: GrantedLease, since: number): Promise<Won | undefined> {
    const { times, failsafe } = this.options.election;
    this.takesWith = lease.id;
    try {
      return await this.options.leaderKeys.take(seen, lease, {
        since,
        times,
        usesFailsafe: failsafe !== undefined,
      });
    } finally {
      this.takesWith = undefined;
    }
  }

  /** Ends a lease that is no longer needed, instead of leaving it to expire. */
  private drop({ id }: GrantedLease): void {
    revokeLease(this.client, id).catch(() => {});
  }

  private async pause(ms: number): Promise<void> {
    await new Promise<void>(resolve => this.options.election.clock.after(ms, resolve));
  }
}
