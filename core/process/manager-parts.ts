// The parts of a manager, wired to each other: what outlives reloads, and the group and the plugins in charge.
import { CertificateRegistry } from '../certificates/certificate-registry.ts';
import { EventLog } from '../events/event-log.ts';
import { Problems } from '../events/problems.ts';
import { ManagerKinds } from '../plugin/manager-kinds.ts';
import { ManagerSides } from '../plugin/manager-sides.ts';
import { MetricSums } from '../plugin/metric-sums.ts';
import type { ManagerStatus } from '../plugin/plugin.ts';
import { reportPluginError } from '../plugin/report-plugin-error.ts';
import { RunTimePlugins } from '../plugin/run-time-plugins.ts';
import { Traffic } from '../plugin/traffic.ts';
import { ManagedPools } from '../pool/managed-pools.ts';
import { poolSettingsOf, type Settings, serversOf } from '../settings/settings.ts';
import type { EffectiveChange } from '../state/effective-change.ts';
import type { Batch } from '../state/row.ts';
import { systemClock } from '../time/clock.ts';
import { AddressRelease } from './address-release.ts';
import type { LoadedConfig, RecordedConfig } from './config-source.ts';
import { Delivery } from './delivery.ts';
import { EventRecorder } from './event-recorder.ts';
import { Explanations } from './explanations.ts';
import type { Lifecycle } from './lifecycle.ts';
import { ListeningSockets } from './listening-sockets.ts';
import { ManagerLog } from './manager-log.ts';
import type { ManagerOptions } from './manager-options.ts';
import { liveStatus } from './manager-status.ts';
import type { ManagerMessage } from './messages.ts';
import { PluginPreparation } from './plugin-preparation.ts';
import { ReloadCounts } from './reload-counts.ts';
import type { ServiceState } from './service-manager.ts';
import { StateBroadcast } from './state-broadcast.ts';
import { StateReport } from './state-report.ts';
import { TlsBroadcast } from './tls-broadcast.ts';
import { Traces } from './traces.ts';
import type { WorkerGroup } from './worker-group.ts';
import { type GroupSurroundings, WorkerGroups } from './worker-groups.ts';

/** What plugins can ask of the whole. */
export interface ManagerRequests {
  /** `by`: who or what asks for it. */
  reload(by?: string): Promise<void>;
  upgrade(): Promise<string>;
}

/** All that the phases of a manager work with. */
export class ManagerParts {
  readonly options: ManagerOptions;
  readonly lifecycle: Lifecycle;
  /** Facts about this Weldr, kept up to date. */
  readonly status: ManagerStatus;
  readonly processLog: ManagerLog;
  readonly sockets: ListeningSockets;
  readonly groups: WorkerGroups;
  readonly pools: ManagedPools;
  readonly kinds: ManagerKinds;
  readonly tls: TlsBroadcast;
  readonly addressRelease: AddressRelease;
  /** The plugins of lists that are made at run time. */
  readonly runTime: RunTimePlugins;
  readonly sums = new MetricSums();
  readonly events = new EventLog(systemClock);
  readonly problems = new Problems(systemClock);
  readonly recorder: EventRecorder;
  readonly report: StateReport;
  readonly reloads = new ReloadCounts(systemClock);
  /** The manager sides in charge; undefined before the first have started. */
  plugins: ManagerSides | undefined;
  /** The active config; undefined before the first. */
  config: RecordedConfig | undefined;
  private readonly requests: ManagerRequests;
  private readonly broadcast: StateBroadcast;
  private readonly certificates: CertificateRegistry;
  private readonly delivery: Delivery;
  private readonly explanations: Explanations;
  private readonly traces: Traces;
  private readonly preparation: PluginPreparation;
  private readonly traffic = new Traffic();
  private readonly memory = new Map<string, unknown>();
  private readonly endings: (() => void)[] = [];

