// The manager side of a plugin in a test: the real ManagedPools, hooks and admin routes, no socket, no process.
import { z } from 'zod';
import type { WeldrError } from '../errors.ts';
import { type AdminAnswer, type AdminRoute, AdminRoutes } from '../plugin/admin.ts';
import { createManagerHooks, type ManagerHooks } from '../plugin/hooks.ts';
import type { ManagerChannel, ManagerStatus, Plugin } from '../plugin/plugin.ts';
import { ManagedPools } from '../pool/managed-pools.ts';
import { PluginPools } from '../pool/manager-pools.ts';
import { OperatorPools } from '../pool/operator-pools.ts';
import type { PoolChange } from '../pool/pool.ts';
import { type ServerInput, serverDefinition } from '../pool/server-definition.ts';
import { parse } from '../settings/options.ts';
import type { Overrides } from '../settings/settings.ts';
import { CleanUps } from './clean-ups.ts';
import { FakeClock } from './fake-clock.ts';
import { collectingLogger, type LogLine } from './log-lines.ts';
import { PluginLink } from './plugin-link.ts';

/** How a manager side is started. */
export interface ManagerSideOptions {
  /** The config's servers of the pool `default`, or of the pools by name; taken after the plugins have started. */
  readonly servers?: readonly ServerInput[] | Readonly<Record<string, readonly ServerInput[]>>;
  readonly clock?: FakeClock;
  /** The side that this one follows, as at a reload: its pools and its plugins' memory go on. */
  readonly previous?: TestManagerSide;
  /** The longest that a removed server is waited for, in ms; default 30 000. */
  readonly drainTimeout?: number;
  readonly status?: Partial<ManagerStatus>;
  /** What flags and environment say. */
  readonly overrides?: Overrides;
  /** What `reload()` does; default: nothing. */
  readonly reload?: () => Promise<void>;
}

/** A handle on a started manager side. */
export interface TestManagerSide {
  readonly hooks: ManagerHooks;
  /** All that the manager has of the pools; plugins get ManagerPools and OperatorPools of it. */
  readonly pools: ManagedPools;
  readonly clock: FakeClock;
  readonly routes: AdminRoutes;
  readonly logs: readonly LogLine[];
  /** What plugins threw in hooks and observers. */
  readonly reported: readonly WeldrError[];
  /**
   * Calls an admin route: `admin('POST', '/servers?x=1', { url })`. The body crosses as JSON, both ways. Rejects with
   * what the route throws, or with an Error when there is no such route.
   */
  admin(method: string, target: string, body?: unknown): Promise<AdminAnswer>;
  /** Runs the clean-ups, last in first out. Close the workers first. */
  close(): Promise<void>;
  /** What the plugin of this name keeps from one config to the next. */
  memoryOf(plugin: string): Map<string, unknown>;
  /** The workers of these pools; they stay when another side follows this one. */
  readonly workers: Workers;
  /** For `workerSide`: takes a worker in; returns how it leaves. */
  admit(worker: number, replica: WorkerReplica): () => void;
  /** For `workerSide`: the channel of one plugin. */
  linkOf(plugin: string): PluginLink;
}

/**
 * Starts the manager side of a plugin, or of several in their order. Rejects with what a plugin throws at its start,
 * after the clean-ups, and with CONFIG_INVALID for bad servers.
 */
