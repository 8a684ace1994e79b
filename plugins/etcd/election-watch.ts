// ElectionWatch: how the election stands as this node sees it, and, if no node leads, why and what helps: for the log, the problems and
// the API.
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
import { LeaderAbsence } from './leader-absence.ts';
import { LeaderKeys, type SeenLeader } from './leader-keys.ts';
import type { NodeReport } from './membership.ts';
import { RenewalPace } from './renewal-pace.ts';
import type { RoundTrip } from './round-trip.ts';

/** This node's part in the election. */
export type ElectionState =
  | 'leading'
  /** Elected, and waits until the previous leader is out. */
  | 'waiting'
  | 'following'
  /** No node leads, and this one wants to. */
  | 'campaigning'
  /** No node leads, and this one cannot now. */
  | 'unfit'
  /** No node leads, and this one does not try, because it lost the leadership again and again. */
  | 'staying away'
  /** It stops. */
  | 'leaving'
  | 'no etcd'
  /** The hosts of the config are not one etcd. */
  | 'split etcd';

/** How the election stands. */
export interface ElectionStanding {
  readonly state: ElectionState;
  /** Since when this node is in this state, ms since the epoch. */
  readonly since: number;
  /** Why no node leads; if another node leads, why this one could not; if this one leads, what it lacks. */
  readonly reason: string | undefined;
}

/** What an {@link ElectionWatch} works with. */
export interface ElectionWatchOptions {
  readonly client: EtcdClient;
  readonly keys: ClusterKeys;
  readonly nodeName: string;
  readonly times: ElectionTimes;
  readonly log: Logger;
  readonly clock: Clock;
  readonly election: () => Election;
  /** Returns why this node should not lead, whatever etcd says. */
  unfit(): string | undefined;
  /** Returns the time since etcd's majority last confirmed something, ms. */
  silentFor(): number;
  /** How long etcd's majority takes to confirm something. */
  readonly majority: RoundTrip;
  /** Returns the nodes that have reported lately. */
  nodes(): Promise<readonly NodeReport[]>;
  /** Returns the time that plugins need of a leadership, ms; 0: none holds anything. */
  need(): number;
  /** Sets what is wrong right now. */
  problem(name: string, problem: NewProblem | undefined): void;
  /** The absence of a leader is reported after this time, ms; default 4000, so that it is reported within 5 s. */
  readonly patience?: number;
}

const lookEvery = 1000;
/** After this time without a word from etcd's majority, what is known of the leader does not count, ms. */
const silence = 3000;
/** An elected node whose renewals are known to come too late leaves the leadership to others after this time, ms. */
const waitsFor = 2000;

/** The watch of one node. Call `close` when done. */
export class ElectionWatch implements ElectionObserver {
  readonly identity: EtcdIdentity;
  readonly alarms: EtcdAlarms;
  private readonly options: ElectionWatchOptions;
  private readonly damaged: DamagedLeadership;
  private readonly flapping: Flapping;
  private readonly pace: RenewalPace;
  private readonly absence: LeaderAbsence;
  private readonly cancel: () => void;
  private state: ElectionState = 'campaigning';
  private stateSince: number;
  /** Whether this node's waiting in vain has been counted as a loss. */
  private isWaitCounted = false;
  private warned: readonly string[] = [];
  private splitReported: string | undefined;
  private busy = false;

  constructor(options: ElectionWatchOptions) {
    this.options = options;
    const { client, keys, nodeName, log, clock, majority, patience = 4000 } = options;
    this.flapping = new Flapping(clock);
    this.stateSince = clock.now();
    const leaderKeys = new LeaderKeys(client, keys, nodeName);
    this.pace = new RenewalPace({
      // A getter, because what plugins need may change.
      get times() {
        return options.times;
      },
      log,
      clock,
      majority,
      granted: () => options.election().granted,
      need: () => options.need(),
      changed: () => this.reportPace(),
    });
    this.absence = new LeaderAbsence({
      log,
      clock,
      patience,
      leader: () => (this.isLed ? this.leader : undefined),
      why: async () => await this.whyNoLeader(),
      isRetired: () => options.election().isRetired,
      problem: text => options.problem('leader', text === undefined ? undefined : error(text)),
    });
    this.damaged = new DamagedLeadership({
      client,
      leaderKeys,
      key: keys.leader,
      get times() {
        return options.times;
      },
      log,
      clock,
    });
    this.alarms = new EtcdAlarms({ client, log, clock, changed: () => this.reportAlarm() });
    this.identity = new EtcdIdentity({ client, keys, clock, changed: () => this.identityChanged() });
    this.cancel = clock.every(lookEvery, () => void this.look());
  }

  /** How long renewals of the leadership take. */
  get renewals(): RoundTrip {
    return this.pace.renewals;
  }

  /** Returns why this node should not lead, by what it has seen of etcd and of itself. */
  objection(): string | undefined {
    const { leading } = this.options.election().leadership;
    const { left } = this.flapping;
    const slow = this.pace.problem;
    return (
      this.identity.objection(leading) ??
      (left <= 0 || leading
        ? undefined
        : slow === undefined
          ? 'it lost the leadership again and again, and stays away for a while'
          : `it could not keep the leadership, and stays away for a while: ${slow}`)
    );
  }

  /** The leader, as far as this node knows. */
  get leader(): string | undefined {
    const { leadership, promisedTo } = this.options.election();
    const { leader, leading } = leadership;
    if (leading) return leader;
    // That node leads while etcd is away, and has asked this one lately.
    if (promisedTo !== undefined) return promisedTo;
    return this.damaged.finding === undefined && !this.isSilent ? leader : undefined;
  }

