// Election: one node holds the key `leader` with a lease that it renews. What makes it safe is written in
// docs/cluster-guarantees.md ("Never two holders") and searched for mistakes by test/models/hand-over/.
import type { IRangeResponse } from 'etcd3';
import type { Logger } from 'pino';
import { toError } from '../../core/errors.ts';
import type { Leadership, Surrender } from '../../core/plugin/manager-hooks.ts';
import type { CancelTimer, Clock } from '../../core/time/clock.ts';
import { type EtcdClient, type EtcdMember, plainReason } from './client.ts';
import { type ElectionTimes, safeSpan } from './election-times.ts';
import { failureOf, refusalOf } from './etcd-failure.ts';
import { type SeenFailsafeList, seenFailsafeList } from './failsafe-list.ts';
import type { FailsafeSide } from './failsafe-side.ts';
import { hurryWhenLate } from './hurry.ts';
import type { ClusterKeys } from './keys.ts';
import {
  type LastLeadership,
  LeaderKeys,
  type LeadershipEnd,
  lastLeadership,
  type SeenLeader,
  seenLeader,
} from './leader-keys.ts';
import { type GrantedLease, grantLease, keepAliveOnce, revokeLease } from './leases.ts';
import { ReadyLease, type RenewedLease } from './ready-lease.ts';
import { StandPermission } from './stand-permission.ts';
import { alert, KeyWatch } from './watch.ts';

export { clockDrift, type ElectionTimes } from './election-times.ts';

/** What an election is made of. */
export interface ElectionOptions {
  readonly client: EtcdClient;
  readonly keys: ClusterKeys;
  readonly nodeName: string;
  /** Read anew for each leadership, and looked at while one is held: what plugins need may change. */
  readonly times: ElectionTimes;
  readonly log: Logger;
  readonly clock: Clock;
  /** Undefined: off, and without a majority of etcd a leadership ends. */
  readonly failsafe?: FailsafeSide | undefined;
  /** Why this node cannot lead now; undefined: it can. */
  unfit(): string | undefined;
  /** How another process of this node ends the leadership with this create revision; default: it cannot. */
  surrenderOf?(revision: number): Surrender;
  /** How long it leaves a free leadership to others, ms; `last`: who led before. Default: it does not. */
  standBack?(last: string | undefined): number;
  /** Is told what only others can judge. */
  readonly observer?: ElectionObserver;
  /** Is told each win, renewal and loss, and a change of the leader elsewhere; a loss is waited for. */
  changed(leadership: Leadership): Promise<void>;
  /** Is told that a leadership is about to be let go of as planned, and waited for; renewals go on meanwhile. */
  handingOver?(): Promise<void>;
}

/** Is told how the election goes. */
export interface ElectionObserver {
  /** This is what the key `leader` holds; undefined: there is none. */
  saw(leader: SeenLeader | undefined): void;
  /** A renewal took this long, ms. */
  renewal(ms: number): void;
  /** A renewal was given up after this long, ms. */
  unanswered(ms: number): void;
  /** A leadership of this node ended though nobody wanted that. */
  lost(): void;
}

/** A leadership of ours: the key's revision and its lease. Never used again once another session began. */
interface Session {
  readonly lease: GrantedLease;
  /** The create revision of the key `leader`: who else writes it gets another. */
  readonly revision: number;
  readonly times: ElectionTimes;
  readonly surrender: Surrender | undefined;
  /** When the renewal was asked for that `until` counts from, in monotonic ms. */
  asked: number;
  /** Not to act before this, in monotonic ms. */
  readonly from: number;
  /** Nobody else acts before this, in monotonic ms. */
  until: number;
  /** When it was won, ms since the epoch. */
  readonly since: number;
  /** When the renewal that etcd confirmed last was asked for, in monotonic ms. */
  confirmed: number;
  /** `until`, by what etcd has confirmed alone. */
  etcdUntil: number;
  /** etcd has lost it; by the promises of the others it is held until it is taken anew. */
  isTakenAnew: boolean;
  /** It was lost, and that was told. */
  isLost?: boolean;
}

/** What became of a renewal: whatever etcd answered, nothing in time, or something kept it from asking. */
type RenewalEnd = 'answered' | 'no answer' | 'failed';

