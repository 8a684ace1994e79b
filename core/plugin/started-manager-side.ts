// StartedManagerSide: the manager side of one running plugin: its views of pools and certificates, its line to the workers,
// its hooks, metrics and clean-ups.
import { PluginCertificates } from '../certificates/manager-certificates.ts';
import { WeldrError } from '../errors.ts';
import { PluginEvents } from '../events/plugin-events.ts';
import { PluginPools } from '../pool/manager-pools.ts';
import { OperatorPools } from '../pool/operator-pools.ts';
import { type AdminRoute, AdminRoutes } from './admin.ts';
import { CleanUps } from './clean-ups.ts';
import type { KindViews } from './kind-views.ts';
import type { ManagerHooks } from './manager-hooks.ts';
import type { ManagerSidesOptions } from './manager-sides-options.ts';
import type { MetricFamily } from './metric-family.ts';
import type { MetricRecorder } from './metric-recorder.ts';
import type { Metrics } from './metrics.ts';
import type { ManagerChannel, ManagerSide } from './plugin.ts';
import type { PluginInstance } from './plugin-instance.ts';
import type { RunningPlugin } from './running-plugin.ts';

type Listener = (message: unknown, worker: number) => void;

/** What the plugins of a manager share, and what only plugins of the config can have. */
export interface ManagerSurroundings {
  readonly options: ManagerSidesOptions;
  readonly recorder: MetricRecorder;
  readonly views: KindViews;
  readonly admin: AdminRoutes;
  covers(instance: PluginInstance, pool: string): boolean;
  metricFamilies(names?: readonly string[]): readonly MetricFamily[];
  plugins(): readonly RunningPlugin[];
  memoryOf(instance: PluginInstance): unknown;
  listensOn(address: string): void;
  /** Returns the hooks that are called for a plugin of this scope. */
  hooksOf(instance: PluginInstance): ManagerHooks;
  dropHooks(hooks: ManagerHooks): void;
}

/** One plugin of a manager. */
export class StartedManagerSide {
  readonly instance: PluginInstance;
  readonly side: ManagerSide;
  /** Undefined if the plugin has not asked for separate hooks. */
  hooks: ManagerHooks | undefined;
  private readonly surroundings: ManagerSurroundings;
  private readonly cleanUps: CleanUps;
  private readonly listeners: Listener[] = [];
  private metrics: Metrics | undefined;

  /** `isListed`: its list was made at run time, when it is too late to add routes or listen on addresses. */
  constructor(instance: PluginInstance, surroundings: ManagerSurroundings, isListed: boolean) {
    this.instance = instance;
    this.surroundings = surroundings;
    const { clock, log } = surroundings.options;
    this.cleanUps = new CleanUps(clock, (plugin, error) =>
      log.error({ plugin, err: error }, 'the clean-up of a plugin failed'),
    );
    this.side = this.makeSide(isListed);
  }

  /** Passes it a message of its side in a worker. */
  deliver(message: unknown, worker: number): void {
    for (const listener of this.listeners) {
      try {
        listener(message, worker);
      } catch (thrown) {
        const facts = { plugin: this.instance.name, err: thrown };
        this.surroundings.options.log.error(facts, 'a plugin failed on a message of a worker');
      }
    }
  }

  /** Runs its clean-ups, last in first out. */
  async close(): Promise<void> {
    await this.cleanUps.run();
    if (this.metrics !== undefined) this.surroundings.recorder.drop(this.metrics);
    if (this.hooks !== undefined) this.surroundings.dropHooks(this.hooks);
  }

  private makeSide(isListed: boolean): ManagerSide {
    const { surroundings, instance, cleanUps } = this;
    const { options, recorder, views } = surroundings;
    const { log, clock, status, overrides, report } = options;
    const { name, scope, plugin } = instance;
    const pools = new PluginPools({ pools: options.pools, instance: name, report });
    // Added first, so it runs last: what the plugin reports while it ends still counts.
    cleanUps.add(name, () => pools.close());
    const certificates = new PluginCertificates({
      registry: options.certificates,
      state: options.pools.state,
      instance: name,
      report,
    });
    cleanUps.add(name, () => certificates.close());
    const ownLog = log.child({ plugin: name });
    const events = new PluginEvents({
      events: options.events,
      problems: options.problems,
      clock,
      instance: name,
      report: (text, err) => ownLog.error({ err }, text),
    });
    cleanUps.add(name, () => events.close());
    const metricsOf = (): Metrics => {
      this.metrics ??= recorder.open(name, ownLog);
      return this.metrics;
    };
    const hooksOf = (): ManagerHooks => {
      this.hooks ??= surroundings.hooksOf(instance);
      return this.hooks;
    };
    const listensOn = (address: string): void => {
      if (isListed) throw onlyOfConfig(instance, 'listens on an address');
      surroundings.listensOn(address);
    };
    return {
      get metrics() {
        return metricsOf();
      },
      metricFamilies: names => surroundings.metricFamilies(names),
      plugins: () => surroundings.plugins(),
      retainMetrics: stays => options.sums.retain(stays),
      get hooks() {
        return hooksOf();
      },
      pools,
      certificates,
      operator: new OperatorPools(options.pools, name),
      admin: isListed ? new NoAdminRoutes(instance) : surroundings.admin,
      events,
      traffic: options.traffic,
      listensOn,
      status,
      overrides,
      scope,
      clock,
      memory: surroundings.memoryOf(instance),
      log: ownLog,
      covers: pool => surroundings.covers(instance, pool),
      entities: views.of(name, plugin.kind?.name),
      kinds: views.kinds,
      showMore: more => views.showMore(name, more),
      onClose: fn => cleanUps.add(name, fn),
      reload: by => options.reload(by ?? `plugin ${name}`),
      upgrade: () => options.upgrade(),
      explain: request => options.explain(request),
      traces: options.traces,
      channel: this.channel(),
    };
  }

  private channel(): ManagerChannel<unknown, unknown> {
    const { options } = this.surroundings;
    const { name } = this.instance;
    return {
      get workers() {
        return options.workers();
      },
      send: (worker, message) => options.send(worker, name, message),
      broadcast: message => {
        for (const worker of options.workers()) options.send(worker, name, message);
      },
      onMessage: listener => void this.listeners.push(listener),
    };
  }
}

/** The admin API serves only routes that the config's plugins added. */
class NoAdminRoutes extends AdminRoutes {
  private readonly instance: PluginInstance;

  constructor(instance: PluginInstance) {
    super();
    this.instance = instance;
  }

  override add({ method, path }: AdminRoute): void {
    throw onlyOfConfig(this.instance, `adds ${method} ${path} to the admin API`);
  }
}

function onlyOfConfig({ plugin, scope }: PluginInstance, what: string): WeldrError {
  return new WeldrError(
    'INPUT_INVALID',
    `${plugin.name} ${what}, and is not allowed in a ${scope.kind}; it belongs in the config’s own plugins`,
    { field: 'plugins' },
  );
}