  /** Whether a node leads, and is not just waiting until it may. */
  private get isLed(): boolean {
    return this.leader !== undefined && !this.options.election().isWaiting;
  }

  /** How the election stands. */
  get standing(): ElectionStanding {
    this.updateState();
    const { leadership, leadsByPromises } = this.options.election();
    const byPromises = leadsByPromises
      ? 'etcd does not answer; it leads by the promises of all other candidates (failsafe)'
      : undefined;
    const slow = this.pace.problem;
    const reason = !this.isLed
      ? this.absence.reason
      : leadership.leading
        ? (byPromises ?? slow)
        : (this.ownObstacle ?? slow);
    return { state: this.state, since: this.stateSince, reason };
  }

  /** Reports all problems again, after a reload. */
  reportAgain(): void {
    this.absence.report();
    this.reportIdentity();
    this.reportAlarm();
    this.reportPace();
  }

  close(): void {
    this.cancel();
    this.identity.close();
  }

  // --- what the election reports ---------------------------------------------------------------------------------

  saw(leader: SeenLeader | undefined): void {
    this.damaged.saw(leader);
  }

  renewal(ms: number): void {
    this.pace.renewal(ms);
  }

  unanswered(ms: number): void {
    this.pace.unanswered(ms);
  }

  lost(): void {
    void this.dampen();
  }

  private async dampen(): Promise<void> {
    const { log, nodeName } = this.options;
    const others = await this.options.nodes().catch(() => []);
    const hasRival = others.some(node => node.node !== nodeName && mayLead(node));
    const slow = this.pace.problem;
    const stay = this.flapping.lost(hasRival, { explained: slow !== undefined });
    if (stay === undefined) return;
    const reason = slow ?? 'it lost the leadership three times within a minute';
    if (stay === 0)
      log.error({ reason }, 'the leadership cannot be kept, and no other node may lead: continuing');
    else
      log.error({ reason, seconds: stay / 1000 }, 'the leadership cannot be kept: staying away for a while');
  }

  // --- looking ---------------------------------------------------------------------------------------------------

  private async look(): Promise<void> {
    this.updateState();
    this.pace.judge();
    this.judgeWait();
    void this.alarms.look();
    const { leadership, promisedTo } = this.options.election();
    const mayRepair = this.ownObstacle === undefined && promisedTo === undefined;
    if (!leadership.leading && !this.isSilent) void this.damaged.look(mayRepair);
    if (this.busy) return;
    this.busy = true;
    try {
      await this.absence.look();
    } catch (thrown) {
      this.options.log.debug({ err: thrown }, 'the check of the election failed');
    } finally {
      this.busy = false;
    }
  }

  /** Returns why no node leads: of several obstacles the one that has to be removed first. */
  private async whyNoLeader(): Promise<string> {
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
    if (isWaiting) {
      return this.pace.problem ?? 'this node was elected, but its renewals are not confirmed in time';
    }
    return await this.whyNoNode();
  }

  private async whyNoNode(): Promise<string> {
    const { nodeName } = this.options;
    const own = this.ownObstacle;
    if (own === undefined) return 'this node campaigns, but has not been elected yet';
    const nodes = await this.options.nodes().catch(() => []);
    const others = nodes.filter(({ node }) => node !== nodeName);
    const fit = others.filter(mayLead);
    // A node stays away only while another one can lead.
    if (fit.length === 0) this.flapping.end();
    const rest =
      others.length === 0
        ? 'there is no other node'
        : fit.length > 0
          ? `${fit.map(({ node }) => node).join(', ')} may lead, but does not yet`
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

  /** A node that keeps the key, but cannot act, keeps others from leading. */
  private judgeWait(): void {
    const isLong = this.state === 'waiting' && this.options.clock.now() - this.stateSince > waitsFor;
    if (isLong && this.pace.problem !== undefined && !this.isWaitCounted) {
      this.isWaitCounted = true;
      void this.dampen();
    }
    if (this.state !== 'waiting') this.isWaitCounted = false;
  }

  // --- what is wrong with etcd -----------------------------------------------------------------------------------

  private identityChanged(): void {
    const { log } = this.options;
    const { problem, warnings } = this.identity;
    if (problem !== undefined && problem !== this.splitReported) log.error(problem);
    if (problem === undefined && this.splitReported !== undefined) log.info('the hosts are one etcd again');
    this.splitReported = problem;
    for (const warning of warnings) if (!this.warned.includes(warning)) log.warn(warning);
    this.warned = warnings;
    this.reportIdentity();
    this.options.election().reconsider();
  }

  private reportPace(): void {
    const { problem } = this.pace;
    this.options.problem('round-trip', problem === undefined ? undefined : error(problem));
  }

  private reportAlarm(): void {
    const { problem } = this.alarms;
    this.options.problem('etcd-alarm', problem === undefined ? undefined : error(problem));
  }

  private reportIdentity(): void {
    const { problem, warnings } = this.identity;
    this.options.problem('etcd', problem === undefined ? undefined : error(problem));
    this.options.problem('etcd-members', warnings.length === 0 ? undefined : { text: warnings.join('; ') });
  }
}

function error(text: string): NewProblem {
  return { severity: 'error', text };
}

/** Returns whether the node reports that it may lead. A node of an earlier version does not say, and counts as one that may. */
function mayLead({ unfit }: NodeReport): boolean {
  return unfit === undefined;
}
