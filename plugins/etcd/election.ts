// Election: one node holds the key `leader` with a lease that it renews. docs/cluster-guarantees.md ("Never two holders") says what makes
// it safe; test/models/hand-over/ searches for mistakes.
import type { Leadership } from '../../core/plugin/manager-hooks.ts';
import { Campaign } from './campaign.ts';
import type { ElectionOptions } from './election-options.ts';
import { KnownLeader } from './known-leader.ts';
import { LeaderKeys, type SeenLeader } from './leader-keys.ts';
import type { LeaderSession } from './leader-session.ts';
import { LeaderWatch } from './leader-watch.ts';
import { LeadershipNotices } from './leadership-notices.ts';
import { Renewals } from './renewals.ts';
import { Resignation } from './resignation.ts';
import { StandPermission } from './stand-permission.ts';
import { Wakeup } from './wakeup.ts';

/** One node's part in the election. */
export class Election {
  private readonly options: ElectionOptions;
  private readonly known: KnownLeader;
  private readonly permission: StandPermission;
  private readonly notices: LeadershipNotices;
  private readonly wakeup: Wakeup;
  private readonly watch: LeaderWatch;
  private readonly campaign: Campaign;
  private readonly renewals: Renewals;
  private readonly resignation: Resignation;
  private session: LeaderSession | undefined;
  private leading = false;
  private running: Promise<void> | undefined;
  private retired = false;
  private closed = false;

  constructor(options: ElectionOptions) {
    this.options = options;
    const { client, keys, nodeName, failsafe, log, clock } = options;
    const leaderKeys = new LeaderKeys(client, keys, nodeName);
    const known = new KnownLeader(clock);
    const permission = new StandPermission({ nodeName, failsafe, log, clock });
    const wakeup = new Wakeup(clock);
    this.known = known;
    this.permission = permission;
    this.wakeup = wakeup;
    this.notices = new LeadershipNotices(() => options.changed(this.leadership), log);
    const shared = {
      election: options,
      isClosed: () => this.closed,
      session: () => this.session,
      lose: (session: LeaderSession, why: string, how: { readonly free: boolean }) =>
        this.lose(session, why, how),
      wake: () => wakeup.ring(),
    };
    this.watch = new LeaderWatch({
      ...shared,
      leaderKeys,
      known,
      isBeingTaken: lease => this.campaign.takesBy(lease),
      see: leader => this.see(leader),
    });
    this.campaign = new Campaign({
      ...shared,
      leaderKeys,
      permission,
      known,
      watch: this.watch,
      wakeup,
      isRetired: () => this.retired,
      isResigning: () => this.resignation.isUnderWay,
      stepDown: () => this.stepDown(),
      won: (session, how) => this.begin(session, how),
    });
    this.renewals = new Renewals({
      ...shared,
      review: () => this.review(),
      confirm: session => this.confirm(session),
    });
    this.resignation = new Resignation({
      ...shared,
      leaderKeys,
      isLeading: () => this.leading,
      stopActing: () => this.stopActing(),
      end: () => this.end(),
      over: () => this.lead(undefined, 0),
    });
  }

  get leadership(): Leadership {
    const { leading } = this;
    const leader = this.known.name;
    if (!leading || this.session === undefined) return { leading, leader, until: 0 };
    const { until, asked, lease, surrender } = this.session;
    return { leading, leader, until, asked, session: lease.id, surrender };
  }

  /** When the leader won, ms since the epoch; 0: no node leads. */
  get since(): number {
    return this.known.since;
  }

  /** Whether this node was elected, and is waiting until the previous leader is out. */
  get isWaiting(): boolean {
    return this.session !== undefined && !this.leading;
  }

  /** Whether this node has stopped taking part. */
  get isRetired(): boolean {
    return this.retired;
  }

  /** The lease that etcd granted for the leadership of this node, ms; undefined: it has none. */
  get granted(): number | undefined {
    return this.session?.lease.ttl;
  }

  /** Why etcd last refused to make this node the leader; undefined: it did not. */
  get refusal(): string | undefined {
    return this.campaign.refusal;
  }

  /** Why the list of failsafe keeps this node from standing; undefined: it does not. */
  get unlisted(): string | undefined {
    return this.permission.obstacle;
  }

  /** The node that this one has promised not to stand now; undefined: none. */
  get promisedTo(): string | undefined {
    return this.permission.promisedTo;
  }

  /** Whether this node leads only by the promises of the other nodes, because etcd does not answer. */
  get leadsByPromises(): boolean {
    return this.leading && this.options.failsafe?.isActive === true;
  }

  /** Returns why this node does not promise the leader with this create revision to stand back; undefined: it does. */
  objectionTo(revision: number): string | undefined {
    if (this.session !== undefined) return 'it leads';
    if (this.campaign.isTaking) return 'it is standing itself';
    return revision < this.known.latestRevision ? 'another node has led since' : undefined;
  }

  /** Takes part until `close`. */
  start(): void {
    this.running = Promise.all([this.campaign.run(), this.watch.run()]).then(() => {});
  }

  /** Looks at once instead of at the next interval, because this node may have become fit. */
  reconsider(): void {
    this.wakeup.ring();
  }

  /** Keeps the leadership, if it is held, but never takes it again. */
  retire(): void {
    this.retired = true;
  }

