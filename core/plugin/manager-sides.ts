// ManagerSides: the manager sides of a config's plugins, in the manager and in tests alike: started in order, closed in
// reverse order, with their own hooks and admin routes, so a reload swaps them all at once. Those of pools and routes
// come and go with their lists.
import { WeldrError } from '../errors.ts';
import { type Scope, scopeName } from '../stages/scope.ts';
import { AdminRoutes } from './admin.ts';
import { DefinedPlugins } from './defined-plugins.ts';
import { kindListsOf } from './kind-lists.ts';
import { KindViews } from './kind-views.ts';
import { createManagerHooks, type ManagerHooks } from './manager-hooks.ts';
import type { ManagerSidesOptions } from './manager-sides-options.ts';
import { type MetricDelta, metricsLine } from './metric-delta.ts';
import type { MetricFamily } from './metric-family.ts';
import type { PluginInstance } from './plugin-instance.ts';
import { RolesByPool } from './roles-by-pool.ts';
import type { RunningPlugin } from './running-plugin.ts';
import { type Hold, ScopeLists } from './scope-lists.ts';
import { ScopedManagerHooks } from './scoped-manager-hooks.ts';
import { longestRunTimeStart, startWithin } from './start-bound.ts';
import { startFailure } from './start-failure.ts';
import { type ManagerSurroundings, StartedManagerSide } from './started-manager-side.ts';

/** The manager sides of one config. */
export class ManagerSides {
  /** Where plugins listen. */
  readonly addresses: string[] = [];
  readonly hooks: ManagerHooks;
  readonly admin = new AdminRoutes();
  /** The lists of plugins of pools and routes. */
  readonly lists: ScopeLists<StartedManagerSide>;
  private readonly options: ManagerSidesOptions;
  private readonly scopedHooks: ScopedManagerHooks;
  private readonly roles = new RolesByPool();
  /** All that have not ended, in the order of their start. */
  private readonly running = new Set<StartedManagerSide>();
  private readonly byName = new Map<string, Set<StartedManagerSide>>();
  private isClosed = false;
  /** By the names of scopes, without the config's own. */
  private readonly placed = new Map<string, readonly StartedManagerSide[]>();
  private surroundings: ManagerSurroundings | undefined;

  constructor(options: ManagerSidesOptions) {
    this.options = options;
    this.hooks = createManagerHooks(options.report);
    this.scopedHooks = new ScopedManagerHooks(this.hooks, options.report);
    this.lists = new ScopeLists<StartedManagerSide>(
      {
        start: instance => this.startLater(instance),
        place: (scope, started, hold) => this.place(scope, started, hold),
        end: started => this.endForGood(started),
      },
      options.defined ?? new DefinedPlugins(),
      (scope, problems) => {
        if (!this.isClosed) options.onProblems?.(scope, problems);
      },
    );
  }

  /** Starts them in order. Rejects with the first failure, after the clean-ups of those that had started. */
  async start(instances: readonly PluginInstance[]): Promise<void> {
    this.options.sums.admit(instances.map(({ name }) => name));
    this.surroundings = this.newSurroundings(instances);
    for (const instance of instances) this.roles.add(instance);
    const started: StartedManagerSide[] = [];
    for (const instance of instances) {
      const one = this.make(instance, false);
      started.push(one);
      try {
        const { plugin, name, options } = instance;
        await startWithin(this.options, name, plugin.manager?.(one.side, options));
      } catch (thrown) {
        await this.close();
        throw startFailure(instance.name, thrown);
      }
    }
    for (const [scope, ofScope] of Map.groupBy(started, ({ instance }) => scopeName(instance.scope))) {
      const first = ofScope[0]?.instance.scope;
      if (scope === '' || first === undefined) continue;
      this.placed.set(scope, ofScope);
      this.lists.adopt(first, ofScope);
    }
  }

  /** The instances that run, in the order of their start. */
  get names(): readonly string[] {
    return Array.from(this.running, ({ instance }) => instance.name);
  }

  /** Runs the clean-ups, last in first out. */
  async close(): Promise<void> {
    this.isClosed = true;
    for (const started of [...this.running].reverse()) await this.end(started);
    await this.lists.ended();
    this.options.pools.releaseStore();
  }

  /** Passes a message of a worker to the instance that it is for. */
  receive(instance: string, message: unknown, worker: number): void {
    if (instance === metricsLine) {
      this.options.sums.add(worker, message as MetricDelta[]);
      return;
    }
    for (const started of this.byName.get(instance) ?? []) started.deliver(message, worker);
  }