  constructor(options: ManagerOptions, lifecycle: Lifecycle, requests: ManagerRequests) {
    this.options = options;
    this.lifecycle = lifecycle;
    this.requests = requests;
    const { events, problems } = this;
    const clock = systemClock;
    const log = () => this.processLog.log;
    const logIfOpen = () => this.processLog.logIfOpen;
    this.processLog = new ManagerLog(opening => options.openLog(opening));
    this.sockets = new ListeningSockets(options.held);
    this.recorder = new EventRecorder({ events, problems, clock });
    const groups = new WorkerGroups({
      process: options,
      log: () => this.processLog.process,
      surroundingsOf: config => this.surroundingsOf(config),
    });
    this.groups = groups;
    this.status = this.newStatus();
    this.preparation = new PluginPreparation({ clock, group: () => groups.inCharge });
    this.runTime = new RunTimePlugins({
      workers: this.preparation,
      log: logIfOpen,
      onProblems: (scope, found) => this.recorder.scopeProblems(scope, found),
    });
    this.delivery = new Delivery({ clock, log, groups: () => groups });
    this.addressRelease = this.newAddressRelease();
    this.traces = new Traces({ clock, tell: message => groups.tellAll(message) });
    this.explanations = new Explanations({
      clock,
      workers: () => groups.inCharge?.readyNumbers ?? [],
      send: (worker, message) => groups.inCharge?.tellOne(worker, message),
    });
    const tell = (change: EffectiveChange) => this.tellChange(change);
    this.pools = this.newPools(tell);
    this.broadcast = new StateBroadcast(this.pools, this.runTime, changes => {
      for (const group of groups) group.changes(changes);
    });
    this.kinds = new ManagerKinds({ pools: this.pools, plugins: this.runTime, tell });
    this.report = new StateReport({
      log: logIfOpen,
      recorder: this.recorder,
      pools: this.pools,
      kinds: this.kinds,
    });
    this.certificates = new CertificateRegistry({
      state: this.pools.state,
      clock,
      log: logIfOpen,
      tell: change => this.recorder.certificate(change),
    });
    this.tls = new TlsBroadcast({ registry: this.certificates, clock, log, groups: () => groups });
    this.recorder.follow(this.pools);
    this.pools.observe({
      upstreamChanged: (upstream, before) => {
        if (before !== undefined) this.plugins?.hooks.upstreamChanged.call(upstream, before);
      },
    });
  }

  /** Reads the config. Rejects with CONFIG_INVALID. */
  async load(): Promise<RecordedConfig> {
    const config = await this.options.load(this.options.config, this.options.overrides);
    this.tls.read(config);
    if (config.settings.workers === 0) await this.groups.prepareLocal();
    return config;
  }

  /** Makes the manager sides of a group's config, which do not run yet. */
  newPlugins(group: WorkerGroup): ManagerSides {
    const { log } = this.processLog;
    const sides = new ManagerSides({
      events: this.events,
      problems: this.problems,
      traffic: this.traffic,
      pools: this.pools,
      kinds: this.kinds,
      certificates: this.certificates,
      log,
      clock: systemClock,
      report: reportPluginError(log),
      sums: this.sums,
      status: this.status,
      overrides: this.options.overrides,
      memory: this.memory,
      reload: by => this.requests.reload(by),
      upgrade: () => this.requests.upgrade(),
      explain: request => this.explanations.explain(request),
      traces: this.traces,
      defined: group.config.defined,
      onProblems: (scope, problems) => this.runTime.report(scope, problems),
      onHold: (scope, hold) => this.runTime.hold(scope, hold),
      readyWorkers: () => group.readyNumbers,
      workers: () => group.numbers,
      send: (worker, plugin, message) => group.tell(worker, plugin, message),
    });
    this.recorder.followLeadership(sides.hooks);
    this.addressRelease.follow(sides.hooks);
    return sides;
  }

  /** Puts a group and its manager sides in charge. */
  takeOver(group: WorkerGroup, plugins: ManagerSides): void {
    this.groups.inCharge = group;
    this.tls.takeOver(group.config);
    this.plugins = plugins;
    group.deliverTo((...message) => plugins.receive(...message));
  }

  /** Starts the manager sides of a group again, after what they were closed for has failed. */
  async restorePlugins(group: WorkerGroup): Promise<void> {
    const restored = this.newPlugins(group);
    try {
      await restored.start(group.config.plugins);
      await this.runTime.takeOver(restored, group.config.defined);
      this.pools.retain(restored.names);
    } catch (thrown) {
      this.processLog.log.fatal(
        { err: thrown },
        'the plugins of the old config do not start again: requests are proxied, but nothing else works',
      );
    }
    this.takeOver(group, restored);
  }

  /** Sets the items of the plugins' kinds as a config defines them. */
  setKinds({ plugins, settings }: LoadedConfig): void {
    const listeners = settings.listen.map(({ name }) => name);
    this.kinds.setConfig(plugins, listeners);
  }

  /** Sets the servers and pools as a config defines them. Resolves when the plugins of lists that this starts are running. */
  async setPools({ settings }: LoadedConfig): Promise<void> {
    this.pools.setConfig(serversOf(settings), poolSettingsOf(settings));
    await this.runTime.settled();
  }

  /** Applies changes made at the process that replaces this one; resolves when all workers have applied them. */
  async follow(batch: Batch): Promise<void> {
    this.pools.state.follow(batch);
    await this.settled();
  }

  tellService(state: ServiceState, text: string): void {
    this.options.onState?.(state, text);
  }

  /** Tells the service manager that a start or reload is over; during a stop it knows that already. */
  tellReady(text: string): void {
    if (!this.lifecycle.isEnding) this.tellService('ready', text);
  }

