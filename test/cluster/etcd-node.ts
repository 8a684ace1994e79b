// Parts of the etcd plugin on a real etcd, for tests: a store with ManagedPools, an election and its records, a whole node.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Logger, pino } from 'pino';
import { parse } from '../../core/options/options.ts';
import type { Leadership, ServiceAddress } from '../../core/plugin/manager-hooks.ts';
import { ManagedPools } from '../../core/pool/managed-pools.ts';
import { PluginPools } from '../../core/pool/manager-pools.ts';
import {
  type ServerDefinition,
  type ServerInput,
  serverDefinition,
} from '../../core/pool/server-definition.ts';
import { systemClock } from '../../core/time/clock.ts';
import { Candidate } from '../../plugins/etcd/candidate.ts';
import { type EtcdAccess, EtcdClient } from '../../plugins/etcd/client.ts';
import { ClusterNode } from '../../plugins/etcd/cluster-node.ts';
import { Election } from '../../plugins/etcd/election.ts';
import type { ElectionTimes } from '../../plugins/etcd/election-times.ts';
import { EtcdStore } from '../../plugins/etcd/etcd-store.ts';
import { Failsafe, type FailsafeOptions } from '../../plugins/etcd/failsafe.ts';
import type { FailsafeSide } from '../../plugins/etcd/failsafe-side.ts';
import { ClusterKeys } from '../../plugins/etcd/keys.ts';
import { LocalCopy } from '../../plugins/etcd/local-copy.ts';
import { Maintenance } from '../../plugins/etcd/maintenance.ts';
import { surrenderOf } from '../../plugins/etcd/surrender.ts';

/** A logger that keeps its lines. */
export function collectingLog(): { log: Logger; lines: string[] } {
  const lines: string[] = [];
  const log: Logger = pino<never>({ level: 'debug' }, { write: (line: string) => void lines.push(line) });
  return { log, lines };
}

/** A server as the admin API parses it. */
export function server(url: string, rest: Exclude<ServerInput, string> | object = {}): ServerDefinition {
  return parse(serverDefinition, { url, ...rest });
}

/** One node's store with its pools. */
export interface StoreNode {
  readonly client: EtcdClient;
  readonly store: EtcdStore;
  readonly pools: ManagedPools;
  readonly lines: readonly string[];
  readonly copyPath: string;
  /** The ids of the pool `default`. */
  ids(): string[];
  close(): Promise<void>;
}