  private newSurroundings(instances: readonly PluginInstance[]): ManagerSurroundings {
    const { kinds, report } = this.options;
    const views = new KindViews({ lists: kindListsOf(instances), source: kinds.source, report }, kinds);
    kinds.use(views);
    return {
      options: this.options,
      views,
      recorder: this.options.sums.recordManager(),
      admin: this.admin,
      covers: (instance, pool) => this.roles.covers(instance, pool),
      metricFamilies: names => this.metricFamilies(names),
      plugins: () => this.plugins(),
      memoryOf: instance => this.memoryOf(instance),
      listensOn: address => void this.addresses.push(address),
      hooksOf: ({ scope }) => (scope.kind === 'config' ? this.hooks : this.scopedHooks.add()),
      dropHooks: hooks => this.scopedHooks.remove(hooks),
    };
  }

  private make(instance: PluginInstance, isListed: boolean): StartedManagerSide {
    this.surroundings ??= this.newSurroundings([]);
    const started = new StartedManagerSide(instance, this.surroundings, isListed);
    this.running.add(started);
    const namesakes = this.byName.get(instance.name);
    if (namesakes === undefined) this.byName.set(instance.name, new Set([started]));
    else namesakes.add(started);
    return started;
  }

  private async startLater(instance: PluginInstance): Promise<StartedManagerSide> {
    this.options.sums.admit([instance.name]);
    if (this.isClosed)
      throw new WeldrError('CONFLICT', 'the config is being reloaded; try again in a moment');
    const started = this.make(instance, instance.definedAs !== undefined);
    try {
      const { plugin, name, options } = instance;
      const bounds = { ...this.options, longest: longestRunTimeStart };
      await startWithin(bounds, name, plugin.manager?.(started.side, options));
      return started;
    } catch (thrown) {
      await this.endForGood(started);
      throw startFailure(instance.name, thrown);
    }
  }

  private place(scope: Scope, started: readonly StartedManagerSide[], hold: Hold | undefined): void {
    const name = scopeName(scope);
    const before = this.placed.get(name) ?? [];
    for (const { instance } of before) this.roles.remove(instance);
    for (const { instance } of started) this.roles.add(instance);
    if (started.length === 0) this.placed.delete(name);
    else this.placed.set(name, started);
    // A start that a reload interrupted says nothing about the sides that follow.
    if (!this.isClosed) this.options.onHold?.(scope, hold);
    const workers = this.options.readyWorkers?.() ?? [];
    for (const { hooks } of started.filter(one => !before.includes(one))) {
      if (hooks === undefined) continue;
      // The calls that all others received when it happened.
      for (const worker of workers) hooks.workerReady.call(worker);
      if (workers.length > 0) hooks.listening.call();
    }
    const hasRole = [...before, ...started].some(({ instance }) => instance.plugin.role !== undefined);
    // Another plugin may be in charge of its servers now.
    if (scope.kind === 'pool' && hasRole) this.options.pools.redefine(scope.name);
  }

  /** Ends it without a successor: what it counted and found is dropped, unless another instance of its name remains. */
  private async endForGood(started: StartedManagerSide): Promise<void> {
    await this.end(started);
    const { name } = started.instance;
    if (this.byName.has(name)) return;
    this.options.sums.drop(name);
    this.options.memory.delete(name);
    this.options.pools.forgetInstance(name);
    this.options.problems.forget(name);
  }

  private async end(started: StartedManagerSide): Promise<void> {
    if (!this.running.delete(started)) return;
    const { name } = started.instance;
    const namesakes = this.byName.get(name);
    namesakes?.delete(started);
    if (namesakes?.size === 0) this.byName.delete(name);
    await started.close();
  }

  /** Only a plugin with several instances has the label with the instance's name. */
  private metricFamilies(names?: readonly string[]): readonly MetricFamily[] {
    const placesOf = Map.groupBy(this.running, ({ instance }) => instance.plugin.name);
    const repeated = new Set<string>();
    for (const started of placesOf.values()) {
      if (started.length > 1) for (const { instance } of started) repeated.add(instance.name);
    }
    return this.options.sums.collect(name => (repeated.has(name) ? name : undefined), names);
  }

  private plugins(): readonly RunningPlugin[] {
    // A `when` is not shown itself: its plugins are.
    const shown = (list: Iterable<StartedManagerSide>, kind: Scope['kind']) =>
      [...list].filter(({ instance: { scope, plugin } }) => {
        return scope.kind === kind && (plugin.worker ?? plugin.manager ?? plugin.kind) !== undefined;
      });
    const ofConfig = shown(this.running, 'config');
    const placed = [...this.placed.values()].flat();
    const inside = (kind: Scope['kind']) => shown(placed, kind);
    return [...ofConfig, ...inside('route'), ...inside('pool')].map(({ instance }) => {
      const { plugin, name, scope, conditions, definedAs } = instance;
      const { id, role } = plugin;
      return {
        instance: name,
        plugin: plugin.name,
        id,
        role,
        scope,
        conditional: conditions.length > 0,
        definedAs,
      };
    });
  }

  private memoryOf({ name, plugin }: PluginInstance): unknown {
    const { memory } = this.options;
    if (plugin.memory === undefined) return undefined;
    if (!memory.has(name)) memory.set(name, plugin.memory());
    return memory.get(name);
  }
}