// How often a node that does not lead looks, besides the watch, and how soon it tries again after a failure.
const lookEvery = 1000;
// Before a watch stands, a member that does not answer holds it up no longer than one that falls silent later.
const followLimits = { totalMs: 3000, attemptMs: 400 };
const retryDelay = 100;
const refusedDelay = 500;
/** Who is told of a hand-over has so long before it, ms. */
const handOverTime = 1000;

/** The part of one node in the election. */
export class Election {
  private readonly options: ElectionOptions;
  private readonly watcher: KeyWatch;
  private readonly leaderKeys: LeaderKeys;
  private readonly permission: StandPermission;
  private obstacle: string | undefined;
  private session: Session | undefined;
  private leading = false;
  private leader: string | undefined;
  private leaderSince = 0;
  /** Who led last, and since when nobody does, in monotonic ms. */
  private lastLeader: string | undefined;
  private freeSince: number;
  /** A lease that was granted ahead, for the next campaign. */
  private readonly ready: ReadyLease;
  /** How the last leadership ended, as the watch told together with its end. */
  private ended: LeadershipEnd | undefined;
  /** The list of failsafe as it was seen last. */
  private failsafeList: SeenFailsafeList = seenFailsafeList(undefined);
  /** The highest create revision of the key `leader` that was seen. */
  private latestRevision = 0;
  /** The lease of the transaction that takes the leadership, while that is under way. */
  private takesWith: string | undefined;
  /** What the last renewal took that was confirmed, ms. */
  private renewalTook = 0;
  private told: Promise<void> = Promise.resolve();
  private telling = false;
  private tick: CancelTimer | undefined;
  private news = false;
  private endIdle: (() => void) | undefined;
  private resigning: Promise<void> | undefined;
  /** Is what the leader holds still to be used before it is let go of? */
  private isWindingDown = false;
  private running: Promise<void> | undefined;
  private retired = false;
  private closed = false;

  constructor(options: ElectionOptions) {
    this.options = options;
    this.freeSince = options.clock.monotonic();
    this.ready = new ReadyLease(options.client, options.clock);
    this.watcher = new KeyWatch({
      client: options.client,
      log: options.log,
      // The list of failsafe and the two keys, and what is between them: where candidates with failsafe are asked.
      key: options.keys.failsafeList,
      rangeEnd: Buffer.from(`${options.keys.leader}\0`),
      pace: alert,
    });
    const { client, keys, nodeName, failsafe, log, clock } = options;
    this.leaderKeys = new LeaderKeys(client, keys, nodeName);
    this.permission = new StandPermission({ nodeName, failsafe, log, clock });
  }

  get leadership(): Leadership {
    const { leading, leader } = this;
    if (!leading || this.session === undefined) return { leading, leader, until: 0 };
    const { until, asked, lease, surrender } = this.session;
    return { leading, leader, until, asked, session: lease.id, surrender };
  }

  /** When the leader won, ms since the epoch; 0: nobody leads. */
  get since(): number {
    return this.leaderSince;
  }

  /** Was it won, and waits this node until the one before is out? */
  get isWaiting(): boolean {
    return this.session !== undefined && !this.leading;
  }

  /** Does it take part no more? */
  get isRetired(): boolean {
    return this.retired;
  }

  /** What etcd granted for the leadership of this node, ms; undefined: it has none. */
  get granted(): number | undefined {
    return this.session?.lease.ttl;
  }

  /** Why etcd refused, the last time, to make this node the leader; undefined: it did not. */
  get refusal(): string | undefined {
    return this.obstacle;
  }

  /** Why this node does not stand, by the list of failsafe; undefined: it may. */
  get unlisted(): string | undefined {
    return this.permission.obstacle;
  }

  /** To whom this node has promised not to stand now; undefined: to nobody. */
  get promisedTo(): string | undefined {
    return this.permission.promisedTo;
  }

  /** Does it lead by the word of the other nodes alone, as etcd does not answer? */
  get leadsByPromises(): boolean {
    return this.leading && this.options.failsafe?.isActive === true;
  }

  /** Why this node does not promise the leader whose key has this create revision to stand back; undefined: it does. */
  objectionTo(revision: number): string | undefined {
    if (this.session !== undefined) return 'it leads';
    if (this.takesWith !== undefined) return 'it stands itself';
    return revision < this.latestRevision ? 'another led since' : undefined;
  }

