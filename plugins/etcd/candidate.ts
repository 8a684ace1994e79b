// Candidate: this node as a candidate for the leadership: what it publishes, how it answers orders, when it hands over.
import type { Logger } from 'pino';
import type { Leadership } from '../../core/plugin/manager-hooks.ts';
import type { ManagerStatus } from '../../core/plugin/plugin.ts';
import type { CancelTimer, Clock } from '../../core/time/clock.ts';
import { Board, type Candidacy, type HandOverOrder } from './board.ts';
import { CandidacyNotice } from './candidacy-notice.ts';
import type { EtcdClient } from './client.ts';
import { Fitness, type FitnessSource } from './fitness.ts';
import { HandOver } from './hand-over.ts';
import type { ClusterKeys } from './keys.ts';
import { moveLeaderAway } from './leader-move.ts';
import type { ReportedPools } from './membership.ts';
import { OriginWatch } from './origin-watch.ts';
import { PoolReach } from './pool-reach.ts';
import { standBack } from './precedence.ts';

/** What a {@link Candidate} is made of. */
export interface CandidateOptions {
  readonly client: EtcdClient;
  readonly keys: ClusterKeys;
  readonly nodeName: string;
  /** Whether this node may ever lead. */
  readonly candidate: boolean;
  readonly priority: number;
  readonly log: Logger;
  readonly clock: Clock;
  /** This node in the election. */
  readonly election: CandidateElection;
}

/** The part of an election that a candidate uses. */
export interface CandidateElection {
  readonly leadership: Leadership;
  /** The node that this one has promised not to stand now; undefined: none. */
  readonly promisedTo: string | undefined;
  handOver(why: string): Promise<void>;
  makeReady(): Promise<void>;
  reconsider(): void;
}

/** What the process provides; changes with a reload. */
export interface CandidateSurroundings {
  readonly pools: ReportedPools;
  readonly status: Pick<ManagerStatus, 'readyWorkers' | 'silentWorkers'>;
  objections(): readonly string[];
}

const lookEvery = 250;
/** Changes within this time are published together, ms. */
const noticeDelay = 50;

/** The candidate of one node. */
export class Candidate {
  readonly board: Board;
  readonly handOver: HandOver;
  private readonly options: CandidateOptions;
  private surroundings: CandidateSurroundings;
  private readonly fitness: Fitness;
  private readonly reach: PoolReach;
  private readonly origins: OriginWatch;
  private readonly notice: CandidacyNotice;
  private readonly stopLooking: CancelTimer;
  private stopObserving: () => void = () => {};
  private noticeIsDue: CancelTimer | undefined;
  private leaving = false;
  private leader: string | undefined;

  constructor(options: CandidateOptions, surroundings: CandidateSurroundings) {
    const { client, keys, nodeName, log, clock, election } = options;
    this.options = options;
    this.surroundings = surroundings;
    this.fitness = new Fitness(this.fitnessSource());
    this.board = new Board({ client, keys, log, clock, changed: () => this.reviewBoard() });
    this.reach = new PoolReach({
      pools: surroundings.pools,
      clock,
      wanted: () => this.isLeading && this.hasRival,
      changed: () => this.publishSoon(),
    });
    this.handOver = new HandOver({
      client,
      keys,
      nodeName,
      board: this.board,
      log,
      clock,
      leadership: () => election.leadership,
      release: async ({ why, to, by }) => {
        await election.handOver(`${why}; ${to} is ready to lead`);
        // An operator who wants another node to lead may be about to stop this machine.
        if (by !== nodeName) await moveLeaderAway({ client, leaderKey: keys.leader, log });
      },
      makeReady: async order => await this.makeReady(order),
      answered: () => this.notice.update(),
    });
    this.origins = new OriginWatch({
      clock,
      log,
      nodeName,
      handOver: this.handOver,
      reach: () => this.reach.reach,
      candidacies: () => this.board.candidacies,
    });
    this.notice = new CandidacyNotice({
      client,
      keys,
      nodeName,
      log,
      clock,
      candidacy: () => this.candidacy,
    });
    this.stopLooking = clock.every(lookEvery, () => this.look());
    this.observe(surroundings.pools);
    this.board.start();
  }