/** Starts a node's store. */
export async function storeNode(
  access: EtcdAccess,
  options: { copyPath?: string; timeout?: number; config?: readonly ServerDefinition[] } = {},
): Promise<StoreNode> {
  const directory = mkdtempSync(join(tmpdir(), 'weldr-copy-'));
  const copyPath = options.copyPath ?? join(directory, 'weldr-cluster.json');
  const { log, lines } = collectingLog();
  const client = await EtcdClient.create(access);
  const store = new EtcdStore({
    client,
    keys: new ClusterKeys('/weldr/'),
    localCopy: new LocalCopy(copyPath, log, systemClock),
    log,
    clock: systemClock,
    timeout: options.timeout ?? 2000,
  });
  const pools = new ManagedPools({ clock: systemClock, drainTimeout: 0, workers: () => [] });
  await pools.useStore(store);
  pools.setConfig({ default: options.config ?? [] });
  return {
    client,
    store,
    pools,
    lines,
    copyPath,
    ids: () => [...pools.list('default')].map(entry => entry.upstream.id).sort(),
    async close() {
      await store.close();
      client.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** One node's part in an election. */
export interface ElectionNode {
  readonly election: Election;
  readonly failsafe: Failsafe | undefined;
  readonly client: EtcdClient;
  readonly notices: Leadership[];
  readonly lines: readonly string[];
  unfit: string | undefined;
  /** Awaited at each change of the leadership. */
  onNotice: (leadership: Leadership) => Promise<void> | void;
  /** Awaited before a planned release of the leadership. */
  onHandingOver: () => Promise<void> | void;
  close(): Promise<void>;
}

/** Starts a node's part in an election. */
export async function electionNode(
  nodeName: string,
  access: EtcdAccess,
  times: Partial<ElectionTimes> = {},
  failsafeOptions?: FailsafeOptions,
): Promise<ElectionNode> {
  const { log, lines } = collectingLog();
  const client = await EtcdClient.create(access);
  const notices: Leadership[] = [];
  const keys = new ClusterKeys('/weldr/');
  const allTimes = { lease: 2000, renew: 250, holdOff: 300, ...times };
  const failsafe =
    failsafeOptions &&
    (await Failsafe.start(failsafeOptions, {
      ...{ client, keys, prefix: '/weldr/', nodeName, candidate: true, log, clock: systemClock },
      promise: () => allTimes.lease + allTimes.holdOff,
      objection: session => election.objectionTo(session),
    }));
  const election = new Election({
    client,
    keys,
    nodeName,
    times: allTimes,
    surrenderOf: revision => surrenderOf(access, keys, nodeName, revision),
    log,
    clock: systemClock,
    failsafe,
    unfit: () => node.unfit,
    changed: async leadership => {
      notices.push(leadership);
      await node.onNotice(leadership);
    },
    handingOver: async () => await node.onHandingOver(),
  });
  const node: ElectionNode = {
    election,
    failsafe,
    client,
    notices,
    lines,
    unfit: undefined,
    onNotice: () => {},
    onHandingOver: () => {},
    async close() {
      await election.close();
      await failsafe?.close();
      client.close();
    },
  };
  election.start();
  return node;
}

/** One node's view of the cluster, with its own status and what it knows about others. */
export interface CandidateNode {
  readonly name: string;
  readonly election: Election;
  readonly candidate: Candidate;
  readonly maintenance: Maintenance;
  readonly pools: ManagedPools;
  readonly status: { readyWorkers: number; silentWorkers: number };
  readonly lines: readonly string[];
  readonly client: EtcdClient;
  leads(): boolean;
  close(): Promise<void>;
}

/** Starts one; `servers` are those of its pool `default`. */
export async function candidateNode(
  name: string,
  access: EtcdAccess,
  options: {
    priority?: number;
    servers?: readonly string[];
    prefix?: string;
    failsafe?: FailsafeSide;
  } = {},
): Promise<CandidateNode> {
  const { log, lines } = collectingLog();
  const client = await EtcdClient.create(access);
  const keys = new ClusterKeys(options.prefix ?? '/weldr/');
  const pools = new ManagedPools({ clock: systemClock, drainTimeout: 0, workers: () => [] });
  pools.setConfig({ default: (options.servers ?? []).map(url => server(url)) });
  const status = { readyWorkers: 1, silentWorkers: 0 };
  const election: Election = new Election({
    client,
    keys,
    nodeName: name,
    times: { lease: 2000, renew: 250, holdOff: 300 },
    log,
    clock: systemClock,
    failsafe: options.failsafe,
    unfit: () => candidate.unfit(),
    standBack: last => candidate.standBack(last),
    changed: async leadership => candidate.leadershipChanged(leadership),
  });
  const { priority = 100 } = options;
  const candidate = new Candidate(
    { client, keys, nodeName: name, candidate: true, priority, log, clock: systemClock, election },
    { pools: new PluginPools({ pools, instance: 'etcd', report: () => {} }), status, objections: () => [] },
  );
  const maintenance = new Maintenance({
    client,
    keys,
    candidate,
    leader: () => election.leadership.leader,
    now: () => Date.now(),
  });
  election.start();
  return {
    ...{ name, election, candidate, maintenance, pools, status, lines, client },
    leads: () => election.leadership.leading,
    async close() {
      await candidate.leave(150);
      await election.close();
      await candidate.close();
      client.close();
    },
  };
}

/** A whole node of the cluster except for the process around it. */
export interface WholeNode {
  readonly node: ClusterNode;
  readonly lines: readonly string[];
  /** Problems, by name. */
  readonly problems: ReadonlyMap<string, string>;
  readonly addresses: ServiceAddress[];
  /** Details of its status. */
  readyWorkers: number;
  close(): Promise<void>;
}

/** Starts a node that is a candidate, with one worker. */
export async function wholeNode(
  nodeName: string,
  access: EtcdAccess,
  options: { times?: Partial<ElectionTimes>; candidate?: boolean; need?: number } = {},
): Promise<WholeNode> {
  const directory = mkdtempSync(join(tmpdir(), 'weldr-node-'));
  const { log, lines } = collectingLog();
  const problems = new Map<string, string>();
  const pools = new ManagedPools({ clock: systemClock, drainTimeout: 0, workers: () => [] });
  const addresses: ServiceAddress[] = [];
  const status = { ...idleStatus, readyWorkers: 1 };
  const node = await ClusterNode.create(
    {
      access,
      prefix: '/weldr/',
      nodeName,
      localCopy: join(directory, 'copy.json'),
      times: { lease: 2000, renew: 250, holdOff: 300, ...options.times },
      candidate: options.candidate ?? true,
      priority: 100,
      timeout: 2000,
    },
    {
      pools: { names: [], list: () => [], counts: () => undefined, observe: () => () => {} },
      status,
      log,
      clock: systemClock,
      events: {
        problem: (name, problem) =>
          void (problem === undefined ? problems.delete(name) : problems.set(name, problem.text)),
      },
      leaderChanged: async () => {},
      handingOver: async () => {},
      objections: () => [],
      needs: () => (options.need === undefined ? [] : [{ by: 'test', ms: options.need }]),
      addresses: () => addresses,
    },
  );
  await pools.useStore(node.store);
  return {
    node,
    lines,
    problems,
    addresses,
    get readyWorkers() {
      return status.readyWorkers;
    },
    set readyWorkers(count) {
      status.readyWorkers = count;
    },
    async close() {
      await node.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

const idleStatus = {
  version: '0.0.0',
  startedAt: 0,
  readyWorkers: 0,
  silentWorkers: 0,
  wantedWorkers: 1,
  listen: [],
  stopping: false,
  workerRestarts: 0,
  reloads: { succeeded: 0, failed: 0, lastSucceeded: true, lastSuccessAt: 0 },
  configHash: '',
  droppedLogLines: 0,
};