  /** Takes part until `close`. */
  start(): void {
    this.running = Promise.all([this.run(), this.follow()]).then(() => {});
  }

  /** This node may have become fit: do not wait for the next look. */
  reconsider(): void {
    this.wake();
  }

  /** Keeps the leadership, if it is held, but does not take it any more. */
  retire(): void {
    this.retired = true;
  }

  /** Lets go of the leadership, if it is held; others are to take it, see `standBack`. */
  async handOver(why: string): Promise<void> {
    await this.resign(why, 'as planned');
  }

  /** Does now what taking the leadership would take time for. Rejects when etcd does not answer. */
  async makeReady(): Promise<void> {
    await this.ready.prepare(this.options.times.lease);
  }

  /** Lets go of the leadership, if it is held, and takes no part any more. */
  async close(): Promise<void> {
    this.retired = true;
    this.closed = true;
    this.wake();
    await this.resign('this Weldr stops', 'as planned');
    this.ready.drop();
    this.watcher.close();
    this.tick?.();
    await this.running;
  }

  // --- campaigning -----------------------------------------------------------------------------------------------

  private async run(): Promise<void> {
    while (!this.closed) {
      try {
        const isFree = this.session === undefined || this.session.isTakenAnew;
        const wanted = isFree && this.resigning === undefined && !this.retired;
        const wait = this.standsBackFor;
        const stands = wanted && wait <= 0 && this.promisedTo === undefined;
        if (stands && this.options.unfit() === undefined) await this.campaign();
        this.obstacle = undefined;
        await this.idle(wanted && wait > 0 ? wait : lookEvery);
      } catch (thrown) {
        this.options.log.debug({ reason: plainReason(thrown) }, 'the election goes on: etcd does not answer');
        const kind = refusalOf(thrown)?.kind ?? failureOf(thrown).kind;
        const isAway = kind === 'unreachable' || kind === 'no-answer' || kind === 'no-majority';
        this.obstacle = isAway ? undefined : plainReason(thrown);
        await this.pause(isAway ? retryDelay : refusedDelay);
      }
    }
  }

  /** How long a free leadership is still left to others, ms. */
  private get standsBackFor(): number {
    if (this.leader !== undefined) return 0;
    const wait = this.options.standBack?.(this.lastLeader) ?? 0;
    return this.freeSince + wait - this.options.clock.monotonic();
  }

  /** A lease for a campaign: one that was granted ahead, or a new one. */
  private async newLease(): Promise<RenewedLease> {
    const ready = this.ready.take();
    if (ready !== undefined) return ready;
    const lease = await grantLease(this.options.client, this.options.times.lease);
    return { ...lease, grantedFrom: lease.from };
  }

  /** Takes the leadership if nobody has it. */
  private async campaign(): Promise<void> {
    const { keys, nodeName, times, log, clock } = this.options;
    // Where the watch has told that the key is gone, the lease need not wait for a second look.
    const granting = this.leader === undefined ? this.newLease() : undefined;
    granting?.catch(() => {});
    // Nor need it be looked how the leadership ended: should it not be so any more, the transaction fails.
    const seen = this.seenEnd ?? (await this.look());
    this.ended = undefined;
    if (seen.leader !== undefined || this.retired || !this.permission.isGivenBy(seen.failsafe)) {
      if (granting !== undefined) this.drop(await granting);
      return;
    }
    const lease = await (granting ?? this.newLease());
    // The one before counted on the hold-off of its own config.
    const wait = await this.leaderKeys.waitAfter(seen, { ...times, granted: lease.ttl });
    // A promise may have been given meanwhile; from here on none is.
    if (this.promisedTo !== undefined) return this.drop(lease);
    const since = clock.now();
    const before = this.session;
    const won = await this.take(seen, lease, since);
    if (won === undefined || this.session !== before || this.resigning !== undefined) {
      // Either another was faster, or an attempt of ours whose answer was lost has won: then its lease runs out. Or what it
      // was to be taken anew for has ended meanwhile.
      this.drop(lease);
      await this.pause(retryDelay);
      return;
    }
    // Where nobody led since this node did, nobody's end is to be waited for.
    const again = before !== undefined && seen.lastMod === before.revision;
    if (before !== undefined && !again) this.stepDown();
    const hold = again ? 0 : wait;
    if (seen.isDamaged)
      log.error({ key: keys.lastLeader, wait }, 'the key could not be read, and is written anew');
    // Winning confirms what was renewed before it, as long as etcd's leader is the same.
    const asked = lease.term === won.term ? lease.from : lease.grantedFrom;
    this.session = {
      lease,
      revision: won.revision,
      times,
      since,
      surrender: this.options.surrenderOf?.(won.revision),
      asked,
      from: clock.monotonic() + hold,
      until: safeUntil(times, asked, lease.ttl),
      etcdUntil: safeUntil(times, asked, lease.ttl),
      confirmed: asked,
      isTakenAnew: false,
    };
    this.latestRevision = Math.max(this.latestRevision, won.revision);
    this.options.failsafe?.won(this.session, { again });
    log.info(
      { wait: hold, lease: lease.ttl },
      hold === 0 ? 'elected' : 'elected; waiting until the one before is out',
    );
    this.lead(nodeName, since);
    // Winning was confirmed by etcd's majority, as a renewal would be.
    this.confirm(this.session);
    this.beat(this.session, hold);
  }

