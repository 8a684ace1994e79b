// WorkerSides: the worker sides of a config's plugins, in a worker and in tests alike: started in order, closed
// backwards, each with its line to the manager.
import type { Logger } from 'pino';
import type { Clock } from '../clock.ts';
import { WeldrError } from '../errors.ts';
import type { Pools } from '../pool/pool.ts';
import { Route } from '../request/route.ts';
import { createHooks, type ReportPluginError } from '../stages/request-hooks.ts';
import { Stages } from '../stages/stages.ts';
import { guardedReply } from '../stages/tap-guard.ts';
import { CleanUps } from './clean-ups.ts';
import { EntityViews } from './entity-views.ts';
import { kindListsOf } from './kind-lists.ts';
import { MetricRecorder } from './metric-recorder.ts';
import type { Metrics } from './metrics.ts';
import type { WorkerSide } from './plugin.ts';
import { covers, type PluginInstance } from './plugin-instance.ts';
import type { RowReplica } from './row-replica.ts';
import { startWithin } from './start-bound.ts';
import { startFailure } from './start-failure.ts';

/** Messages to a plugin that may wait for its side to listen; the oldest are dropped over it. */
const maxUnheard = 1_000;

/** What worker sides work with. */
export interface WorkerSidesOptions {
  readonly worker: number;
  readonly pools: Pools;
  /** What operators said of kinds that plugins own. */
  readonly rows: RowReplica;
  readonly log: Logger;
  readonly clock: Clock;
  /** Is told what a plugin threw where no request can fail for it. */
  readonly report: ReportPluginError;
  /** Sends a message of an instance to its manager side. */
  send(instance: string, message: unknown): void;
}

/** How often the manager hears what was counted, ms, and of how many children at once. */
const metricsInterval = 250;
const mostChildrenATime = 500;
/** The line of the metrics, among those of the instances, none of which has this name. */
export const metricsLine = '';

type Listener = (message: unknown) => void;

/** The worker sides of one worker. */
export class WorkerSides {
  /** What the plugins have tapped. */
  readonly stages = new Stages();
  /** The plugin that is being started, or was the last to be. */
  starting: string | undefined;
  private readonly options: WorkerSidesOptions;
  private readonly cleanUps: CleanUps;
  private readonly recorder = new MetricRecorder();
  private countsMetrics = false;
  private readonly listeners = new Map<string, Listener[]>();
  private readonly unheard: { instance: string; message: unknown }[] = [];

  constructor(options: WorkerSidesOptions) {
    this.options = options;
    this.cleanUps = new CleanUps(options.clock, (plugin, error) =>
      options.log.error({ plugin, err: error }, 'the clean-up of a plugin failed'),
    );
  }

  /**
   * Starts them in order. Rejects with the first failure, after the clean-ups of those that had started; PLUGIN_FAILED
   * when a tap can never be asked.
   */
  async start(instances: readonly PluginInstance[]): Promise<void> {
    const lists = kindListsOf(instances);
    const { rows, report } = this.options;
    const views = new EntityViews({ lists, source: rows, report });
    if (lists.size > 0) rows.use(lists, views);
    for (const instance of instances) {
      this.starting = instance.name;
      try {
        const side = this.side(instance, instances, views);
        await startWithin(this.options, instance.name, instance.plugin.worker?.(side, instance.options));
      } catch (thrown) {
        await this.close();
        throw startFailure(instance.name, thrown);
      }
    }
    try {
      this.stages.check();
    } catch (thrown) {
      await this.close();
      throw thrown;
    }
  }

  /** Throws CONFIG_INVALID for a pool which has servers, and no plugin that chooses among them. */
  refusePoolsWithoutBalancer(): void {
    for (const pool of this.options.pools) {
      if (pool.size === 0 || this.stages.of(undefined, pool).selectUpstream.taps.length > 0) continue;
      const why = `no plugin chooses among the servers of pool ${pool.name}; add a balancer such as roundRobin()`;
      throw new WeldrError('CONFIG_INVALID', `plugins: ${why}`, { field: 'plugins' });
    }
  }

  /** Runs the clean-ups, last in first out. */
  async close(): Promise<void> {
    await this.cleanUps.run();
    this.sendMetrics(Number.POSITIVE_INFINITY);
  }

  /** Hands a message of the manager to the instance that it is for. */
  receive(instance: string, message: unknown): void {
    const listeners = this.listeners.get(instance);
    if (listeners === undefined) {
      this.unheard.push({ instance, message });
      if (this.unheard.length > maxUnheard) this.unheard.shift();
      return;
    }
    for (const listener of listeners) this.deliver(instance, listener, message);
  }

  private side(instance: PluginInstance, all: readonly PluginInstance[], views: EntityViews): WorkerSide {
    const { worker, pools, log, clock, report } = this.options;
    const { name, scope, conditions, plugin } = instance;
    const hooks = createHooks(report, name);
    const ownLog = log.child({ plugin: name });
    const metricsOf = (): Metrics => this.metricsOf(name, ownLog);
    this.stages.add({ plugin: name, hooks, scope, role: plugin.role, conditions });
    return {
      get metrics() {
        return metricsOf();
      },
      id: worker,
      hooks,
      pools,
      scope,
      clock,
      log: ownLog,
      covers: pool => covers(instance, all, pool),
      entities: views.of(name, plugin.kind?.name),
      onClose: fn => this.cleanUps.add(name, fn),
      route: (routeName, end) =>
        new Route(
          routeName,
          typeof end === 'function' ? guardedReply(end, { plugin: name, report }, name) : end,
        ),
      channel: {
        send: message => this.options.send(name, message),
        onMessage: listener => this.listen(name, listener),
      },
    };
  }

  /** Most plugins count nothing: the timer is started by the first that does. */
  private metricsOf(name: string, log: Logger): Metrics {
    if (!this.countsMetrics) {
      this.countsMetrics = true;
      const cancel = this.options.clock.every(metricsInterval, () => this.sendMetrics(mostChildrenATime));
      this.cleanUps.add('metrics', cancel);
    }
    return this.recorder.of(name, log);
  }

  private sendMetrics(most: number): void {
    const deltas = this.recorder.take(most);
    if (deltas !== undefined) this.options.send(metricsLine, deltas);
  }

  private listen(instance: string, listener: Listener): void {
    const known = this.listeners.get(instance);
    if (known === undefined) this.listeners.set(instance, [listener]);
    else known.push(listener);
    for (let i = 0; i < this.unheard.length; ) {
      const waiting = this.unheard[i];
      if (waiting?.instance !== instance) i++;
      else {
        this.unheard.splice(i, 1);
        this.deliver(instance, listener, waiting.message);
      }
    }
  }

  private deliver(instance: string, listener: Listener, message: unknown): void {
    try {
      listener(message);
    } catch (thrown) {
      const facts = { plugin: instance, err: thrown };
      this.options.log.error(facts, 'a plugin failed on a message of its manager side');
    }
  }
}