  /** Runs a clean-up when everything else has ended. */
  atEnd(cleanUp: () => void): void {
    this.endings.push(cleanUp);
  }

  /** Ends what is left once workers and plugins have ended. */
  end(): void {
    this.groups.clear();
    this.sockets.keep([]);
    this.tls.close();
    for (const cleanUp of this.endings.splice(0)) cleanUp();
  }

  /** Resolves when all workers have applied all changes, including those of a process that this one replaces. */
  private async settled(): Promise<void> {
    await this.runTime.settled();
    const [isFollowed] = await Promise.all([
      this.options.predecessor?.settled() ?? true,
      this.delivery.settled(),
    ]);
    if (!isFollowed) {
      this.processLog.log.warn(
        'the old process does not react: its workers may not have applied the last changes',
      );
    }
  }

  /** Changes made by another process are reported there. */
  private tellChange(change: EffectiveChange): void {
    if (!this.lifecycle.isSucceeded) this.report.changed(change);
  }

  private newStatus(): ManagerStatus {
    return liveStatus({
      version: this.options.version,
      startedAt: systemClock.now(),
      sockets: this.sockets,
      groups: () => this.groups,
      group: () => this.groups.inCharge,
      config: () => this.config,
      isStopping: () => this.lifecycle.isEnding,
      workerRestarts: () => this.groups.restarts,
      reloads: () => this.reloads.now,
      droppedLogLines: () => this.processLog.dropped,
    });
  }

  private newAddressRelease(): AddressRelease {
    return new AddressRelease({
      clock: systemClock,
      log: () => this.processLog.log,
      groups: () => this.groups,
      doors: {
        shut: async addresses => await this.sockets.shut(addresses),
        open: async () => await this.sockets.reopen(),
      },
    });
  }

  private newPools(tell: (change: EffectiveChange) => void): ManagedPools {
    const { groups } = this;
    return new ManagedPools({
      clock: systemClock,
      get drainTimeout() {
        return groups.inCharge?.config.settings.drainTimeout ?? 0;
      },
      workers: () => groups.numbers(),
      tell,
      takeover: backup => this.report.takeover(backup),
      report: (row, problem) => this.report.unusable(row, problem),
      plugins: this.runTime.ofPools,
      settled: () => this.settled(),
    });
  }

  private surroundingsOf(config: RecordedConfig): GroupSurroundings {
    const { settings } = config;
    const isLocal = settings.workers === 0;
    return {
      greeting: () => this.greeting(settings),
      sockets: () => (isLocal ? this.sockets.copies(settings.listen) : this.sockets.of(settings.listen)),
      briefing: () => this.briefing(config),
      ownAddresses: () => this.plugins?.addresses ?? [],
      onIdle: (worker, pool, id) => this.pools.workerIdle(worker, pool, id),
      onApplied: (worker, fence) => this.delivery.applied(worker, fence),
      onStaged: (worker, round, problem) => this.preparation.answered(worker, round, problem),
      onExplained: (worker, question, outcome) => this.explanations.answered(worker, question, outcome),
      onTraced: (worker, trace, explanation) => this.traces.take(worker, trace, explanation),
      onWoundDown: (worker, round) => this.addressRelease.done(worker, round),
      onProblems: (worker, scope, problems) => this.runTime.report(scope, problems, worker),
      tell: event => this.recorder.add(event),
      onReady: worker => {
        if (this.traces.size > 0) this.groups.tellOne(worker, this.traces.message);
        this.plugins?.hooks.workerReady.call(worker);
      },
      onExit: worker => this.workerExited(worker),
    };
  }

  private workerExited(worker: number): void {
    this.pools.workerGone(worker);
    this.sums.workerExited(worker);
    this.delivery.gone(worker);
    this.addressRelease.done(worker);
    this.explanations.gone(worker);
    this.preparation.gone(worker);
    this.runTime.workerGone(worker);
    this.plugins?.hooks.workerExited.call(worker);
  }

  /** What a worker gets before its plugins start. */
  private greeting(settings: Settings): ManagerMessage {
    this.broadcast.flush();
    return {
      type: 'snapshot',
      revision: this.pools.revision,
      changes: this.pools.snapshot(),
      rows: this.broadcast.rows,
      lists: this.runTime.all,
      holds: this.runTime.holds,
      settings: withoutServers(settings),
    };
  }

  /** What a worker gets last before its sockets. */
  private briefing(config: LoadedConfig): ManagerMessage[] {
    const tls = this.tls.message(config);
    return tls === undefined ? [this.delivery.fence] : [tls, this.delivery.fence];
  }
}

/** The settings that workers need: the servers reach them as pools. */
function withoutServers(settings: Settings): Settings {
  return {
    ...settings,
    servers: [],
    pools: Object.fromEntries(
      Object.entries(settings.pools).map(([name, pool]) => [name, { ...pool, servers: [] }]),
    ),
  };
}
