// WorkerSides: the worker sides of a config's plugins, in a worker and in tests alike: started in order, closed in
// reverse order, each with its line to the manager; those of pools and routes come and go with their lists.
import { WeldrError } from '../errors.ts';
import { reply } from '../request/reply.ts';
import { createHooks } from '../stages/request-hooks.ts';
import { type Scope, scopeName } from '../stages/scope.ts';
import type { StageEntry } from '../stages/stage-entry.ts';
import { Stages } from '../stages/stages.ts';
import { DefinedPlugins } from './defined-plugins.ts';
import { EntityViews } from './entity-views.ts';
import { kindListsOf } from './kind-lists.ts';
import { metricsLine } from './metric-delta.ts';
import { MetricRecorder } from './metric-recorder.ts';
import type { PluginInstance } from './plugin-instance.ts';
import { RolesByPool } from './roles-by-pool.ts';
import type { HoldChange, ListChange } from './run-time-plugins.ts';
import { type Hold, ScopeLists } from './scope-lists.ts';
import { longestRunTimeStart, startWithin } from './start-bound.ts';
import { startFailure } from './start-failure.ts';
import { StartedWorkerSide, type WorkerSurroundings } from './started-worker-side.ts';
import type { WorkerSidesOptions } from './worker-sides-options.ts';

/** Messages to a plugin that may wait for its side to listen; beyond that the oldest are dropped. */
const maxUnheard = 1_000;

/** How often counts are sent to the manager, ms, and of how many children at once. */
const metricsInterval = 250;
const mostChildrenATime = 500;

const defaultDrainTimeout = 30_000;

/** The worker sides of one worker. */
export class WorkerSides {
  /** The taps of the plugins. */
  readonly stages = new Stages();
  /** The plugin that is starting, or was the last to start. */
  starting: string | undefined;
  /** The lists of plugins of pools and routes. */
  readonly lists: ScopeLists<StartedWorkerSide>;
  private readonly options: WorkerSidesOptions;
  private readonly recorder = new MetricRecorder();
  private readonly surroundings: WorkerSurroundings;
  private readonly roles = new RolesByPool();
  private views: EntityViews;
  private stopMetrics: (() => void) | undefined;
  /** All that have not ended, in the order of their start. */
  private readonly running = new Set<StartedWorkerSide>();
  private readonly byName = new Map<string, Set<StartedWorkerSide>>();
  private isStarted = false;
  private isClosed = false;
  /** By the names of scopes, without the config's own. */
  private readonly placed = new Map<string, readonly StartedWorkerSide[]>();
  /** What lets nothing pass because of plugins of this worker, and because of the manager's, by the names of scopes. */
  private readonly ownHolds = new Map<string, Hold>();
  private readonly managersHolds = new Map<string, HoldChange>();
  private readonly unheard: { instance: string; message: unknown }[] = [];
  /** Plugins that wait for requests before they end. */
  private readonly patient = new Set<() => void>();

  constructor(options: WorkerSidesOptions) {
    this.options = options;
    this.views = new EntityViews({ lists: new Map(), source: options.rows, report: options.report });
    this.surroundings = {
      options,
      entitiesOf: ({ name, plugin }) => this.views.of(name, plugin.kind?.name),
      covers: (instance, pool) => this.roles.covers(instance, pool),
      openMetrics: (instance, log) => {
        this.startMetrics();
        return this.recorder.open(instance, log);
      },
      dropMetrics: metrics => this.recorder.drop(metrics),
      measureStages: stopwatch => this.stages.measure(stopwatch),
      listens: started => this.catchUp(started),
    };
    this.lists = new ScopeLists<StartedWorkerSide>(
      {
        start: instance => this.startLater(instance),
        check: (scope, started) => this.checkTogether(scope, started),
        place: (scope, started, hold) => this.place(scope, started, hold),
        end: started => this.endWhenQuiet(started),
      },
      options.defined ?? new DefinedPlugins(),
      (scope, problems) => options.onProblems?.(scope, problems),
    );
  }