  /** What the watch has told, where that is all that a campaign has to know. */
  private get seenEnd(): LastLeadership | undefined {
    const { leader, ended, failsafeList } = this;
    if (leader !== undefined || ended === undefined) return undefined;
    return { leader: undefined, ...ended, failsafe: failsafeList };
  }

  /** Nothing is promised while it is under way. */
  private async take(seen: LastLeadership, lease: GrantedLease, since: number) {
    const { times, failsafe } = this.options;
    this.takesWith = lease.id;
    try {
      return await this.leaderKeys.take(seen, lease, { since, times, usesFailsafe: failsafe !== undefined });
    } finally {
      this.takesWith = undefined;
    }
  }

  /** Ends a lease that is of no use; it would end by itself. */
  private drop({ id }: GrantedLease): void {
    revokeLease(this.options.client, id).catch(() => {});
  }

  /** Who leads, and how the leadership before ended. */
  private async look(): Promise<LastLeadership> {
    const seen = await this.leaderKeys.look();
    this.failsafeList = seen.failsafe;
    this.see(seen.leader);
    return seen;
  }

  // --- holding ---------------------------------------------------------------------------------------------------

  /** Starts the renewals of a session; each is a request of its own, so that a hanging one holds up no other. */
  private beat(session: Session, wait: number): void {
    const { client, clock } = this.options;
    const { times } = session;
    this.tick?.();
    const asked = new Set<EtcdMember>();
    const renew = async () => {
      this.review();
      if (this.session !== session) return;
      this.askOthers(session);
      if (session.isTakenAnew) return this.wake();
      // A member that still owes an answer is not asked again: one that hangs costs one beat.
      const member = client.inOrder().find(candidate => !asked.has(candidate));
      if (member === undefined) return;
      asked.add(member);
      const begun = clock.monotonic();
      const end = await this.renewIfLed(session, member, Math.max(200, 2 * times.renew));
      if (end !== 'answered') client.avoid(member);
      if (end === 'no answer') this.options.observer?.unanswered(clock.monotonic() - begun);
      asked.delete(member);
    };
    const endBeat = clock.every(times.renew, () => void renew());
    const endHurry = hurryWhenLate({
      clock,
      isLate: () => this.session === session && !session.isTakenAnew && this.isLate(session),
      took: () => this.renewalTook,
      members: () => client.inOrder(),
      ask: async (member, ms) => void (await this.renewIfLed(session, member, ms)),
    });
    this.tick = () => {
      endBeat();
      endHurry();
    };
    void renew();
    if (wait > 0) clock.after(wait, () => void renew());
  }

  /** Is what etcd confirmed last older than it is where all is well, and not so old that etcd is away for longer than an election takes? */
  private isLate({ confirmed, times, lease }: Session): boolean {
    const age = this.options.clock.monotonic() - confirmed;
    return age > 1.5 * times.renew + 2 * this.renewalTook && age < 3 * lease.ttl;
  }