  /** Lets go of the leadership, if it is held; others are to take it, see `standBack`. */
  async handOver(why: string): Promise<void> {
    await this.resignation.resign(why, 'as planned');
  }

  /** Gets the lease for the next leadership now, which then takes less time. Rejects when etcd does not answer. */
  async makeReady(): Promise<void> {
    await this.campaign.makeReady();
  }

  /** Lets go of the leadership, if it is held, and stops taking part. */
  async close(): Promise<void> {
    this.retired = true;
    this.closed = true;
    this.wakeup.close();
    await this.resignation.resign('this Weldr stops', 'as planned');
    this.campaign.close();
    this.watch.close();
    this.renewals.stop();
    await this.running;
  }

  // --- holding ---------------------------------------------------------------------------------------------------

  /** The leadership was won. */
  private begin(
    session: LeaderSession,
    { again, hold }: { readonly again: boolean; readonly hold: number },
  ): void {
    const { nodeName, failsafe, log } = this.options;
    this.session = session;
    this.known.latestRevision = Math.max(this.known.latestRevision, session.revision);
    failsafe?.won(session, { again });
    log.info(
      { wait: hold, lease: session.lease.ttl },
      hold === 0 ? 'elected' : 'elected; waiting until the previous leader is out',
    );
    this.lead(nodeName, session.since);
    // Winning was confirmed by etcd's majority, as a renewal would be.
    this.confirm(session);
    this.renewals.start(session, hold);
  }

  /**
   * Ends a leadership whose time has passed, or that this node is not fit for. Called before anything else that a
   * leader does, so that a process that was frozen finds out first.
   */
  private review(): void {
    const { session } = this;
    if (session === undefined) return;
    const unfit = this.options.unfit() ?? this.tooShort(session);
    if (unfit !== undefined) {
      void this.resignation.resign(unfit, 'at once');
    } else if (this.leading && this.options.clock.monotonic() >= session.until) {
      this.options.log.error('the lease could not be renewed in time: no longer leading');
      this.options.failsafe?.rest();
      if (session.isRetaken) this.end();
      this.stepDown();
      this.countLoss(session);
    }
  }

  /** Why this leadership is too short for what plugins need, if another one would not be; undefined: it is not. */
  private tooShort({ lease, times }: LeaderSession): string | undefined {
    const needed = this.options.times;
    const isShort = lease.ttl < needed.lease && lease.ttl + times.holdOff < needed.lease + needed.holdOff;
    return isShort ? 'plugins need a longer lease than this one' : undefined;
  }

  /** The session was confirmed: leads, or continues to lead. */
  private confirm(session: LeaderSession): void {
    this.review();
    const now = this.options.clock.monotonic();
    if (this.session !== session || this.resignation.isLettingGo) return;
    if (now < session.from || now >= session.until) return;
    if (!this.leading) this.options.log.info('leading');
    this.leading = true;
    session.isLost = false;
    // A late renewal restores the leadership, if no other node has won meanwhile.
    this.known.confirm(this.options.nodeName, session.since);
    this.notices.soon();
  }

  /** Counts the loss of a session once, until it leads again. */
  private countLoss(session: LeaderSession): void {
    if (session.isLost === true) return;
    session.isLost = true;
    this.options.observer?.lost();
  }

  /** etcd says that the leadership is over; `free`: and no other node has it. */
  private lose(session: LeaderSession, why: string, { free }: { readonly free: boolean }): void {
    if (this.session !== session || (session.isRetaken && free)) return;
    if (free && this.isPromised(session)) {
      session.isRetaken = true;
      this.options.log.warn(
        { reason: why },
        'taking the leadership again; the others have promised not to stand',
      );
      this.wakeup.ring();
      return;
    }
    this.end();
    if (this.leading) this.options.log.error({ reason: why }, 'no longer leading');
    this.stepDown();
    this.countLoss(session);
    this.wakeup.ring();
  }

  /** Returns whether it is still held, without a break, and no other node stands. */
  private isPromised(session: LeaderSession): boolean {
    const now = this.options.clock.monotonic();
    const { until } = this.options.failsafe?.promised ?? { until: 0 };
    return this.leading && until > now && session.until > now;
  }

  private end(): void {
    this.session = undefined;
    this.renewals.stop();
    this.options.failsafe?.over();
  }

  /** Stops acting as the leader; resolves when every listener has let go. */
  private stopActing(): Promise<void> {
    this.leading = false;
    return this.notices.now();
  }

  // --- the leader ------------------------------------------------------------------------------------------------

  private see(seen: SeenLeader | undefined): void {
    this.options.observer?.saw(seen);
    this.known.latestRevision = Math.max(this.known.latestRevision, seen?.created ?? 0);
    if (seen === undefined && this.session?.isRetaken === true) return;
    this.lead(seen && (seen.node ?? 'an unknown node'), seen?.since ?? 0);
  }

  private lead(leader: string | undefined, since: number): void {
    if (this.known.set(leader, since) && !this.leading) this.notices.soon();
  }

  /** This node no longer leads, and does not know which node does. */
  private stepDown(): void {
    const led = this.leading;
    this.leading = false;
    this.known.forget();
    if (led) void this.notices.now();
  }
}
