// ElectionWatch: how the election stands as this node sees it, and, where nobody leads, why and what helps: to the log, to
// what is wrong, and to whoever asks.
import type { Logger } from 'pino';
import type { NewProblem } from '../../core/events/problems.ts';
import type { Clock } from '../../core/time/clock.ts';
import type { EtcdClient } from './client.ts';
import { DamagedLeadership } from './damaged-leadership.ts';
import type { Election } from './election.ts';
import type { ElectionObserver } from './election-options.ts';
import type { ElectionTimes } from './election-times.ts';
import { EtcdAlarms } from './etcd-alarms.ts';
import { EtcdIdentity } from './etcd-identity.ts';
import { askMembers, troubleOf } from './etcd-members.ts';
import { Flapping } from './flapping.ts';
import type { ClusterKeys } from './keys.ts';
import { LeaderKeys, type SeenLeader } from './leader-keys.ts';
import type { NodeReport } from './membership.ts';
import { RoundTrip } from './round-trip.ts';
import { renewalTimes, slowness } from './slow-etcd.ts';

/** The part that this node has in the election. */
export type ElectionState =
  | 'leading'
  /** Elected, and waits until the leader before is out. */
  | 'waiting'
  | 'following'
  /** Nobody leads, and this node would. */
  | 'campaigning'
  /** Nobody leads, and this node may not now. */
  | 'unfit'
  /** Nobody leads, and this node does not try, as it lost the leadership again and again. */
  | 'staying away'
  /** It stops. */
  | 'leaving'
  | 'no etcd'
  /** The hosts of the config are not one etcd. */
  | 'split etcd';

/** How it stands. */
export interface ElectionStanding {
  readonly state: ElectionState;
  /** Since when it is in this state, ms since the epoch. */
  readonly since: number;
  /** Why nobody leads; why this node could not, where another does; or what it leads without. */
  readonly reason: string | undefined;
}

/** What it works with. */
export interface ElectionWatchOptions {
  readonly client: EtcdClient;
  readonly keys: ClusterKeys;
  readonly nodeName: string;
  readonly times: ElectionTimes;
  readonly log: Logger;
  readonly clock: Clock;
  readonly election: () => Election;
  /** Why this node should not lead, whatever etcd says. */
  unfit(): string | undefined;
  /** For how long etcd's majority has confirmed nothing, ms. */
  silentFor(): number;
  /** How long etcd's majority takes to confirm something. */
  readonly majority: RoundTrip;
  /** The nodes that are there. */
  nodes(): Promise<readonly NodeReport[]>;
  /** What plugins need of a leadership's time, ms; 0: none holds anything. */
  need(): number;
  /** Says what is wrong right now. */
  problem(name: string, problem: NewProblem | undefined): void;
  /** Without a leader for this long it is said; default 4 s, so that it is said within 5. */
  readonly patience?: number;
}

const lookEvery = 1000;
/** Nothing from etcd's majority for this long, ms, and what is known of the leader does not count. */
const silence = 3000;
/** A reason that was said is not said again within this time, ms. */
const repeatAfter = 60_000;
const maxReasons = 100;
/** What differs by this factor is said anew. */
const clearlyOther = 1.5;
/** Who was elected and whose renewals are known to come too late leaves it to others after this, ms. */
const waitsFor = 2000;

/** The watch of one node; `close` when done. */
export class ElectionWatch implements ElectionObserver {
  readonly identity: EtcdIdentity;
  /** How long renewals of the leadership take. */
  readonly renewals: RoundTrip;
  private readonly options: ElectionWatchOptions;
  readonly alarms: EtcdAlarms;
  private readonly damaged: DamagedLeadership;
  private readonly flapping: Flapping;
  private readonly cancel: () => void;
  private state: ElectionState = 'campaigning';
  private stateSince: number;
  /** Since when nobody leads, monotonic ms; undefined: somebody does. */
  private absentSince: number | undefined;
  private reason: string | undefined;
  private readonly said = new Map<string, number>();
  private lastSaid: string | undefined;
  private isAbsenceSaid = false;
  private slow: string | undefined;
  /** What renewals took when that was said, ms. */
  private slowMean = 0;
  /** So many renewals in a row were given up. */
  private unansweredInARow = 0;
  /** What etcd granted last, ms. */
  private granted: number | undefined;
  /** That it waits in vain was counted as a loss. */
  private isWaitCounted = false;
  private warned: readonly string[] = [];
  private splitSaid: string | undefined;
  private busy = false;

