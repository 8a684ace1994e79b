// The manager side of a plugin in a test: the real ManagedPools, hooks and admin routes, without sockets or processes.
import { WeldrError } from '../errors.ts';
import type { ExplainInput } from '../explain/explain-input.ts';
import type { Explanation } from '../explain/explanation.ts';
import type { AdminAnswer, AdminRoutes } from '../plugin/admin.ts';
import type { ManagerHooks } from '../plugin/manager-hooks.ts';
import { ManagerSides } from '../plugin/manager-sides.ts';
import type { ManagerStatus, Plugin } from '../plugin/plugin.ts';
import { instantiateAll } from '../plugin/plugin-lists.ts';
import { coreSource } from '../process/event-recorder.ts';
import type { Overrides } from '../settings/settings.ts';
import { FakeClock } from './fake-clock.ts';
import { type KeptParts, keptParts } from './kept-parts.ts';
import { collectingLogger, type LogLine } from './log-lines.ts';
import { sendLater } from './message-line.ts';
import { callRoute, type RouteConditions } from './route-call.ts';
import { definitionsOf, type ServerInputs } from './server-inputs.ts';
import type { WorkerReplica, WorkerReplicas } from './worker-replicas.ts';

/** Options of {@link managerSide}. */
export interface ManagerSideOptions {
  /** The config's servers of the pool `default`, or of the pools by name; taken after the plugins have started. */
  readonly servers?: ServerInputs;
  readonly clock?: FakeClock;
  /** The names of listeners. */
  readonly listeners?: readonly string[];
  /** Plugins by the names that lists of routes and pools use for them, including lists made at run time. */
  readonly define?: Readonly<Record<string, Plugin>>;
  /** The side that this one follows, as at a reload: it takes over its pools and its plugins' memory. */
  readonly previous?: TestManagerSide;
  /** The longest that a removed server may take to finish its requests, in ms; default 30 000. */
  readonly drainTimeout?: number;
  readonly status?: Partial<ManagerStatus>;
  /** Overrides by flags and environment variables. */
  readonly overrides?: Overrides;
  /** Implements `reload()`; default: does nothing. */
  readonly reload?: (by?: string) => Promise<void>;
  /** Implements `upgrade()`; default: does nothing. */
  readonly upgrade?: () => Promise<string>;
  /** Implements `explain()`; default: rejects, as when no worker is ready. */
  readonly explain?: (request: ExplainInput) => Promise<Explanation>;
}

/** A started manager side. */
export interface TestManagerSide extends KeptParts {
  readonly hooks: ManagerHooks;
  readonly clock: FakeClock;
  readonly routes: AdminRoutes;
  readonly logs: readonly LogLine[];
  /** What plugins threw in hooks and observers. */
  readonly reported: readonly WeldrError[];
  /**
   * Calls an admin route: `admin('POST', '/servers?x=1', { url })`. The bodies cross as JSON. Rejects with what the route
   * throws, or with an Error when there is no such route. `conditions` are If-Match and If-None-Match.
   */
  admin(method: string, target: string, body?: unknown, conditions?: RouteConditions): Promise<AdminAnswer>;
  /** Runs the clean-ups, last in first out. Close the workers first. */
  close(): Promise<void>;
  /** The plugins that lists of routes and pools can name, in workers too. */
  readonly define: Readonly<Record<string, Plugin>>;
  /** For `workerSide`: adds a worker; returns a function that removes it. */
  admit(worker: number, replica: WorkerReplica): () => void;
  /** For `workerSide`: receives a message of an instance's worker side. */
  receive(instance: string, message: unknown, worker: number): void;
  /** For `workerSide`: notes that a worker has no request left on a draining server. */
  workerIdle(worker: number, pool: string, id: string): void;
}

/**
 * Starts the manager side of a plugin, or of several in order. Rejects as a start of Weldr does: with CONFIG_INVALID for
 * a value that is not a plugin, bad options, two plugins of one name and bad servers, and with what a plugin throws at
 * its start, after the clean-ups.
 */
