// The manager side of a plugin in a test: the real ManagedPools, hooks and admin routes, no socket, no process.
import { z } from 'zod';
import { CertificateRegistry } from '../certificates/certificate-registry.ts';
import { WeldrError } from '../errors.ts';
import { EventLog } from '../events/event-log.ts';
import { coreSource, EventRecorder } from '../events/event-recorder.ts';
import { Problems } from '../events/problems.ts';
import type { ExplainInput } from '../explain/explain-input.ts';
import type { Explanation } from '../explain/explanation.ts';
import type { AdminAnswer, AdminRoute, AdminRoutes } from '../plugin/admin.ts';
import type { ManagerHooks } from '../plugin/manager-hooks.ts';
import { ManagerKinds } from '../plugin/manager-kinds.ts';
import { ManagerSides } from '../plugin/manager-sides.ts';
import { MetricSums } from '../plugin/metric-sums.ts';
import type { ManagerStatus, Plugin } from '../plugin/plugin.ts';
import { instantiateAll } from '../plugin/plugin-lists.ts';
import { Precondition, type PreconditionFields } from '../plugin/precondition.ts';
import { type ListChange, type ListingWorkers, RunTimePlugins } from '../plugin/run-time-plugins.ts';
import { Traffic } from '../plugin/traffic.ts';
import { ManagedPools } from '../pool/managed-pools.ts';
import type { PoolChange } from '../pool/pool-change.ts';
import { type ServerInput, serverDefinition } from '../pool/server-definition.ts';
import { ofPlugins } from '../process/state-broadcast.ts';
import { Traces } from '../process/traces.ts';
import { parse } from '../settings/options.ts';
import type { Overrides } from '../settings/settings.ts';
import type { Scope } from '../stages/scope.ts';
import type { ListedNames } from '../state/listed-names.ts';
import type { RowChange } from '../state/row.ts';
import { FakeClock } from './fake-clock.ts';
import { collectingLogger, type LogLine } from './log-lines.ts';
import { sendLater } from './message-line.ts';

/** How a manager side is started. */
export interface ManagerSideOptions {
  /** The config's servers of the pool `default`, or of the pools by name; taken after the plugins have started. */
  readonly servers?: readonly ServerInput[] | Readonly<Record<string, readonly ServerInput[]>>;
  readonly clock?: FakeClock;
  /** The names of listeners. */
  readonly listeners?: readonly string[];
  /** Plugins by the names that lists of routes and pools use for them, also those that are made at run time. */
  readonly define?: Readonly<Record<string, Plugin>>;
  /** The side that this one follows, as at a reload: its pools and its plugins' memory go on. */
  readonly previous?: TestManagerSide;
  /** The longest that a removed server is waited for, in ms; default 30 000. */
  readonly drainTimeout?: number;
  readonly status?: Partial<ManagerStatus>;
  /** What flags and environment say. */
  readonly overrides?: Overrides;
  /** What `reload()` does; default: nothing. */
  readonly reload?: (by?: string) => Promise<void>;
  /** What `upgrade()` does; default: nothing. */
  readonly upgrade?: () => Promise<string>;
  /** What `explain()` does; default: it rejects, as where no worker is ready. */
  readonly explain?: (request: ExplainInput) => Promise<Explanation>;
}