  /**
   * A member whose leader is dead works on a renewal without a pause (etcd 3.4), just when all of etcd is to elect: one
   * that is late asks first whether there is a leader.
   */
  private async renewIfLed(session: Session, member: EtcdMember, deadline: number): Promise<RenewalEnd> {
    const { client, keys } = this.options;
    if (this.isLate(session)) {
      const key = Buffer.from(keys.leader);
      try {
        await client.callMember(member, (etcd, options) => etcd.kv.range({ key }, options), deadline);
      } catch (thrown) {
        return failureOf(thrown).kind === 'no-answer' ? 'no answer' : 'failed';
      }
    }
    return await this.renew(session, member, deadline);
  }

  /**
   * Renews the lease, then has etcd's majority confirm that the key is still ours. Both by one member and within one
   * term of Raft: a leader of etcd that was cut off keeps renewing leases alone for a while, and its word alone
   * would not bind the leader that follows it. Each answer is waited for for `deadline` ms.
   */
  private async renew(session: Session, member: EtcdMember, deadline: number): Promise<RenewalEnd> {
    const { client, clock, keys } = this.options;
    const { times } = session;
    const asked = clock.monotonic();
    try {
      const kept = await client.callMember(
        member,
        (etcd, options) => keepAliveOnce(etcd, session.lease.id, options),
        deadline,
      );
      const held = await client.callMember(
        member,
        (etcd, options) => etcd.kv.range({ key: Buffer.from(keys.leader) }, options),
        deadline,
      );
      if (this.session !== session) return 'answered';
      const isOurs = this.isOurs(held, session);
      const free = isOurs || held.kvs[0] === undefined;
      if (kept.ttl === 0) this.lose(session, 'the lease is gone', { free });
      else if (!isOurs) this.lose(session, 'the key is not ours any more', { free });
      if (kept.ttl === 0 || !isOurs || held.header.raft_term !== kept.raftTerm) return 'answered';
      client.prefer(member);
      this.renewalTook = clock.monotonic() - asked;
      this.options.observer?.renewal(this.renewalTook);
      const until = safeUntil(times, asked, kept.ttl);
      if (until > session.until) {
        session.until = until;
        session.asked = asked;
      }
      session.confirmed = Math.max(session.confirmed, asked);
      session.etcdUntil = Math.max(session.etcdUntil, until);
      this.options.failsafe?.rest();
      this.confirm(session);
      return 'answered';
    } catch (thrown) {
      this.options.log.debug({ host: member.host, reason: plainReason(thrown) }, 'a renewal failed');
      return failureOf(thrown).kind === 'no-answer' ? 'no answer' : 'failed';
    }
  }

  /** Where etcd did not confirm the last renewal, the other nodes are asked. */
  private askOthers(session: Session): void {
    const { failsafe, clock } = this.options;
    if (failsafe === undefined || clock.monotonic() - session.confirmed < 1.5 * session.times.renew) return;
    failsafe.ask(session, ({ until, asked }) => {
      // One that was broken off is not taken up again: others may have led meanwhile.
      if (this.session !== session || clock.monotonic() >= session.until) return;
      if (until > session.until) {
        session.until = until;
        session.asked = asked;
      }
      this.confirm(session);
    });
  }