  /**
   * Starts them in order, with operators' lists of scopes in place of the config's. Rejects with the first failure, after the
   * clean-ups of those that had started; PLUGIN_FAILED if a tap can never run. A plugin of an operator's list that does not
   * start is reported, and its scope responds with 503.
   */
  async start(
    instances: readonly PluginInstance[],
    listed: Iterable<Pick<ListChange, 'scope' | 'names'>> = [],
  ): Promise<void> {
    const lists = kindListsOf(instances);
    const { rows, report } = this.options;
    this.views = new EntityViews({ lists, source: rows, report });
    if (lists.size > 0) rows.use(lists, this.views);
    const others = [...listed];
    const changed = new Set(others.map(({ scope }) => scopeName(scope)));
    const configured = instances.filter(({ scope }) => !changed.has(scopeName(scope)));
    for (const instance of configured) this.roles.add(instance);
    try {
      const started = await this.startConfigured(configured);
      this.stages.check();
      for (const [scope, ofScope] of Map.groupBy(started, ({ instance }) => scopeName(instance.scope))) {
        const first = ofScope[0]?.instance.scope;
        if (scope === '' || first === undefined) continue;
        this.placed.set(scope, ofScope);
        this.lists.adopt(first, ofScope);
      }
    } catch (thrown) {
      await this.close();
      throw thrown;
    }
    this.isStarted = true;
    for (const { scope } of this.managersHolds.values()) this.activate(scope);
    for (const { scope, names } of others) await this.lists.want(scope, names, { isNew: false });
  }

  /**
   * Lets nothing pass through a scope that the manager holds. When the manager no longer does, requests pass once the list
   * that is active by then has started here.
   */
  async hold(change: HoldChange): Promise<void> {
    const { scope } = change;
    const name = scopeName(scope);
    if (change.hold === undefined) {
      const before = this.managersHolds.get(name);
      const turn = this.lists.turnOf(scope);
      if (turn !== undefined) await turn;
      // The manager may hold it again by now.
      if (this.managersHolds.get(name) !== before) return;
      this.managersHolds.delete(name);
    } else this.managersHolds.set(name, change);
    if (this.isStarted) this.activate(scope);
  }

  /**
   * Throws CONFIG_INVALID for a pool that has servers and no plugin that chooses among them. `listed`: the names of scopes
   * whose plugins an operator lists; a start does not fail because of these, nor because of what the manager holds.
   */
  refusePoolsWithoutBalancer(listed: ReadonlyMap<string, unknown> = new Map()): void {
    for (const pool of this.options.pools) {
      const name = `pool:${pool.name}`;
      if (listed.has(name) || this.managersHolds.has(name)) continue;
      if (pool.size === 0 || this.stages.of(undefined, pool).selectUpstream.taps.length > 0) continue;
      const why = `no plugin chooses among the servers of pool ${pool.name}; add a balancer such as roundRobin()`;
      throw new WeldrError('CONFIG_INVALID', `plugins: ${why}`, { field: 'plugins' });
    }
  }

  /** Runs the clean-ups, last in first out. */
  async close(): Promise<void> {
    this.isClosed = true;
    for (const proceed of this.patient) proceed();
    for (const started of [...this.running].reverse()) await this.end(started);
    await this.lists.ended();
    this.stopMetrics?.();
    this.sendMetrics(Number.POSITIVE_INFINITY);
  }

  /** Passes a message of the manager to the instance that it is for. */
  receive(instance: string, message: unknown): void {
    let isHeard = false;
    for (const started of this.byName.get(instance) ?? []) {
      if (!started.isListening) continue;
      isHeard = true;
      started.deliver(message);
    }
    if (isHeard) return;
    this.unheard.push({ instance, message });
    if (this.unheard.length > maxUnheard) this.unheard.shift();
  }

  private async startConfigured(instances: readonly PluginInstance[]): Promise<StartedWorkerSide[]> {
    const all: StartedWorkerSide[] = [];
    for (const instance of instances) {
      this.starting = instance.name;
      const started = this.make(instance);
      this.stages.add(started.entry);
      try {
        const { plugin, options, name } = instance;
        await startWithin(this.options, name, plugin.worker?.(started.side, options));
      } catch (thrown) {
        throw startFailure(instance.name, thrown);
      }
      all.push(started);
    }
    return all;
  }

  private make(instance: PluginInstance): StartedWorkerSide {
    const started = new StartedWorkerSide(instance, this.surroundings);
    this.running.add(started);
    const namesakes = this.byName.get(instance.name);
    if (namesakes === undefined) this.byName.set(instance.name, new Set([started]));
    else namesakes.add(started);
    return started;
  }

  // --- what comes and goes with lists --------------------------------------------------------------------------