/** A handle on a started manager side. */
export interface TestManagerSide {
  readonly hooks: ManagerHooks;
  /** All that the manager has of the pools; plugins get ManagerPools and OperatorPools of it. */
  readonly pools: ManagedPools;
  /** The kinds that plugins own. */
  readonly kinds: ManagerKinds;
  /** All certificates that clients are shown. */
  readonly certificates: CertificateRegistry;
  readonly clock: FakeClock;
  readonly routes: AdminRoutes;
  readonly logs: readonly LogLine[];
  /** What plugins threw in hooks and observers. */
  readonly reported: readonly WeldrError[];
  /**
   * Calls an admin route: `admin('POST', '/servers?x=1', { url })`. The body crosses as JSON, both ways. Rejects with
   * what the route throws, or with an Error when there is no such route. `conditions` are If-Match and If-None-Match.
   */
  admin(
    method: string,
    target: string,
    body?: unknown,
    conditions?: PreconditionFields & { readonly accept?: string },
  ): Promise<AdminAnswer>;
  /** Runs the clean-ups, last in first out. Close the workers first. */
  close(): Promise<void>;
  /** What happened. */
  readonly events: EventLog;
  /** What is wrong right now, as Weldr and the plugins say. */
  readonly problems: Problems;
  /** What plugins count of requests. */
  readonly traffic: Traffic;
  /** Traces; `take` is what workers tell. */
  readonly traces: Traces;
  /** Tells the events of what happens in a manager. */
  readonly recorder: EventRecorder;
  /** What an instance keeps from one config to the next, by its name. */
  readonly memory: Map<string, unknown>;
  /** What plugins have counted. */
  readonly sums: MetricSums;
  /** What lists of routes and pools can name: that of workers, too. */
  readonly define: Readonly<Record<string, Plugin>>;
  /** The plugins of these lists. */
  readonly runTime: RunTimePlugins;
  /** The workers of these pools; they stay when another side follows this one. */
  readonly workers: Workers;
  /** For `workerSide`: takes a worker in; returns how it leaves. */
  admit(worker: number, replica: WorkerReplica): () => void;
  /** For `workerSide`: a message of an instance's worker side. */
  receive(instance: string, message: unknown, worker: number): void;
  /** For `workerSide`: a worker has no request on a draining server any more. */
  workerIdle(worker: number, pool: string, id: string): void;
}

/**
 * Starts the manager side of a plugin, or of several in their order. Rejects as a start of Weldr does: with
 * CONFIG_INVALID for what is no plugin, bad options, two plugins of one name and bad servers, and with what a plugin
 * throws at its start, after the clean-ups.
 */
export async function managerSide(
  plugin: Plugin | readonly Plugin[],
  options: ManagerSideOptions = {},
): Promise<TestManagerSide> {
  const { previous } = options;
  const clock = options.clock ?? new FakeClock();
  const logs: LogLine[] = [];
  const log = collectingLogger(logs);
  const workers = previous?.workers ?? new Workers();
  const runTime = previous?.runTime ?? new RunTimePlugins({ workers, log: () => log });
  const events = previous?.events ?? new EventLog(clock);
  const problems = previous?.problems ?? new Problems(clock);
  const traffic = previous?.traffic ?? new Traffic();
  const recorder = previous?.recorder ?? new EventRecorder({ events, problems, clock });
  const pools: ManagedPools =
    previous?.pools ??
    new ManagedPools({
      clock,
      drainTimeout: options.drainTimeout ?? 30_000,
      workers: () => workers.ids(),
      plugins: runTime.ofPools,
      settled: async () => {
        await runTime.settled();
        await workers.settled();
      },
      tell: change => {
        const { text, ...facts } = change;
        log.info(facts, text);
        recorder.changed(pools, change);
      },
      report: ({ kind, key }, problem) => log.error({ kind, key }, `${kind} ${key}: ${problem}`),
    });
  if (previous === undefined) recorder.follow(pools);
  const certificates =
    previous?.certificates ??
    new CertificateRegistry({
      state: pools.state,
      clock,
      log: () => log,
      tell: change => recorder.certificate(change),
    });
  const kinds =
    previous?.kinds ??
    new ManagerKinds({
      pools,
      plugins: runTime,
      tell: change => {
        const { text, ...facts } = change;
        log.info(facts, text);
        recorder.changed(pools, change);
      },
    });
  const reported: WeldrError[] = [];
  const memory = previous?.memory ?? new Map<string, unknown>();
  const sums = previous?.sums ?? new MetricSums();
  const plugins: readonly Plugin[] = isPluginList(plugin) ? plugin : [plugin];
  const { define = {} } = options;
  const { instances, defined } = instantiateAll({ plugins, define });
  const traces = previous?.traces ?? new Traces({ clock, tell: () => {} });
  const sides = new ManagerSides({
    pools,
    kinds,
    defined,
    onProblems: (scope, problems) => runTime.report(scope, problems),
    readyWorkers: () => workers.ids(),
    certificates,
    log,
    clock,
    status: testStatus(clock, workers, options.status ?? {}),
    overrides: options.overrides ?? {},
    memory,
    sums,
    events,
    problems,
    traffic,
    report: error => void reported.push(error),
    reload: options.reload ?? (async () => {}),
    upgrade: options.upgrade ?? (async () => '0.0.0'),
    explain: options.explain ?? noWorker,
    traces,
    workers: () => workers.ids(),
    send: (worker, instance, message) => workers.send(worker, instance, message),
  });
  recorder.followLeadership(sides.hooks);
  previous?.pools.releaseStore();
  runTime.release();
  // At a reload the base is exchanged when the new sides are there.
  if (previous === undefined) kinds.setConfig(instances, options.listeners ?? []);
  await sides.start(instances);
  await runTime.takeOver(sides, defined);
  if (previous !== undefined) kinds.setConfig(instances, options.listeners ?? []);
  if (options.servers !== undefined || previous === undefined) {
    try {
      pools.setConfig(definitions(options.servers ?? []));
    } catch (thrown) {
      await sides.close();
      throw thrown;
    }
  }
  if (previous === undefined) certificates.setConfig({});
  kinds.begin();
  // A test may judge under a name of its own, over a reload, too.
  await runTime.settled();
  const present = [...sides.names, 'test'];
  pools.retain(present);
  problems.retain([coreSource, ...present]);
  return {
    hooks: sides.hooks,
    pools,
    kinds,
    certificates,
    clock,
    routes: sides.admin,
    logs,
    reported,
    memory,
    sums,
    define,
    runTime,
    events,
    problems,
    traffic,
    traces,
    recorder,
    workers,
    admin: (method, target, body, conditions = {}) =>
      callRoute(sides.admin, method, { target, body, conditions }),
    close: () => sides.close(),
    receive: (instance, message, worker) => sendLater(message, copy => sides.receive(instance, copy, worker)),
    workerIdle: (worker, pool, id) => pools.workerIdle(worker, pool, id),
    admit(worker, replica) {
      const leave = workers.admit(worker, replica, { pools, runTime });
      let left = false;
      return () => {
        if (left) return;
        left = true;
        leave();
        sums.workerExited(worker);
        runTime.workerGone(worker);
        pools.workerGone(worker);
        sides.hooks.workerExited.call(worker);
      };
    },
  };
}