export async function managerSide(
  plugin: Plugin | readonly Plugin[],
  options: ManagerSideOptions = {},
): Promise<TestManagerSide> {
  const { previous } = options;
  const clock = options.clock ?? new FakeClock();
  const logs: LogLine[] = [];
  const log = collectingLogger(logs);
  const kept = previous ?? keptParts({ clock, log, drainTimeout: options.drainTimeout ?? 30_000 });
  const { workers, runTime, problems, recorder, pools, certificates, kinds } = kept;
  const reported: WeldrError[] = [];
  const plugins: readonly Plugin[] = isPluginList(plugin) ? plugin : [plugin];
  const { define = {} } = options;
  const { instances, defined } = instantiateAll({ plugins, define });
  const sides = new ManagerSides({
    ...kept,
    defined,
    onProblems: (scope, problems) => runTime.report(scope, problems),
    onHold: (scope, hold) => runTime.hold(scope, hold),
    readyWorkers: () => workers.ids(),
    log,
    clock,
    status: testStatus(clock, workers, options.status ?? {}),
    overrides: options.overrides ?? {},
    report: error => void reported.push(error),
    reload: options.reload ?? (async () => {}),
    upgrade: options.upgrade ?? (async () => '0.0.0'),
    explain: options.explain ?? noWorker,
    workers: () => workers.ids(),
    send: (worker, instance, message) => workers.send(worker, instance, message),
  });
  recorder.followLeadership(sides.hooks);
  previous?.pools.releaseStore();
  runTime.release();
  // A reload replaces the base once the new sides run.
  if (previous === undefined) kinds.setConfig(instances, options.listeners ?? []);
  await sides.start(instances);
  await runTime.takeOver(sides, defined);
  if (previous !== undefined) kinds.setConfig(instances, options.listeners ?? []);
  if (options.servers !== undefined || previous === undefined) {
    try {
      pools.setConfig(definitionsOf(options.servers ?? []));
    } catch (thrown) {
      await sides.close();
      throw thrown;
    }
  }
  if (previous === undefined) certificates.setConfig({});
  kinds.begin();
  // A test may give verdicts under its own name, even across a reload.
  await runTime.settled();
  const present = [...sides.names, 'test'];
  pools.retain(present);
  problems.retain([coreSource, ...present]);
  return {
    ...kept,
    hooks: sides.hooks,
    clock,
    routes: sides.admin,
    logs,
    reported,
    define,
    admin: (method, target, body, conditions = {}) =>
      callRoute(sides.admin, method, { target, body, conditions }),
    close: () => sides.close(),
    receive: (instance, message, worker) => sendLater(message, copy => sides.receive(instance, copy, worker)),
    workerIdle: (worker, pool, id) => pools.workerIdle(worker, pool, id),
    admit: (worker, replica) => admitted(kept, sides.hooks, worker, replica),
  };
}

/** Adds a worker; returns a function that removes it. */
function admitted(
  { workers, pools, runTime, sums }: KeptParts,
  hooks: ManagerHooks,
  worker: number,
  replica: WorkerReplica,
): () => void {
  const leave = workers.admit(worker, replica, { pools, runTime });
  let hasLeft = false;
  return () => {
    if (hasLeft) return;
    hasLeft = true;
    leave();
    sums.workerExited(worker);
    runTime.workerGone(worker);
    pools.workerGone(worker);
    hooks.workerExited.call(worker);
  };
}

function isPluginList(plugin: Plugin | readonly Plugin[]): plugin is readonly Plugin[] {
  return Array.isArray(plugin);
}

async function noWorker(): Promise<never> {
  throw new WeldrError('CONFLICT', 'no worker takes requests now; try again in a moment');
}

function testStatus(
  clock: FakeClock,
  workers: WorkerReplicas,
  status: Partial<ManagerStatus>,
): ManagerStatus {
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