export async function managerSide(
  plugin: Plugin | readonly Plugin[],
  options: ManagerSideOptions = {},
): Promise<TestManagerSide> {
  const clock = options.clock ?? new FakeClock();
  const plugins = isSeveral(plugin) ? plugin : [plugin];
  const workers = options.previous?.workers ?? new Workers();
  const pools =
    options.previous?.pools ??
    new ManagedPools({
      clock,
      drainTimeout: options.drainTimeout ?? 30_000,
      workers: () => workers.ids(),
    });
  const logs: LogLine[] = [];
  const log = collectingLogger(logs);
  const reported: WeldrError[] = [];
  const hooks = createManagerHooks(error => void reported.push(error));
  const routes = new AdminRoutes();
  const links = new Map<string, PluginLink>();
  const linkOf = (name: string): PluginLink => {
    const link = links.get(name) ?? new PluginLink();
    links.set(name, link);
    return link;
  };
  const memories = new Map<string, Map<string, unknown>>();
  const memoryOf = (name: string): Map<string, unknown> => {
    const memory = memories.get(name) ?? options.previous?.memoryOf(name) ?? new Map();
    memories.set(name, memory);
    return memory;
  };
  const status: ManagerStatus = {
    version: '0.0.0',
    startedAt: clock.now(),
    get readyWorkers() {
      return workers.size;
    },
    get wantedWorkers() {
      return workers.size;
    },
    listen: ['127.0.0.1:8080'],
    stopping: false,
    ...options.status,
  };
  const cleanUps = new CleanUps();
  options.previous?.pools.releaseStore();
  try {
    for (const started of plugins) {
      if (started.invalid !== undefined) throw started.invalid('');
      const ownPools = new PluginPools({
        pools,
        instance: started.name,
        report: error => void reported.push(error),
      });
      cleanUps.add(() => ownPools.close());
      await started.manager?.({
        overrides: options.overrides ?? {},
        memory: memoryOf(started.name),
        hooks,
        pools: ownPools,
        operator: new OperatorPools(pools),
        clock,
        status,
        admin: routes,
        log: log.child({ plugin: started.name }),
        onClose: (fn: () => void | Promise<void>) => cleanUps.add(fn),
        reload: options.reload ?? (async () => {}),
        channel: <ToManager, ToWorker>(): ManagerChannel<ToManager, ToWorker> =>
          linkOf(started.name).managerChannel(),
      });
    }
    if (options.servers !== undefined || options.previous === undefined) {
      pools.setConfig(definitions(options.servers ?? []));
    }
    // A test may judge under a name of its own, over a reload, too.
    pools.retain([...plugins.map(({ name }) => name), 'test']);
  } catch (thrown) {
    await cleanUps.run();
    throw thrown;
  }
  return {
    hooks,
    pools,
    clock,
    routes,
    logs,
    reported,
    workers,
    linkOf,
    memoryOf,
    admin: (method, target, body) => callRoute(routes, method, target, body),
    close: () => cleanUps.run(),
    admit(worker, replica) {
      const leave = workers.admit(worker, replica, pools);
      let left = false;
      return () => {
        if (left) return;
        left = true;
        leave();
        for (const link of links.values()) link.disconnect(worker);
        pools.workerGone(worker);
        hooks.workerExited.call(worker);
      };
    },
  };
}

/** A worker's replica of the pools, as its manager sees it. */
export interface WorkerReplica {
  apply(change: PoolChange): void;
}

/** The workers of one manager, each with its replica of the pools. */
class Workers {
  private readonly replicas = new Map<number, WorkerReplica>();

  get size(): number {
    return this.replicas.size;
  }

  ids(): number[] {
    return [...this.replicas.keys()];
  }

  admit(worker: number, replica: WorkerReplica, pools: ManagedPools): () => void {
    if (this.replicas.has(worker)) throw new Error(`worker ${worker} runs already; give this one another id`);
    this.replicas.set(worker, replica);
    for (const change of pools.snapshot()) replica.apply(change);
    const stop = pools.observe({
      changes: changes => {
        for (const change of changes) replica.apply(change);
      },
    });
    return () => {
      stop();
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

function isSeveral(plugin: Plugin | readonly Plugin[]): plugin is readonly Plugin[] {
  return Array.isArray(plugin);
}

function isList(servers: NonNullable<ManagerSideOptions['servers']>): servers is readonly ServerInput[] {
  return Array.isArray(servers);
}

async function callRoute(
  routes: AdminRoutes,
  method: string,
  target: string,
  body: unknown,
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
      body: throughJson(body),
    });
    return { ...answer, body: throughJson(answer.body) };
  }
  throw new Error(`no plugin serves ${method} ${url.pathname}`);
}

function throughJson(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
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