  constructor(options: ElectionWatchOptions) {
    this.options = options;
    const { client, keys, nodeName, log, clock } = options;
    this.renewals = new RoundTrip(clock);
    this.flapping = new Flapping(clock);
    this.stateSince = clock.now();
    this.absentSince = clock.monotonic();
    const leaderKeys = new LeaderKeys(client, keys, nodeName);
    this.damaged = new DamagedLeadership({
      client,
      leaderKeys,
      key: keys.leader,
      // What plugins need may change.
      get times() {
        return options.times;
      },
      log,
      clock,
    });
    this.alarms = new EtcdAlarms({ client, log, clock, changed: () => this.sayAlarm() });
    this.identity = new EtcdIdentity({ client, keys, clock, changed: () => this.identityChanged() });
    this.cancel = clock.every(lookEvery, () => void this.look());
  }

  /** Why this node should not lead, by what was seen of etcd and of itself. */
  objection(): string | undefined {
    const { leading } = this.options.election().leadership;
    const left = this.flapping.left;
    return (
      this.identity.objection(leading) ??
      (left <= 0 || leading
        ? undefined
        : this.slow === undefined
          ? 'it lost the leadership again and again, and stays away for a while'
          : `it could not keep the leadership, and stays away for a while: ${this.slow}`)
    );
  }

  /** Who leads, as far as that is known now. */
  get leader(): string | undefined {
    const { leadership, promisedTo } = this.options.election();
    const { leader, leading } = leadership;
    if (leading) return leader;
    // It goes on while etcd is away, and has asked this node lately.
    if (promisedTo !== undefined) return promisedTo;
    return this.damaged.finding === undefined && !this.isSilent ? leader : undefined;
  }

  /** Does somebody lead, and not only wait for that? */
  private get isLed(): boolean {
    return this.leader !== undefined && !this.options.election().isWaiting;
  }

  /** How the election stands. */
  get standing(): ElectionStanding {
    this.updateState();
    const { leadership, leadsByPromises } = this.options.election();
    const byPromises = leadsByPromises
      ? 'etcd does not answer; it leads by the word of all other candidates (failsafe)'
      : undefined;
    const reason = !this.isLed
      ? this.reason
      : leadership.leading
        ? (byPromises ?? this.slow)
        : (this.ownObstacle ?? this.slow);
    return { state: this.state, since: this.stateSince, reason };
  }

  /** Says what is wrong again: who was told is not there any more. */
  sayAgain(): void {
    this.sayAbsence();
    this.sayIdentity();
    this.sayAlarm();
    this.options.problem('round-trip', this.slow === undefined ? undefined : error(this.slow));
  }

  close(): void {
    this.cancel();
    this.identity.close();
  }

  // --- what the election tells -----------------------------------------------------------------------------------

  saw(leader: SeenLeader | undefined): void {
    this.damaged.saw(leader);
  }

  renewal(ms: number): void {
    this.unansweredInARow = 0;
    this.renewals.record(ms);
  }

  unanswered(ms: number): void {
    this.unansweredInARow++;
    this.renewals.record(ms);
  }

  lost(): void {
    void this.dampen();
  }

