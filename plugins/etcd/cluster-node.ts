// ClusterNode: all that one Weldr keeps with etcd, so that it can outlive a reload of the config.
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

/** What a node is made with. */
export interface ClusterNodeOptions {
  readonly access: EtcdAccess;
  readonly prefix: string;
  readonly nodeName: string;
  readonly localCopy: string;
  readonly times: WantedTimes;
  /** May this node lead? */
  readonly candidate: boolean;
  /** Among nodes that may lead the one of the highest takes a free leadership first. */
  readonly priority: number;
  readonly timeout: number;
  /** Undefined: off. */
  readonly failsafe?: FailsafeOptions | undefined;
}

/** What it is told by the process that it is in; changes with a reload. */
export interface ClusterSurroundings {
  readonly pools: ReportedPools;
  readonly status: ManagerStatus;
  readonly log: Logger;
  readonly clock: Clock;
  readonly events: Pick<ManagerEvents, 'problem'>;
  leaderChanged(leadership: Leadership): Promise<void>;
  /** Lets go of the leadership once this resolves. */
  handingOver(): Promise<void>;
  /** Why this node should not lead, as other plugins see it. */
  objections(): readonly string[];
  /** What other plugins need of a leadership's times. */
  needs(): readonly LeadershipNeed[];
  /** The service addresses that other plugins keep here. */
  addresses(): readonly ServiceAddress[];
}

/** Another node has so long to get ready for a leadership of a node that stops, ms. */
const readyWithin = 150;
const clockJump = 1000;

/** Connections of their own for each purpose: a renewal does not wait behind a snapshot, nor behind changes. */
interface Clients {
  readonly client: EtcdClient;
  /** For all that who leads depends on. */
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
  private addressTold: string | undefined;
  private readonly stopClockWatch: () => void;

  private constructor(
    options: ClusterNodeOptions,
    surroundings: ClusterSurroundings,
    { client, leading, failsafe }: Clients & { readonly failsafe: Failsafe | undefined },
  ) {
    const { pools, status, log, clock } = surroundings;
    const { nodeName, timeout } = options;
    this.options = options;
    this.surroundings = surroundings;
    this.client = client;
    this.leading = leading;
    this.failsafe = failsafe;
    this.keys = new ClusterKeys(options.prefix);
    const localCopy = new LocalCopy(options.localCopy, log, clock);
    const roundTrip = new RoundTrip(clock);
    this.roundTrip = roundTrip;
    const answered = (ms: number): void => roundTrip.record(ms);
    this.store = new EtcdStore({ client, keys: this.keys, localCopy, log, clock, timeout, answered });
    const { version, startedAt } = status;
    this.membership = new Membership({
      client,
      keys: this.keys,
      nodeName,
      version,
      startedAt,
      pools,
      log,
      clock,
      facts: () => this.facts(),
    });
    const node = this;
    const started = clock.monotonic();
    this.watch = new ElectionWatch({
      client,
      keys: this.keys,
      nodeName,
      get times() {
        return node.times;
      },
      log,
      clock,
      election: () => this.election,
      unfit: () => this.candidate.unfit(),
      // Before the first answer it counts from the start.
      silentFor: () => Math.min(this.store.silentFor, clock.monotonic() - started),
      majority: roundTrip,
      nodes: async () => await this.membership.nodes(),
      need: () => Math.max(0, ...this.surroundings.needs().map(({ ms }) => ms)),
      problem: (name, problem) => this.surroundings.events.problem(name, problem),
    });
    this.election = new Election({
      client: leading,
      keys: this.keys,
      nodeName,
      get times() {
        return node.times;
      },
      surrenderOf: revision => surrenderOf(options.access, this.keys, nodeName, revision),
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
        this.tellOfAddress();
      },
      handingOver: async () => await this.surroundings.handingOver(),
    });
    const { candidate, priority } = options;
    this.candidate = new Candidate(
      {
        client: leading,
        keys: this.keys,
        nodeName,
        candidate,
        priority,
        log,
        clock,
        election: this.election,
      },
      surroundings,
    );
    this.maintenance = new Maintenance({
      client: leading,
      keys: this.keys,
      candidate: this.candidate,
      leader: () => this.election.leadership.leader,
      now: () => clock.now(),
    });
    this.stopClockWatch = watchClock(clock, log);
    this.election.start();
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

  /** Goes on in a reloaded Weldr. */
  adopt(surroundings: ClusterSurroundings): void {
    this.surroundings = surroundings;
    this.candidate.follow(surroundings);
    this.membership.follow(surroundings.pools);
    this.watch.sayAgain();
  }

  /** Hands over, if this node leads: another node is asked to be ready first. */
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
    // Not before the address has moved; for all that is known the machine stops next.
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

  /** What this node says of itself to the others. */
  private facts(): NodeFacts {
    const { store, watch } = this;
    const unfit = this.candidate.unfit() ?? (watch.identity.isKnown ? watch.objection() : undefined);
    return { unfit, address: this.address, revision: store.revision, newest: store.newest };
  }

  /** All addresses of this node in one, and why not where it was elected and cannot act. */
  get address(): NodeFacts['address'] {
    const address = addressOf(this.addresses);
    if (address === undefined || address.held || address.reason !== undefined) return address;
    const { reason } = this.watch.standing;
    return this.election.isWaiting && reason !== undefined ? { ...address, reason } : address;
  }

  /** The other nodes are to know soon who holds the address. */
  private tellOfAddress(): void {
    const told = JSON.stringify(this.address);
    if (told === this.addressTold) return;
    this.addressTold = told;
    this.membership.look();
  }

  /** Of the config, and else as plugins need them now. */
  private get times(): ElectionTimes {
    return electionTimes(this.options.times, this.surroundings.needs());
  }

  /** The service addresses that are kept here. */
  get addresses(): readonly ServiceAddress[] {
    return this.surroundings.addresses();
  }
}

/** All addresses in one: they move together. Undefined: there are none. */
export function addressOf(addresses: readonly ServiceAddress[]): NodeFacts['address'] {
  if (addresses.length === 0) return undefined;
  const missing = addresses.find(({ held }) => !held);
  return { held: missing === undefined, ...(missing?.reason !== undefined && { reason: missing.reason }) };
}

/** Logs jumps of the wall clock. Nothing here depends on it, but logs and certificates do. */
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