function isPluginList(plugin: Plugin | readonly Plugin[]): plugin is readonly Plugin[] {
  return Array.isArray(plugin);
}

async function noWorker(): Promise<never> {
  throw new WeldrError('CONFLICT', 'no worker takes requests now; ask again in a moment');
}

function testStatus(clock: FakeClock, workers: Workers, status: Partial<ManagerStatus>): ManagerStatus {
  return {
    version: '0.0.0',
    startedAt: clock.now(),
    get readyWorkers() {
      return workers.size;
    },
    get wantedWorkers() {
      return workers.size;
    },
    silentWorkers: 0,
    listen: ['127.0.0.1:8080'],
    stopping: false,
    workerRestarts: 0,
    reloads: { succeeded: 0, failed: 0, lastSucceeded: true, lastSuccessAt: clock.now() },
    configHash: 'c0ffee',
    droppedLogLines: 0,
    ...status,
  };
}

/** A worker as its manager sees it: its replica of the pools, and the worker sides of the plugins. */
export interface WorkerReplica {
  apply(change: PoolChange): void;
  /** What operators say of kinds that plugins own. */
  applyRows(changes: readonly RowChange[]): void;
  /** Takes what operators list as plugins; default: nobody wants to know. */
  applyList?(change: ListChange): void;
  /** Starts what a list of plugins needs; default: there are none. */
  prepare?(scope: Scope, names: ListedNames): Promise<void>;
  abandon?(scope: Scope): void;
  /** Resolves when all that was applied is in force; default: at once. */
  settled?(): Promise<void>;
  receive(instance: string, message: unknown): void;
}

/** The workers of one manager. */
class Workers implements ListingWorkers {
  private readonly replicas = new Map<number, WorkerReplica>();

  get size(): number {
    return this.replicas.size;
  }

