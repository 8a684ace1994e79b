// StartedWorkerSide: the worker side of one running plugin: its hooks, message listeners, metrics and clean-ups.
import type { Logger } from 'pino';
import { Route } from '../request/route.ts';
import { noConnections } from '../stages/connection-info.ts';
import { createHooks } from '../stages/request-hooks.ts';
import type { StageEntry } from '../stages/stage-entry.ts';
import type { Stopwatch } from '../stages/stopwatch.ts';
import { guardedReply } from '../stages/tap-guard.ts';
import { CleanUps } from './clean-ups.ts';
import type { Metrics } from './metrics.ts';
import type { WorkerSide } from './plugin.ts';
import type { PluginInstance } from './plugin-instance.ts';
import type { Entities } from './plugin-kind.ts';
import type { WorkerSidesOptions } from './worker-sides-options.ts';

type Listener = (message: unknown) => void;

/** What all plugins of a worker share. */
export interface WorkerSurroundings {
  readonly options: WorkerSidesOptions;
  covers(instance: PluginInstance, pool: string): boolean;
  entitiesOf(instance: PluginInstance): Entities;
  openMetrics(instance: string, log: Logger): Metrics;
  dropMetrics(metrics: Metrics): void;
  measureStages(stopwatch: Stopwatch): void;
  /** Called when the plugin begins to listen for the messages of its instance. */
  listens(started: StartedWorkerSide): void;
}

/** One plugin of one worker. */
export class StartedWorkerSide {
  readonly instance: PluginInstance;
  readonly entry: StageEntry;
  readonly side: WorkerSide;
  private readonly surroundings: WorkerSurroundings;
  private readonly cleanUps: CleanUps;
  private readonly listeners: Listener[] = [];
  private metrics: Metrics | undefined;

  constructor(instance: PluginInstance, surroundings: WorkerSurroundings) {
    this.instance = instance;
    this.surroundings = surroundings;
    const { log, clock, report } = surroundings.options;
    const { name, scope, conditions, plugin } = instance;
    this.cleanUps = new CleanUps(clock, (whose, error) =>
      log.error({ plugin: whose, err: error }, 'the clean-up of a plugin failed'),
    );
    const hooks = createHooks(report, name);
    this.entry = { plugin: name, hooks, scope, role: plugin.role, conditions };
    this.side = this.makeSide(hooks);
  }

  get isListening(): boolean {
    return this.listeners.length > 0;
  }

  /** Passes it a message of its manager side. */
  deliver(message: unknown): void {
    for (const listener of this.listeners) {
      try {
        listener(message);
      } catch (thrown) {
        const facts = { plugin: this.instance.name, err: thrown };
        this.surroundings.options.log.error(facts, 'a plugin failed on a message of its manager side');
      }
    }
  }

  /** Runs its clean-ups, last in first out. */
  async close(): Promise<void> {
    await this.cleanUps.run();
    if (this.metrics !== undefined) this.surroundings.dropMetrics(this.metrics);
  }

  private makeSide(hooks: WorkerSide['hooks']): WorkerSide {
    const { surroundings, instance, cleanUps } = this;
    const { worker, pools, log, clock, report, send } = surroundings.options;
    const { name, scope } = instance;
    const ownLog = log.child({ plugin: name });
    const metricsOf = (): Metrics => {
      this.metrics ??= surroundings.openMetrics(name, ownLog);
      return this.metrics;
    };
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
      writeLog: lines => surroundings.options.writeLog(lines),
      covers: pool => surroundings.covers(instance, pool),
      entities: surroundings.entitiesOf(instance),
      measureStages: stopwatch => surroundings.measureStages(stopwatch),
      connections: () => surroundings.options.connections?.() ?? noConnections(),
      onClose: fn => cleanUps.add(name, fn),
      route: (routeName, end, pattern) =>
        new Route(
          routeName,
          typeof end === 'function' ? guardedReply(end, { plugin: name, report }, name) : end,
          pattern,
        ),
      channel: {
        send: message => send(name, message),
        onMessage: listener => {
          this.listeners.push(listener);
          surroundings.listens(this);
        },
      },
    };
  }
}
