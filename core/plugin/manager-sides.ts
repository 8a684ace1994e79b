// ManagerSides: the manager sides of a config's plugins, in the manager and in tests alike: started in order, closed
// backwards, with hooks and admin routes of their own, so that a reload swaps all of it at once.
import type { Logger } from 'pino';
import type { CertificateRegistry } from '../certificates/certificate-registry.ts';
import { PluginCertificates } from '../certificates/manager-certificates.ts';
import type { Clock } from '../clock.ts';
import type { ManagedPools } from '../pool/managed-pools.ts';
import { PluginPools } from '../pool/manager-pools.ts';
import { OperatorPools } from '../pool/operator-pools.ts';
import type { Overrides } from '../settings/settings.ts';
import type { ReportPluginError } from '../stages/request-hooks.ts';
import { AdminRoutes } from './admin.ts';
import { CleanUps } from './clean-ups.ts';
import { kindListsOf } from './kind-lists.ts';
import { KindViews } from './kind-views.ts';
import { createManagerHooks, type ManagerHooks } from './manager-hooks.ts';
import type { ManagerKinds } from './manager-kinds.ts';
import type { MetricDelta } from './metric-delta.ts';
import type { MetricFamily } from './metric-family.ts';
import type { MetricRecorder } from './metric-recorder.ts';
import type { MetricSums } from './metric-sums.ts';
import type { ManagerChannel, ManagerSide, ManagerStatus } from './plugin.ts';
import { covers, type PluginInstance } from './plugin-instance.ts';
import { startWithin } from './start-bound.ts';
import { startFailure } from './start-failure.ts';
import { metricsLine } from './worker-sides.ts';

/** What manager sides work with. */
export interface ManagerSidesOptions {
  readonly pools: ManagedPools;
  readonly kinds: ManagerKinds;
  readonly certificates: CertificateRegistry;
  readonly log: Logger;
  readonly clock: Clock;
  readonly status: ManagerStatus;
  readonly overrides: Overrides;
  /** What plugins keep over reloads, by the names of their instances. */
  readonly memory: Map<string, unknown>;
  /** What plugins have counted; it outlives reloads. */
  readonly sums: MetricSums;
  /** Is told what a plugin threw in a hook. */
  readonly report: ReportPluginError;
  reload(): Promise<void>;
  upgrade(): Promise<string>;
  /** The workers that can be sent to. */
  workers(): readonly number[];
  send(worker: number, instance: string, message: unknown): void;
}

type Listener = (message: unknown, worker: number) => void;

/** The manager sides of one config. */
export class ManagerSides {
  /** Where plugins listen. */
  readonly addresses: string[] = [];
  readonly hooks: ManagerHooks;
  readonly admin = new AdminRoutes();
  private readonly options: ManagerSidesOptions;
  private readonly cleanUps: CleanUps;
  private readonly listeners = new Map<string, Listener[]>();

  constructor(options: ManagerSidesOptions) {
    this.options = options;
    this.hooks = createManagerHooks(options.report);
    this.cleanUps = new CleanUps(options.clock, (plugin, error) =>
      options.log.error({ plugin, err: error }, 'the clean-up of a plugin failed'),
    );
  }

  /** Starts them in order. Rejects with the first failure, after the clean-ups of those that had started. */
  async start(instances: readonly PluginInstance[]): Promise<void> {
    this.options.sums.admit(instances.map(({ name }) => name));
    const recorder = this.options.sums.recordManager();
    const { kinds, report } = this.options;
    const views = new KindViews({ lists: kindListsOf(instances), source: kinds.source, report }, kinds);
    kinds.use(views);
    for (const instance of instances) {
      try {
        const side = this.side(instance, instances, recorder, views);
        await startWithin(this.options, instance.name, instance.plugin.manager?.(side, instance.options));
      } catch (thrown) {
        await this.close();
        throw startFailure(instance.name, thrown);
      }
    }
  }

  /** Runs the clean-ups, last in first out. */
  async close(): Promise<void> {
    await this.cleanUps.run();
    this.options.pools.releaseStore();
  }

  /** Hands a message of a worker to the instance that it is for. */
  receive(instance: string, message: unknown, worker: number): void {
    if (instance === metricsLine) {
      this.options.sums.add(worker, message as MetricDelta[]);
      return;
    }
    for (const listener of this.listeners.get(instance) ?? []) {
      try {
        listener(message, worker);
      } catch (thrown) {
        const facts = { plugin: instance, err: thrown };
        this.options.log.error(facts, 'a plugin failed on a message of a worker');
      }
    }
  }

  private side(
    instance: PluginInstance,
    all: readonly PluginInstance[],
    recorder: MetricRecorder,
    views: KindViews,
  ): ManagerSide {
    const { log, clock, status, overrides, report } = this.options;
    const { name, scope, plugin } = instance;
    const pools = new PluginPools({ pools: this.options.pools, instance: name, report });
    // The first to be added is the last to run: what the plugin says while it ends still counts.
    this.cleanUps.add(name, () => pools.close());
    const certificates = new PluginCertificates({
      registry: this.options.certificates,
      state: this.options.pools.state,
      instance: name,
      report,
    });
    this.cleanUps.add(name, () => certificates.close());
    const ownLog = log.child({ plugin: name });
    return {
      get metrics() {
        return recorder.of(name, ownLog);
      },
      metricFamilies: () => this.metricFamilies(all),
      hooks: this.hooks,
      pools,
      certificates,
      operator: new OperatorPools(this.options.pools, name),
      admin: this.admin,
      listensOn: address => void this.addresses.push(address),
      status,
      overrides,
      scope,
      clock,
      memory: this.memoryOf(instance),
      log: ownLog,
      covers: pool => covers(instance, all, pool),
      entities: views.of(name, plugin.kind?.name),
      kinds: views.kinds,
      showMore: more => views.showMore(name, more),
      onClose: fn => this.cleanUps.add(name, fn),
      reload: () => this.options.reload(),
      upgrade: () => this.options.upgrade(),
      channel: this.channel(name),
    };
  }

  private channel(instance: string): ManagerChannel<unknown, unknown> {
    const { options, listeners } = this;
    return {
      get workers() {
        return options.workers();
      },
      send: (worker, message) => options.send(worker, instance, message),
      broadcast: message => {
        for (const worker of options.workers()) options.send(worker, instance, message);
      },
      onMessage: listener => {
        const known = listeners.get(instance) ?? [];
        known.push(listener);
        listeners.set(instance, known);
      },
    };
  }

  /** The label with the instance's name stands only where a plugin stands more than once. */
  private metricFamilies(all: readonly PluginInstance[]): readonly MetricFamily[] {
    const repeated = new Set<string>();
    for (const [at, { plugin, name }] of all.entries()) {
      const twin = all.findIndex(other => other.plugin.name === plugin.name);
      if (twin !== at) repeated.add(name).add(all[twin]?.name ?? '');
    }
    return this.options.sums.collect(name => (repeated.has(name) ? name : undefined));
  }

  private memoryOf({ name, plugin }: PluginInstance): unknown {
    const { memory } = this.options;
    if (plugin.memory === undefined) return undefined;
    if (!memory.has(name)) memory.set(name, plugin.memory());
    return memory.get(name);
  }
}