  private async startLater(instance: PluginInstance): Promise<StartedWorkerSide> {
    if (this.isClosed) throw new WeldrError('CONFLICT', 'this worker is ending; another one takes its place');
    const started = this.make(instance);
    this.stages.watch(started.entry);
    try {
      const { plugin, options, name } = instance;
      const bounds = { ...this.options, longest: longestRunTimeStart };
      await startWithin(bounds, name, plugin.worker?.(started.side, options));
      return started;
    } catch (thrown) {
      await this.end(started);
      throw startFailure(instance.name, thrown);
    }
  }

  private checkTogether(scope: Scope, started: readonly StartedWorkerSide[]): void {
    const entries = started.map(({ entry }) => entry);
    this.stages.checkAll(entries);
    if (scope.kind !== 'pool') return;
    const pool = this.options.pools.get(scope.name);
    if (pool === undefined || pool.size === 0 || this.stages.choosesWith(entries)) return;
    const why = `no plugin would choose among the servers of pool ${scope.name}; list a balancer`;
    throw new WeldrError('INPUT_INVALID', `plugins: ${why}`, { field: 'plugins' });
  }

  private place(scope: Scope, started: readonly StartedWorkerSide[], hold: Hold | undefined): void {
    const name = scopeName(scope);
    for (const { instance } of this.placed.get(name) ?? []) this.roles.remove(instance);
    for (const { instance } of started) this.roles.add(instance);
    if (started.length === 0) this.placed.delete(name);
    else this.placed.set(name, started);
    if (hold === undefined) this.ownHolds.delete(name);
    else this.ownHolds.set(name, hold);
    this.activate(scope);
  }

  /** Has requests meet the plugins that are placed in a scope, or none of them while it is held. */
  private activate(scope: Scope): void {
    const name = scopeName(scope);
    const hold = this.ownHolds.get(name) ?? this.managersHolds.get(name)?.hold;
    const placed = this.placed.get(name) ?? [];
    const entries = hold === undefined ? placed.map(({ entry }) => entry) : [this.barrier(scope, hold)];
    this.stages.replace(scope, entries);
  }

  /** Blocks requests: plugins that are still starting, or cannot start, would not see them. */
  private barrier(scope: Scope, hold: Hold): StageEntry {
    const hooks = createHooks(this.options.report, 'start');
    const entry: StageEntry = { plugin: 'start', hooks, scope, role: undefined, conditions: [] };
    this.stages.watch(entry);
    const text = hold === 'starting' ? 'its plugins are being started' : 'one of its plugins is missing';
    hooks.request.tap('start', () => reply(503, `503 ${text}\n`, { 'Retry-After': '1' }));
    return entry;
  }

  /** Ends it after the requests that it has seen have finished. */
  private async endWhenQuiet(started: StartedWorkerSide): Promise<void> {
    const { clock, drainTimeout = defaultDrainTimeout } = this.options;
    const over = Promise.withResolvers<void>();
    const cancel = clock.after(drainTimeout, over.resolve);
    this.patient.add(over.resolve);
    void this.stages.epochs.quiet().then(over.resolve);
    await over.promise;
    this.patient.delete(over.resolve);
    cancel();
    await this.end(started);
  }

  private async end(started: StartedWorkerSide): Promise<void> {
    if (!this.running.delete(started)) return;
    const { name } = started.instance;
    const namesakes = this.byName.get(name);
    namesakes?.delete(started);
    if (namesakes?.size === 0) this.forget(name);
    await started.close();
  }

  private forget(name: string): void {
    this.byName.delete(name);
    const kept = this.unheard.filter(({ instance }) => instance !== name);
    this.unheard.splice(0, this.unheard.length, ...kept);
  }

  // --- lines to the manager --------------------------------------------------------------------------------------

  /** Most plugins count nothing: the first that does starts the timer. */
  private startMetrics(): void {
    this.stopMetrics ??= this.options.clock.every(metricsInterval, () => this.sendMetrics(mostChildrenATime));
  }

  private sendMetrics(most: number): void {
    const deltas = this.recorder.take(most);
    if (deltas !== undefined) this.options.send(metricsLine, deltas);
  }

  /** Passes waiting messages to a plugin that now listens. */
  private catchUp(started: StartedWorkerSide): void {
    const { name } = started.instance;
    for (let i = 0; i < this.unheard.length; ) {
      const waiting = this.unheard[i];
      if (waiting?.instance !== name) i++;
      else {
        this.unheard.splice(i, 1);
        started.deliver(waiting.message);
      }
    }
  }
}