  private async dampen(): Promise<void> {
    const { log, nodeName } = this.options;
    const others = await this.options.nodes().catch(() => []);
    const isThere = others.some(node => node.node !== nodeName && mayLead(node));
    const stay = this.flapping.lost(isThere, { explained: this.slow !== undefined });
    if (stay === undefined) return;
    const reason = this.slow ?? 'it lost the leadership three times within a minute';
    if (stay === 0)
      log.error({ reason }, 'the leadership cannot be kept, and no other node may lead: going on');
    else
      log.error({ reason, seconds: stay / 1000 }, 'the leadership cannot be kept: staying away for a while');
  }

  // --- looking ---------------------------------------------------------------------------------------------------

  private async look(): Promise<void> {
    this.updateState();
    this.judgeRenewals();
    this.judgeWait();
    void this.alarms.look();
    const { leadership, promisedTo } = this.options.election();
    const mayRepair = this.ownObstacle === undefined && promisedTo === undefined;
    if (!leadership.leading && !this.isSilent) void this.damaged.look(mayRepair);
    if (this.busy) return;
    this.busy = true;
    try {
      await this.lookAtAbsence();
    } catch (thrown) {
      this.options.log.debug({ err: thrown }, 'the look at the election failed');
    } finally {
      this.busy = false;
    }
  }

  private async lookAtAbsence(): Promise<void> {
    const { clock, log, patience = 4000 } = this.options;
    const now = clock.monotonic();
    const { leader } = this;
    if (leader !== undefined && this.isLed) {
      const absence = this.absentSince === undefined ? 0 : now - this.absentSince;
      this.absentSince = undefined;
      this.reason = undefined;
      this.said.clear();
      this.lastSaid = undefined;
      if (this.isAbsenceSaid)
        log.warn({ leader }, `${leader} leads again after ${Math.round(absence / 1000)} s`);
      this.isAbsenceSaid = false;
      this.sayAbsence();
      return;
    }
    this.absentSince ??= now;
    if (this.options.election().isRetired) return;
    const reason = await this.whyNobody();
    if (this.isLed) return;
    this.reason = reason;
    if (now - this.absentSince < patience) return;
    this.isAbsenceSaid = true;
    this.sayAbsence();
    if (reason === this.lastSaid) return;
    this.lastSaid = reason;
    const saidAt = this.said.get(reason);
    if (saidAt !== undefined && now - saidAt < repeatAfter) return;
    if (this.said.size >= maxReasons) this.said.clear();
    this.said.set(reason, now);
    log.error({ reason }, 'nobody leads the cluster');
  }

  private sayAbsence(): void {
    const { reason } = this;
    const text =
      this.isAbsenceSaid && reason !== undefined ? `nobody leads the cluster: ${reason}` : undefined;
    this.options.problem('leader', text === undefined ? undefined : error(text));
  }

  /** Why nobody leads: of what stands in the way, what has to be put right first. */
  private async whyNobody(): Promise<string> {
    if (this.identity.problem !== undefined) return this.identity.problem;
    const trouble = troubleOf(await askMembers(this.options.client));
    if (trouble !== undefined) return trouble;
    if (this.isSilent)
      return 'etcd does not answer what only its majority can: its members are slow, or are electing';
    const { finding } = this.damaged;
    if (finding !== undefined) return finding;
    const { refusal, isWaiting, unlisted } = this.options.election();
    if (refusal !== undefined) return refusal;
    if (unlisted !== undefined) return unlisted;
    if (isWaiting) return this.slow ?? 'this node was elected, and its renewals are not confirmed in time';
    return await this.whyNoNode();
  }

  private async whyNoNode(): Promise<string> {
    const { nodeName } = this.options;
    const own = this.ownObstacle;
    if (own === undefined) return 'this node campaigns, and was not elected yet';
    const nodes = await this.options.nodes().catch(() => []);
    const others = nodes.filter(({ node }) => node !== nodeName);
    const fit = others.filter(mayLead);
    // Who stays away stays for as long as there is somebody else.
    if (fit.length === 0) this.flapping.end();
    const rest =
      others.length === 0
        ? 'there is no other node'
        : fit.length > 0
          ? `${fit.map(({ node }) => node).join(', ')} may lead, and does not yet`
          : others.map(({ node, unfit }) => `${node}: ${unfit}`).join('; ');
    return `this node is not fit: ${own}; ${rest}`;
  }