  /** Continues in a reloaded Weldr. */
  follow(surroundings: CandidateSurroundings): void {
    this.surroundings = surroundings;
    this.fitness.follow(this.fitnessSource());
    this.reach.follow(surroundings.pools);
    this.observe(surroundings.pools);
  }

  /** Returns why this node cannot lead; undefined: it can. */
  unfit(): string | undefined {
    // Its workers are ending now, and the hand-over is already under way.
    if (this.leaving) return undefined;
    if (!this.board.known && !this.isLeading) return 'it does not know yet whether it is in maintenance';
    return this.fitness.against({ leading: this.isLeading });
  }

  /** Returns how long this node leaves a free leadership to others, ms; `last`: the previous leader. */
  standBack(last: string | undefined): number {
    const { candidacies, order } = this.board;
    return standBack({
      nodeName: this.options.nodeName,
      own: this.candidacy,
      others: candidacies,
      last,
      chosen: order?.to,
    });
  }

  /** Records the leadership after each change. */
  leadershipChanged({ leader, leading }: Leadership): void {
    const before = this.leader;
    if (leading && before !== undefined && before !== this.options.nodeName) this.origins.tookOver();
    if (leader !== undefined) this.leader = leader;
    this.handOver.review();
  }

  /** Has another node get ready to lead within `ms`, because this one stops. */
  async leave(ms: number): Promise<void> {
    this.leaving = true;
    if (this.isLeading) await this.handOver.announce('this Weldr stops', ms);
  }

  async close(): Promise<void> {
    this.stopLooking();
    this.stopObserving();
    this.noticeIsDue?.();
    this.reach.close();
    await this.notice.close();
    await this.board.close();
  }

  private get isLeading(): boolean {
    return this.options.election.leadership.leading;
  }

  /** Whether another node could lead. */
  private get hasRival(): boolean {
    const { nodeName } = this.options;
    for (const [name, { unfit }] of this.board.candidacies) {
      if (name !== nodeName && unfit === undefined) return true;
    }
    return false;
  }

  /** What this node publishes. */
  private get candidacy(): Candidacy {
    const unfit = this.leaving ? 'it stops' : this.unfit();
    const answer = this.handOver.ownAnswer;
    return {
      priority: this.options.priority,
      ...(unfit !== undefined && { unfit: unfit.slice(0, 500) }),
      ...this.reach.reach,
      ...(answer !== undefined && { answer }),
    };
  }

  private look(): void {
    this.notice.update();
    if (this.isLeading && !this.leaving && this.board.fresh) this.origins.look();
  }

  private reviewBoard(): void {
    this.handOver.review();
    this.notice.update();
    if (this.options.election.leadership.leader === undefined) this.options.election.reconsider();
  }

  private async makeReady(order: HandOverOrder): Promise<string | undefined> {
    const unfit = this.leaving ? 'it stops' : this.unfit();
    if (unfit !== undefined) return unfit;
    const { promisedTo } = this.options.election;
    if (promisedTo !== undefined) return `it has promised ${promisedTo} not to stand for a moment (failsafe)`;
    const lacking = await this.reach.outOfReach(order.pools);
    if (lacking.length > 0) return `no server of ${lacking.slice(0, 3).join(', ')} is reached there either`;
    await this.options.election.makeReady();
    return undefined;
  }

  private observe(pools: ReportedPools): void {
    this.stopObserving();
    const changed = () => this.publishSoon();
    this.stopObserving = pools.observe({ upstreamChanged: changed, removed: changed });
  }

  private publishSoon(): void {
    this.noticeIsDue ??= this.options.clock.after(noticeDelay, () => {
      this.noticeIsDue = undefined;
      this.notice.update();
    });
  }

  private fitnessSource(): FitnessSource {
    const { clock, candidate, nodeName } = this.options;
    const { status } = this.surroundings;
    return {
      clock,
      candidate,
      status,
      resting: () => this.board.resting.has(nodeName),
      objections: () => this.surroundings.objections(),
    };
  }
}