  private isOurs(held: IRangeResponse, session: Session): boolean {
    const [kv] = held.kvs;
    // Written over by hand it keeps its create revision, and not the lease.
    return Number(kv?.create_revision ?? 0) === session.revision && kv?.lease === session.lease.id;
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
      void this.resign(unfit, 'at once');
    } else if (this.leading && this.options.clock.monotonic() >= session.until) {
      this.options.log.error('the lease could not be renewed in time: not leading any more');
      this.options.failsafe?.rest();
      if (session.isTakenAnew) this.end();
      this.stepDown();
      this.countLoss(session);
    }
  }

  /** Do plugins need more time than this leadership gives, and could another one give it? */
  private tooShort({ lease, times }: Session): string | undefined {
    const needed = this.options.times;
    const isShort = lease.ttl < needed.lease && lease.ttl + times.holdOff < needed.lease + needed.holdOff;
    return isShort ? 'what it holds needs a longer lease than this one' : undefined;
  }

  /** The session was confirmed: lead, or go on leading. */
  private confirm(session: Session): void {
    this.review();
    const now = this.options.clock.monotonic();
    if (this.session !== session || (this.resigning !== undefined && !this.isWindingDown)) return;
    if (now < session.from || now >= session.until) return;
    if (!this.leading) this.options.log.info('leading');
    this.leading = true;
    session.isLost = false;
    // A renewal may come after it was given up, as long as nobody else has won.
    this.leader = this.options.nodeName;
    this.leaderSince = session.since;
    this.tell();
  }

  /** One session is lost once, until it leads again. */
  private countLoss(session: Session): void {
    if (session.isLost === true) return;
    session.isLost = true;
    this.options.observer?.lost();
  }

  /** etcd says that the leadership is over; `free`: and nobody else has it. */
  private lose(session: Session, why: string, { free }: { readonly free: boolean }): void {
    if (this.session !== session || (session.isTakenAnew && free)) return;
    if (free && this.isPromised(session)) {
      session.isTakenAnew = true;
      this.options.log.warn(
        { reason: why },
        'taking the leadership anew; the others have promised not to stand',
      );
      this.wake();
      return;
    }
    this.end();
    if (this.leading) this.options.log.error({ reason: why }, 'not leading any more');
    this.stepDown();
    this.countLoss(session);
    this.wake();
  }

  /** Is it held without a break, and does nobody else stand? */
  private isPromised(session: Session): boolean {
    const now = this.options.clock.monotonic();
    const { until } = this.options.failsafe?.promised ?? { until: 0 };
    return this.leading && until > now && session.until > now;
  }

  private end(): void {
    this.session = undefined;
    this.tick?.();
    this.options.failsafe?.over();
  }

  /** Lets go: first of what the leader holds, then of the key, and says so, that the next one need not wait. */
  private async resign(why: string, how: 'as planned' | 'at once'): Promise<void> {
    this.resigning ??= this.letGo(why, how).finally(() => {
      this.resigning = undefined;
    });
    await this.resigning;
  }

  private async letGo(why: string, how: 'as planned' | 'at once'): Promise<void> {
    const { session } = this;
    if (session === undefined) return;
    const { client, clock, log } = this.options;
    log.info({ reason: why }, 'handing over');
    if (how === 'as planned' && this.leading) await this.windDown();
    if (this.session !== session) return;
    this.leading = false;
    const told = await settledWithin(this.tellNow(), session.until - clock.monotonic());
    // One that never came to act knows nothing of the leader before it.
    const released = told && clock.monotonic() >= session.from;
    this.end();
    const limits = { totalMs: 1000, attemptMs: 500 };
    try {
      await this.leaderKeys.giveUp(session.revision, released, limits);
      this.drop(session.lease);
    } catch (thrown) {
      log.warn(
        { reason: plainReason(thrown) },
        'the leadership ends with its lease, the next leader holds off',
      );
      // An etcd without space still does what frees some.
      if (refusalOf(thrown)?.kind !== 'unreachable') {
        await revokeLease(client, session.lease.id, limits).catch(() => {});
      }
    }
    this.lead(undefined, 0);
  }

  /** What is held is used no more when this resolves. */
  private async windDown(): Promise<void> {
    const { handingOver, log } = this.options;
    if (handingOver === undefined) return;
    this.isWindingDown = true;
    try {
      // Not within this call: it may come back here.
      await settledWithin(Promise.resolve().then(handingOver), handOverTime);
    } catch (thrown) {
      log.error({ err: toError(thrown) }, 'a listener of the election failed');
    }
    this.isWindingDown = false;
  }

  // --- following -------------------------------------------------------------------------------------------------

  /** Watches the key, so that a free leadership is taken, and a lost one noticed, at once. */
  private async follow(): Promise<void> {
    while (!this.closed) {
      let revision = 0;
      try {
        const now = await this.leaderKeys.look(followLimits);
        revision = now.revision;
        const { session } = this;
        const isOurs = now.leader?.created === session?.revision && now.leader?.lease === session?.lease.id;
        const isTaken = !isOurs && !this.isBeingTaken(now.leader?.lease);
        if (session !== undefined && isTaken && revision > session.revision) {
          this.lose(session, 'the key is not ours any more', { free: now.leader === undefined });
        }
        this.failsafeList = now.failsafe;
        // A backup may have brought back lower revisions.
        this.latestRevision = 0;
        this.see(now.leader);
      } catch {
        await this.pause(retryDelay);
        continue;
      }
      const end = await this.watcher.follow(revision + 1, {
        connected() {},
        events: events => {
          const { lastLeader, failsafeList } = this.options.keys;
          const list = events.findLast(({ kv }) => kv.key.toString() === failsafeList);
          if (list !== undefined) {
            this.failsafeList = seenFailsafeList(list.type === 'Put' ? list.kv : undefined);
          }
          const ends = events.filter(({ type, kv }) => type === 'Put' && kv.key.toString() === lastLeader);
          const end = ends.at(-1);
          const how = end === undefined ? undefined : lastLeadership(end.kv);
          const last = events.findLast(({ kv }) => kv.key.toString() === this.options.keys.leader);
          if (last === undefined) return;
          const { session } = this;
          const mod = Number(last.kv.mod_revision);
          if (session !== undefined && mod > session.revision && !this.isBeingTaken(last.kv.lease)) {
            this.lose(session, 'the key was taken away', { free: last.type === 'Delete' });
          }
          this.see(last.type === 'Put' ? seenLeader(last.kv) : undefined);
          this.ended = last.type === 'Put' ? undefined : how;
          this.wake();
        },
      });
      if (end !== 'closed') await this.pause(retryDelay);
    }
  }

  /** Is the key with this lease what this node writes right now? Its watch may hear of it before the writing is answered. */
  private isBeingTaken(lease: string | undefined): boolean {
    return this.takesWith !== undefined && lease === this.takesWith;
  }

  private see(seen: SeenLeader | undefined): void {
    this.options.observer?.saw(seen);
    this.latestRevision = Math.max(this.latestRevision, seen?.created ?? 0);
    if (seen === undefined && this.session?.isTakenAnew === true) return;
    this.lead(seen && (seen.node ?? 'somebody unknown'), seen?.since ?? 0);
  }

  /** The leader is, from this node's view, `leader`. */
  private lead(leader: string | undefined, since: number): void {
    this.leaderSince = since;
    if (leader === this.leader) return;
    if (this.leader !== undefined) this.lastLeader = this.leader;
    if (leader === undefined) this.freeSince = this.options.clock.monotonic();
    this.leader = leader;
    if (!this.leading) this.tell();
  }

  /** This node does not lead any more, and does not know who does. */
  private stepDown(): void {
    const led = this.leading;
    this.leading = false;
    if (this.leader !== undefined) this.lastLeader = this.leader;
    this.leader = undefined;
    this.freeSince = this.options.clock.monotonic();
    this.leaderSince = 0;
    if (led) void this.tellNow();
  }

  /** Tells the latest state; while taps are busy with a renewal, the next ones are put into one. */
  private tell(): void {
    if (this.telling) return;
    this.telling = true;
    this.told = this.told.then(async () => {
      this.telling = false;
      await this.tellNow();
    });
  }

  /** Tells at once: a loss must not wait behind a tap that hangs. */
  private async tellNow(): Promise<void> {
    try {
      await this.options.changed(this.leadership);
    } catch (thrown) {
      this.options.log.error({ err: toError(thrown) }, 'a listener of the election failed');
    }
  }

  private async pause(ms: number): Promise<void> {
    await new Promise<void>(resolve => this.options.clock.after(ms, resolve));
  }

  /** Waits until something happened since the last call, or for `ms`. */
  private async idle(ms: number): Promise<void> {
    if (!this.news && !this.closed) {
      await new Promise<void>(resolve => {
        const cancel = this.options.clock.after(ms, resolve);
        this.endIdle = () => {
          cancel();
          resolve();
        };
      });
    }
    this.news = false;
  }

  /** Something happened that the campaign has to look at. */
  private wake(): void {
    this.news = true;
    this.endIdle?.();
  }
}

/** Nobody else can act before this, given a renewal that was asked for at `from` and granted `ttl`. */
function safeUntil({ holdOff }: ElectionTimes, from: number, ttl: number): number {
  return from + safeSpan(ttl, holdOff);
}

/** Did it settle in time? */
async function settledWithin(promise: Promise<void>, ms: number): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), Math.max(0, ms));
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