  private get ownObstacle(): string | undefined {
    return this.options.unfit() ?? this.objection();
  }

  private get isSilent(): boolean {
    return this.options.silentFor() > silence;
  }

  private updateState(): void {
    const state = this.currentState();
    if (state === this.state) return;
    this.state = state;
    this.stateSince = this.options.clock.now();
  }

  private currentState(): ElectionState {
    const election = this.options.election();
    if (election.leadership.leading) return 'leading';
    if (election.isRetired) return 'leaving';
    if (this.identity.problem !== undefined) return 'split etcd';
    if (this.isSilent) return 'no etcd';
    if (election.isWaiting) return 'waiting';
    if (this.leader !== undefined) return 'following';
    if (this.options.unfit() !== undefined) return 'unfit';
    return this.flapping.left > 0 ? 'staying away' : 'campaigning';
  }

  // --- what is wrong with etcd -----------------------------------------------------------------------------------

  private judgeRenewals(): void {
    const { times, log, majority, election } = this.options;
    const { granted } = election();
    this.granted = granted ?? this.granted;
    if (this.granted === undefined) return;
    const { renewals, unansweredInARow: unanswered } = this;
    const wasSlow = this.slow !== undefined;
    // Who has nothing to renew knows how far away etcd is, all the same: a renewal is two questions, and takes longer than one.
    const measured =
      granted !== undefined
        ? renewalTimes({ renewals, unanswered, majority })
        : { mean: majority.quickest && majority.quickest * (wasSlow ? 2 : 1), isSettled: true };
    const slow = slowness(measured, { times, granted: this.granted, need: this.options.need(), wasSlow });
    if (slow !== undefined && !wasSlow) log.error(slow);
    // A text that changes with each look would be news each time.
    const { mean = 0 } = measured;
    const isNews = mean > this.slowMean * clearlyOther || mean * clearlyOther < this.slowMean;
    if (slow === undefined && wasSlow) {
      log.info('renewals of the lease are quick enough again');
      if (granted === undefined) this.renewals.forget();
    }
    if (slow !== undefined && wasSlow && !isNews) return;
    this.slow = slow;
    this.slowMean = slow === undefined ? 0 : mean;
    this.options.problem('round-trip', slow === undefined ? undefined : error(slow));
  }

  /** Who keeps the key, and cannot act, keeps others from it. */
  private judgeWait(): void {
    const isLong = this.state === 'waiting' && this.options.clock.now() - this.stateSince > waitsFor;
    if (isLong && this.slow !== undefined && !this.isWaitCounted) {
      this.isWaitCounted = true;
      void this.dampen();
    }
    if (this.state !== 'waiting') this.isWaitCounted = false;
  }

  private identityChanged(): void {
    const { log } = this.options;
    const { problem, warnings } = this.identity;
    if (problem !== undefined && problem !== this.splitSaid) log.error(problem);
    if (problem === undefined && this.splitSaid !== undefined) log.info('the hosts are one etcd again');
    this.splitSaid = problem;
    for (const warning of warnings) if (!this.warned.includes(warning)) log.warn(warning);
    this.warned = warnings;
    this.sayIdentity();
    this.options.election().reconsider();
  }

  private sayAlarm(): void {
    const { problem } = this.alarms;
    this.options.problem('etcd-alarm', problem === undefined ? undefined : error(problem));
  }

  private sayIdentity(): void {
    const { problem, warnings } = this.identity;
    this.options.problem('etcd', problem === undefined ? undefined : error(problem));
    this.options.problem('etcd-members', warnings.length === 0 ? undefined : { text: warnings.join('; ') });
  }
}

function error(text: string): NewProblem {
  return { severity: 'error', text };
}

/** Does it say that it may lead? One of an earlier version does not tell. */
function mayLead({ unfit }: NodeReport): boolean {
  return unfit === undefined;
}
