// ClusterNode: everything that one Weldr keeps in etcd, in an object that outlives a reload of the config.
import type { Logger } from 'pino';
import type { ManagerEvents } from '../../core/events/plugin-events.ts';
import type { Leadership, LeadershipNeed, ServiceAddress } from '../../core/plugin/manager-hooks.ts';
import type { ManagerStatus } from '../../core/plugin/plugin.ts';
import type { Clock } from '../../core/time/clock.ts';
import { Candidate } from './candidate.ts';
import { type EtcdAccess, EtcdClient } from './client.ts';
import { Election } from './election.ts';
import type { ElectionTimes } from './election-times.ts';
import { ElectionWatch } from './election-watch.ts';
import { EtcdStore } from './etcd-store.ts';
import { Failsafe, type FailsafeOptions } from './failsafe.ts';
import { ClusterKeys } from './keys.ts';
import { moveLeaderAway } from './leader-move.ts';
import { LocalCopy } from './local-copy.ts';
import { Maintenance } from './maintenance.ts';
import { Membership, type NodeFacts, type ReportedPools } from './membership.ts';
import { RoundTrip } from './round-trip.ts';
import { surrenderOf } from './surrender.ts';
import { electionTimes, type WantedTimes } from './times.ts';

/** What a {@link ClusterNode} is made of. */
export interface ClusterNodeOptions {
  readonly access: EtcdAccess;
  readonly prefix: string;
  readonly nodeName: string;
  readonly localCopy: string;
  readonly times: WantedTimes;
  /** Whether this node may lead. */
  readonly candidate: boolean;
  /** Of the nodes that may lead, the one with the highest takes a free leadership first. */
  readonly priority: number;
  readonly timeout: number;
  /** Undefined: off. */
  readonly failsafe?: FailsafeOptions | undefined;
}

/** What the process provides; changes with a reload. */
export interface ClusterSurroundings {
  readonly pools: ReportedPools;
  readonly status: ManagerStatus;
  readonly log: Logger;
  readonly clock: Clock;
  readonly events: Pick<ManagerEvents, 'problem'>;
  leaderChanged(leadership: Leadership): Promise<void>;
  /** Called before the node lets go of the leadership, which waits for it. */
  handingOver(): Promise<void>;
  /** Returns why other plugins object to this node as the leader. */
  objections(): readonly string[];
  /** Returns the time that other plugins need of a leadership. */
  needs(): readonly LeadershipNeed[];
  /** Returns the service addresses that other plugins keep on this node. */
  addresses(): readonly ServiceAddress[];
}

/** The time that another node has to get ready when the leader stops, ms. */
const readyWithin = 150;
/** A larger jump of the wall clock is logged, ms. */
const clockJump = 1000;

/** Separate connections, so that a renewal does not wait behind a snapshot or a change. */
interface Clients {
  readonly client: EtcdClient;
  /** For everything that the leadership depends on. */
  readonly leading: EtcdClient;
}

/** This Weldr in the cluster. */
export class ClusterNode {
  readonly options: ClusterNodeOptions;
  readonly client: EtcdClient;
  private readonly leading: EtcdClient;
  readonly keys: ClusterKeys;
  readonly store: EtcdStore;
  readonly election: Election;
  readonly membership: Membership;
  readonly failsafe: Failsafe | undefined;
  readonly watch: ElectionWatch;
  /** How long etcd's majority takes to confirm something. */
  readonly roundTrip: RoundTrip;
  private surroundings: ClusterSurroundings;
  readonly candidate: Candidate;
  readonly maintenance: Maintenance;
  private leaving: Promise<void> | undefined;
  private addressReported: string | undefined;
  private readonly stopClockWatch: () => void;

  private constructor(
    options: ClusterNodeOptions,
    surroundings: ClusterSurroundings,
    { client, leading, failsafe }: Clients & { readonly failsafe: Failsafe | undefined },
  ) {
    const { log, clock } = surroundings;
    const { nodeName, timeout, candidate, priority } = options;
    this.options = options;
    this.surroundings = surroundings;
    this.client = client;
    this.leading = leading;
    this.failsafe = failsafe;
    this.keys = new ClusterKeys(options.prefix);
    const { keys } = this;
    const localCopy = new LocalCopy(options.localCopy, log, clock);
    this.roundTrip = new RoundTrip(clock);
    const answered = (ms: number): void => this.roundTrip.record(ms);
    this.store = new EtcdStore({ client, keys, localCopy, log, clock, timeout, answered });
    this.membership = this.makeMembership();
    this.watch = this.makeWatch();
    this.election = this.makeElection();
    this.candidate = new Candidate(
      { client: leading, keys, nodeName, candidate, priority, log, clock, election: this.election },
      surroundings,
    );
    this.maintenance = new Maintenance({
      client: leading,
      keys,
      candidate: this.candidate,
      leader: () => this.election.leadership.leader,
      now: () => clock.now(),
    });
    this.stopClockWatch = watchClock(clock, log);
    this.election.start();
  }

  private makeMembership(): Membership {
    const { client, keys } = this;
    const { pools, status, log, clock } = this.surroundings;
    return new Membership({
      client,
      keys,
      nodeName: this.options.nodeName,
      version: status.version,
      startedAt: status.startedAt,
      pools,
      log,
      clock,
      facts: () => this.facts(),
    });
  }