  ids(): number[] {
    return [...this.replicas.keys()];
  }

  send(worker: number, instance: string, message: unknown): void {
    const replica = this.replicas.get(worker);
    if (replica !== undefined) sendLater(message, copy => replica.receive(instance, copy));
  }

  async prepare(scope: Scope, names: ListedNames): Promise<void> {
    for (const replica of this.replicas.values()) await replica.prepare?.(scope, names);
  }

  abandon(scope: Scope): void {
    for (const replica of this.replicas.values()) replica.abandon?.(scope);
  }

  async settled(): Promise<void> {
    for (const replica of this.replicas.values()) await replica.settled?.();
  }

  admit(
    worker: number,
    replica: WorkerReplica,
    { pools, runTime }: { readonly pools: ManagedPools; readonly runTime: RunTimePlugins },
  ): () => void {
    if (this.replicas.has(worker)) throw new Error(`worker ${worker} runs already; give this one another id`);
    this.replicas.set(worker, replica);
    for (const change of pools.snapshot()) replica.apply(change);
    for (const change of runTime.all) replica.applyList?.(change);
    const stopLists = runTime.observe(change => replica.applyList?.(change));
    replica.applyRows(ofPlugins([...pools.state.all]).map(row => ({ kind: row.kind, key: row.key, row })));
    const stopRows = pools.state.observe(changes => replica.applyRows(throughJson(ofPlugins(changes))));
    const stop = pools.observe({
      changes: changes => {
        for (const change of changes) replica.apply(change);
      },
    });
    return () => {
      stop();
      stopRows();
      stopLists();
      this.replicas.delete(worker);
    };
  }
}

function definitions(servers: NonNullable<ManagerSideOptions['servers']>) {
  const named = isList(servers) ? { default: servers } : servers;
  const list = z.array(serverDefinition);
  return Object.fromEntries(
    Object.entries(named).map(([name, inputs]) => [
      name,
      parse(
        list,
        inputs.map(input => (typeof input === 'string' ? { url: input } : input)),
        'CONFIG_INVALID',
        'servers',
      ),
    ]),
  );
}

function isList(servers: NonNullable<ManagerSideOptions['servers']>): servers is readonly ServerInput[] {
  return Array.isArray(servers);
}

async function callRoute(
  routes: AdminRoutes,
  method: string,
  {
    target,
    body,
    conditions,
  }: { target: string; body: unknown; conditions: PreconditionFields & { readonly accept?: string } },
): Promise<AdminAnswer> {
  const url = new URL(target, 'http://admin.invalid');
  for (const route of routes) {
    const params = route.method === method ? match(route, url.pathname) : undefined;
    if (params === undefined) continue;
    const answer = await route.handle({
      method,
      path: url.pathname,
      params,
      query: url.searchParams,
      precondition: conditionsOf(route, conditions),
      accept: conditions.accept,
      by: 'a test',
      role: 'operator',
      body: throughJson(body),
    });
    const isText = answer.contentType === 'application/json' && typeof answer.body === 'string';
    return { ...answer, body: isText ? JSON.parse(String(answer.body)) : throughJson(answer.body) };
  }
  throw new Error(`no plugin serves ${method} ${url.pathname}`);
}

function conditionsOf(route: AdminRoute, fields: PreconditionFields): Precondition {
  const precondition = new Precondition(fields);
  if (route.method !== 'GET' && route.conditional !== true)
    precondition.refuse(`${route.method} ${route.path}`);
  return precondition;
}

function throughJson<T>(value: T): T {
  return value === undefined ? value : JSON.parse(JSON.stringify(value));
}

/** The `:names` of a route's path, if the path is of that form. */
function match(route: AdminRoute, path: string): Record<string, string> | undefined {
  const wanted = route.path.split('/');
  const given = path.split('/');
  if (wanted.length !== given.length) return undefined;
  const params: Record<string, string> = {};
  for (const [i, part] of wanted.entries()) {
    const value = given[i] ?? '';
    if (part.startsWith(':')) params[part.slice(1)] = decodeURIComponent(value);
    else if (part !== value) return undefined;
  }
  return params;
}