  private makeWatch(): ElectionWatch {
    const { client, keys } = this;
    const { log, clock } = this.surroundings;
    const node = this;
    const started = clock.monotonic();
    return new ElectionWatch({
      client,
      keys,
      nodeName: this.options.nodeName,
      get times() {
        return node.times;
      },
      log,
      clock,
      election: () => this.election,
      unfit: () => this.candidate.unfit(),
      // Before the first answer the time counts from the start.
      silentFor: () => Math.min(this.store.silentFor, clock.monotonic() - started),
      majority: this.roundTrip,
      nodes: async () => await this.membership.nodes(),
      need: () => Math.max(0, ...this.surroundings.needs().map(({ ms }) => ms)),
      problem: (name, problem) => this.surroundings.events.problem(name, problem),
    });
  }

  private makeElection(): Election {
    const { keys, failsafe } = this;
    const { access, nodeName } = this.options;
    const { log, clock } = this.surroundings;
    const node = this;
    return new Election({
      client: this.leading,
      keys,
      nodeName,
      get times() {
        return node.times;
      },
      surrenderOf: revision => surrenderOf(access, keys, nodeName, revision),
      log,
      clock,
      failsafe,
      unfit: () =>
        this.candidate.unfit() ?? (this.leaving === undefined ? this.watch.objection() : undefined),
      observer: this.watch,
      standBack: last => this.candidate.standBack(last),
      changed: async leadership => {
        this.candidate.leadershipChanged(leadership);
        await this.surroundings.leaderChanged(leadership);
        this.reportAddress();
      },
      handingOver: async () => await this.surroundings.handingOver(),
    });
  }

  static async create(options: ClusterNodeOptions, surroundings: ClusterSurroundings): Promise<ClusterNode> {
    const client = await EtcdClient.create(options.access);
    const leading = await EtcdClient.create(options.access);
    const { prefix, nodeName, candidate } = options;
    const { log, clock } = surroundings;
    let node: ClusterNode | undefined;
    try {
      const failsafe =
        options.failsafe &&
        (await Failsafe.start(options.failsafe, {
          ...{ client: leading, keys: new ClusterKeys(prefix), prefix, nodeName, candidate, log, clock },
          promise: () => {
            const { lease, holdOff } = node?.times ?? electionTimes(options.times, surroundings.needs());
            return lease + holdOff;
          },
          objection: session => (node === undefined ? 'it starts' : node.election.objectionTo(session)),
        }));
      node = new ClusterNode(options, surroundings, { client, leading, failsafe });
      return node;
    } catch (thrown) {
      client.close();
      leading.close();
      throw thrown;
    }
  }

  /** Continues in a reloaded Weldr. */
  adopt(surroundings: ClusterSurroundings): void {
    this.surroundings = surroundings;
    this.candidate.follow(surroundings);
    this.membership.follow(surroundings.pools);
    this.watch.reportAgain();
  }

  /** Leaves the election; a leader hands over first, to a node that is ready if there is one. */
  async leave(): Promise<void> {
    this.election.retire();
    this.leaving ??= this.candidate.leave(readyWithin);
    await this.leaving;
    await this.election.close();
  }

  async close(): Promise<void> {
    this.stopClockWatch();
    this.watch.close();
    await this.leave();
    await this.failsafe?.close();
    const { status, log } = this.surroundings;
    // The machine may stop next. This comes after `leave`, because the address has to move first.
    const moved = status.stopping
      ? moveLeaderAway({ client: this.client, leaderKey: this.keys.leader, log })
      : undefined;
    await this.candidate.close();
    await this.membership.close();
    await this.store.close();
    await moved;
    this.client.close();
    this.leading.close();
  }

  /** Returns what this node reports of itself. */
  private facts(): NodeFacts {
    const { store, watch } = this;
    const unfit = this.candidate.unfit() ?? (watch.identity.isKnown ? watch.objection() : undefined);
    return { unfit, address: this.address, revision: store.revision, newest: store.newest };
  }

  /** All addresses of this node as one, and why they are not held if it was elected and cannot act yet. */
  get address(): NodeFacts['address'] {
    const address = addressOf(this.addresses);
    if (address === undefined || address.held || address.reason !== undefined) return address;
    const { reason } = this.watch.standing;
    return this.election.isWaiting && reason !== undefined ? { ...address, reason } : address;
  }

  /** Reports a change of the address to the other nodes soon. */
  private reportAddress(): void {
    const address = JSON.stringify(this.address);
    if (address === this.addressReported) return;
    this.addressReported = address;
    this.membership.look();
  }

  /** The times of the config; those it leaves open follow from what plugins need now. */
  private get times(): ElectionTimes {
    return electionTimes(this.options.times, this.surroundings.needs());
  }

  /** The service addresses that other plugins keep on this node. */
  get addresses(): readonly ServiceAddress[] {
    return this.surroundings.addresses();
  }
}

/** Returns all addresses as one, because they move together; undefined: there are none. */
export function addressOf(addresses: readonly ServiceAddress[]): NodeFacts['address'] {
  if (addresses.length === 0) return undefined;
  const missing = addresses.find(({ held }) => !held);
  return { held: missing === undefined, ...(missing?.reason !== undefined && { reason: missing.reason }) };
}

/** Logs jumps of the wall clock: logs and certificates depend on it, leases do not. */
function watchClock(clock: Clock, log: Logger): () => void {
  let offset = clock.now() - clock.monotonic();
  return clock.every(1000, () => {
    const now = clock.now() - clock.monotonic();
    if (Math.abs(now - offset) > clockJump) {
      log.warn(
        { by: Math.round(now - offset) },
        'the clock of this machine jumped; leases do not depend on it',
      );
    }
    offset = now;
  });
}
