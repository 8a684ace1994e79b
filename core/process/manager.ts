// The manager: owns pools, config, listening sockets and workers; starts, reloads and stops all of it.
import { availableParallelism, hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { CertificateRegistry } from '../certificates/certificate-registry.ts';
import { describeError, WeldrError } from '../errors.ts';
import { EventLog } from '../events/event-log.ts';
import { coreSource, EventRecorder } from '../events/event-recorder.ts';
import { Problems } from '../events/problems.ts';
import type { LogOptions, ProcessLog } from '../log/log.ts';
import type { ManagerHooks } from '../plugin/manager-hooks.ts';
import { ManagerKinds } from '../plugin/manager-kinds.ts';
import { ManagerSides } from '../plugin/manager-sides.ts';
import { MetricSums } from '../plugin/metric-sums.ts';
import type { ManagerStatus, Reloads } from '../plugin/plugin.ts';
import { reportPluginError } from '../plugin/report-plugin-error.ts';
import { RunTimePlugins } from '../plugin/run-time-plugins.ts';
import { Traffic } from '../plugin/traffic.ts';
import { ManagedPools } from '../pool/managed-pools.ts';
import { subsetStart, type Vantage } from '../pool/vantage.ts';
import { type Overrides, poolSettingsOf, type Settings, serversOf } from '../settings/settings.ts';
import type { EffectiveChange } from '../state/effective-change.ts';
import { overviewOf, overviewText } from '../state/overview.ts';
import type { Batch } from '../state/row.ts';
import { systemClock } from '../time/clock.ts';
import { AddressRelease } from './address-release.ts';
import type { LoadConfig, LoadedConfig, RecordedConfig } from './config-source.ts';
import { Delivery } from './delivery.ts';
import { Explanations } from './explanations.ts';
import { HandOver, isHandingOver } from './hand-over.ts';
import type { HeldSockets } from './held-sockets.ts';
import type { WorkerLink } from './links.ts';
import { ListeningSockets } from './listening-sockets.ts';
import { liveStatus } from './manager-status.ts';
import type { ManagerMessage } from './messages.ts';
import { PluginPreparation } from './plugin-preparation.ts';
import type { ServiceState } from './service-manager.ts';
import { StateBroadcast } from './state-broadcast.ts';
import type { Predecessor, Successor } from './succession.ts';
import { TlsBroadcast } from './tls-broadcast.ts';
import { Traces } from './traces.ts';
import { WorkerGroup } from './worker-group.ts';

/** How long a manager that cuts everything waits for its plugins, ms. */
const cutTimeout = 1_000;
/** How long a reload waits for old workers to hear that they accept no more, ms. */
const acceptNoMoreTimeout = 5_000;
/** The most things that a line names. */
const maxNamed = 5;

/** What a manager works with. */
export interface ManagerOptions {
  /** The path of the config; what `load` gets. */
  readonly config: string;
  readonly overrides: Overrides;
  readonly load: LoadConfig;
  /** Starts a worker process. */
  spawn(): WorkerLink;
  /** A worker process that boots already, for a faster start; ended when it is not needed. */
  readonly firstWorker?: WorkerLink | undefined;
  /** Of this Weldr. */
  readonly version: string;
  /** Sockets to take where the config names their addresses. */
  readonly held?: HeldSockets | undefined;
  /** The process whose place this one takes. */
  readonly predecessor?: Predecessor | undefined;
  /** Starts a process that is to take this one's place, see {@link Successor}. Throws CONFLICT where none could. */
  spawnSuccessor?(follow: (batch: Batch) => Promise<void>): Successor;
  /** This process has nothing to do any more, as another one has taken its place. */
  onSucceeded?(): void;
  /** Told what this Weldr does, and a sentence about it. */
  onState?(state: ServiceState, text: string): void;
  /** Opens the log, once the level is known. */
  openLog(options: Pick<LogOptions, 'level' | 'file'>): Promise<ProcessLog>;
}

/** One Weldr: `start`, any number of `reload`s, `stop`. */
export class Manager {
  /** Facts about it, kept up to date. */
  readonly status: ManagerStatus;
  private readonly options: ManagerOptions;
  private readonly sockets: ListeningSockets;
  private readonly pools: ManagedPools;
  private readonly broadcast: StateBroadcast;
  private readonly kinds: ManagerKinds;
  private readonly certificates: CertificateRegistry;
  private readonly tls: TlsBroadcast;
  private readonly delivery: Delivery;
  private readonly addressRelease: AddressRelease;
  private readonly explanations: Explanations;
  private readonly traces: Traces;
  private readonly preparation: PluginPreparation;
  /** The plugins of lists that are made at run time. */
  private readonly runTime: RunTimePlugins;
  private readonly memory = new Map<string, unknown>();
  private readonly sums = new MetricSums();
  private readonly events = new EventLog(systemClock);
  private readonly problems = new Problems(systemClock);
  private readonly traffic = new Traffic();
  private readonly recorder: EventRecorder;
  private stopWatching: () => void = () => {};
  /** All groups that have processes; the one in charge is `group`. */
  private readonly groups = new Set<WorkerGroup>();
  private firstWorker: WorkerLink | undefined;
  private runLocal: ((config: LoadedConfig) => WorkerLink) | undefined;
  private keepAlive: NodeJS.Timeout | undefined;
  private processLog: ProcessLog | undefined;
  private group: WorkerGroup | undefined;
  private running: RecordedConfig | undefined;
  private restarts = 0;
  private reloads: Reloads = {
    succeeded: 0,
    failed: 0,
    lastSucceeded: true,
    lastSuccessAt: systemClock.now(),
  };
  private plugins: ManagerSides | undefined;
  private starting: Promise<void> | undefined;
  private reloading: Promise<void> | undefined;
  private queued: Promise<void> | undefined;
  private upgrading: Promise<string> | undefined;
  private isUp = false;
  private handOver: HandOver | undefined;
  /** Its plugins end, as another process takes over. */
  private leaving = false;
  private stopping: Promise<void> | undefined;
  private cutting = false;

  constructor(options: ManagerOptions) {
    this.options = options;
    this.sockets = new ListeningSockets(options.held);
    const { events, problems } = this;
    this.recorder = new EventRecorder({ events, problems, clock: systemClock });
    this.status = liveStatus({
      version: options.version,
      startedAt: systemClock.now(),
      sockets: this.sockets,
      groups: () => this.groups,
      group: () => this.group,
      config: () => this.running,
      isStopping: () => this.stopping !== undefined || this.leaving,
      workerRestarts: () => this.restarts,
      reloads: () => this.reloads,
      droppedLogLines: () => this.processLog?.dropped ?? 0,
    });
    const managed = this;
    this.preparation = new PluginPreparation({ clock: systemClock, group: () => this.group });
    this.runTime = new RunTimePlugins({
      workers: this.preparation,
      log: () => this.processLog?.log,
      onProblems: (scope, problems) => this.recorder.scopeProblems(scope, problems),
    });
    this.delivery = new Delivery({ clock: systemClock, log: () => this.log, groups: () => this.groups });
    this.addressRelease = new AddressRelease({
      clock: systemClock,
      log: () => this.log,
      groups: () => this.groups,
      doors: {
        shut: async addresses => await this.sockets.shut(addresses),
        open: async () => await this.sockets.reopen(),
      },
    });
    this.traces = new Traces({
      clock: systemClock,
      tell: message => {
        for (const group of this.groups) group.tellAll(message);
      },
    });
    this.explanations = new Explanations({
      clock: systemClock,
      workers: () => this.group?.readyNumbers ?? [],
      send: (worker, message) => this.group?.tellOne(worker, message),
    });
    this.pools = new ManagedPools({
      clock: systemClock,
      get drainTimeout() {
        return managed.group?.config.settings.drainTimeout ?? 0;
      },
      workers: () => this.workerNumbers(),
      tell: change => this.tellChange(change),
      takeover: backup => {
        const { pool, id, available } = backup;
        const text = available
          ? `backup ${id} steps in: no other server of pool ${pool} is active`
          : `backup ${id} steps back: pool ${pool} has other servers again`;
        this.processLog?.log[available ? 'warn' : 'info']({ pool, server: id }, text);
        this.recorder.backup(backup, text);
      },
      report: ({ kind, key }, problem) =>
        this.processLog?.log.error({ kind, key }, `what an operator said of ${kind} ${key}: ${problem}`),
      plugins: this.runTime.ofPools,
      settled: () => this.settled(),
    });
    this.broadcast = new StateBroadcast(this.pools, this.runTime, changes => {
      for (const group of this.groups) group.changes(changes);
    });
    this.kinds = new ManagerKinds({
      pools: this.pools,
      plugins: this.runTime,
      tell: change => this.tellChange(change),
    });
    this.certificates = new CertificateRegistry({
      state: this.pools.state,
      clock: systemClock,
      log: () => this.processLog?.log,
      tell: change => this.recorder.certificate(change),
    });
    this.tls = new TlsBroadcast({
      registry: this.certificates,
      clock: systemClock,
      log: () => this.log,
      groups: () => this.groups,
    });
    this.recorder.follow(this.pools);
    this.pools.observe({
      upstreamChanged: (upstream, before) => {
        if (before !== undefined) this.plugins?.hooks.upstreamChanged.call(upstream, before);
      },
    });
  }

  get log(): Logger {
    return this.openedLog.log;
  }

  private get openedLog(): ProcessLog {
    if (this.processLog === undefined) throw new Error('the log is opened by start()');
    return this.processLog;
  }

  /**
   * Reads the config, starts plugins and workers; resolves when all workers accept connections. Rejects with
   * CONFIG_INVALID, LISTEN_FAILED or PLUGIN_FAILED, after all that had started has ended.
   */
  async start(): Promise<void> {
    this.starting = this.startNow();
    await this.starting;
  }

  /**
   * Reads the config anew and replaces plugins and workers; resolves when the new workers accept connections and the
   * old ones do not any more, while these still finish their requests. Rejects with what is wrong with the new config,
   * and then the old one is in force as before. While one reload runs, one more waits; all who ask meanwhile get that
   * one's outcome. `by`: who asks for it.
   */
  async reload(by = 'a signal'): Promise<void> {
    if (this.queued !== undefined) return await this.queued;
    if (this.handOver !== undefined) throw isHandingOver();
    if (this.reloading !== undefined) {
      const before = this.reloading;
      this.queued = (async () => {
        await before.catch(() => {});
        this.queued = undefined;
        await this.reloadNow(by);
      })();
      return await this.queued;
    }
    await this.reloadNow(by);
  }

  /**
   * Has a process that is started anew, of whatever version is installed now, take this one's place, and ends when its
   * requests are finished. Resolves with the new version when that serves. Rejects with CONFLICT or UPGRADE_FAILED, and
   * then nothing has changed.
   */
  async upgrade(): Promise<string> {
    if (this.handOver !== undefined) throw isHandingOver();
    const isBusy = !this.isUp || this.stopping !== undefined || this.reloading !== undefined;
    if (isBusy || this.plugins === undefined || this.group === undefined) {
      throw new WeldrError(
        'CONFLICT',
        'this Weldr is starting, reloading or stopping; try again when it is not',
      );
    }
    const successor = this.options.spawnSuccessor?.(batch => this.follow(batch));
    if (successor === undefined) {
      throw new WeldrError(
        'CONFLICT',
        'only a Weldr that `weldr start` runs can be replaced by another process',
      );
    }
    const handOver = this.newHandOver(successor, this.plugins, this.group);
    this.handOver = handOver;
    this.upgrading = handOver.run();
    try {
      const version = await this.upgrading;
      this.stopping ??= this.leave();
      return version;
    } catch (thrown) {
      const reason = describeError(thrown);
      const text = `the upgrade failed, and changed nothing: ${reason}`;
      this.recorder.add({ type: 'upgrade.failed', severity: 'error', text, reason });
      throw thrown;
    } finally {
      this.handOver = undefined;
      this.upgrading = undefined;
    }
  }

  private newHandOver(successor: Successor, plugins: ManagerSides, group: WorkerGroup): HandOver {
    return new HandOver(successor, {
      log: this.log,
      version: this.options.version,
      sockets: () => this.sockets.asHeld(),
      heritage: () => ({
        ...this.pools.heritage,
        ticketKeys: this.tls.ticketKeys,
        events: this.events.heritage,
      }),
      closePlugins: async () => {
        this.leaving = true;
        this.runTime.release();
        await this.announce(hooks => hooks.stopping.promise(), group.config.settings.drainTimeout);
        await plugins.close();
        // The sockets go on in another process.
        await this.addressRelease.settled();
      },
      restorePlugins: async () => {
        this.leaving = false;
        await this.restorePlugins(group);
      },
    });
  }

  /** Ends what is left of a process whose place another one has. */
  private async leave(): Promise<void> {
    this.sockets.leave();
    await Promise.all([...this.groups].map(group => this.retire(group)));
    this.end();
    this.log.info('stopped: another process has taken over');
    this.options.onSucceeded?.();
  }

  /** Stops: hooks, workers (bounded by the config's drainTimeout), plugins. Resolves when nothing is left. */
  async stop(): Promise<void> {
    this.stopping ??= this.stopNow();
    await this.stopping;
  }

  /** Stops without waiting for requests, and for the plugins' clean-ups a second at most. */
  async cut(): Promise<void> {
    this.cutting = true;
    for (const group of this.groups) void group.kill();
    await Promise.race([this.stop(), sleep(cutTimeout)]);
  }

  private async startNow(): Promise<void> {
    this.firstWorker = this.options.firstWorker;
    this.firstWorker?.send({ type: 'prepare' });
    const config = await this.load();
    this.processLog = await this.options.openLog({
      level: config.settings.logLevel,
      file: config.settings.log.file,
    });
    this.tellWarnings(config);
    // Between the death of the last worker and its replacement nothing else may keep the process alive.
    this.keepAlive = setInterval(() => {}, 2 ** 30);
    const group = this.newGroup(config);
    const plugins = this.newPlugins(group);
    const opening = this.sockets.add(config.settings.listen);
    opening.catch(() => {});
    try {
      group.spawn();
      await this.inherit(opening);
      this.takeKinds(config);
      await plugins.start(config.plugins);
      // Before servers come, so that checks judge them from their first moment.
      await this.runTime.takeOver(plugins, config.defined);
      this.pools.setConfig(serversOf(config.settings), poolSettingsOf(config.settings));
      await this.runTime.settled();
      this.pools.retain(plugins.names);
      this.kinds.begin();
      this.running = config;
      this.takeOver(group, plugins);
      await Promise.all([group.load(), opening]);
      await group.listen();
      this.sockets.keepInherited();
    } catch (thrown) {
      this.plugins = undefined;
      await group.kill();
      await plugins.close();
      await opening.catch(() => {});
      this.end();
      throw thrown;
    }
    this.log.info({ listen: this.status.listen, workers: group.size, pid: process.pid }, 'listening');
    this.stopWatching = this.recorder.watch({
      storeIsAway: () => this.pools.state.stale,
      dangling: () => this.danglingText,
    });
    const since = this.options.predecessor === undefined ? '' : ', in place of the process before';
    const text = `Weldr ${this.options.version} serves at ${this.status.listen.join(', ')}${since}`;
    this.recorder.add({ type: 'manager.started', text });
    this.isUp = true;
    this.options.predecessor?.replace(this.options.version);
    for (const address of this.options.held?.addresses ?? []) {
      this.log.warn(
        `the service manager opened ${address}, and nobody answers there: no entry of listen has this address`,
      );
    }
    this.tellOverview();
    this.tellState('ready', `listening on ${this.status.listen.join(', ')}`);
    plugins.hooks.listening.call();
  }

  /** Has the process whose place this one takes let go of everything, once nothing is foreseen to go wrong here. */
  private async inherit(opening: Promise<void>): Promise<void> {
    const { predecessor } = this.options;
    if (predecessor === undefined) return;
    await opening;
    const { ticketKeys, events, ...heritage } = await predecessor.release();
    if (events !== undefined) this.events.inherit(events);
    this.pools.inherit(heritage);
    this.tls.inherit(ticketKeys);
    const { state } = this.pools;
    state.observe(changes => predecessor.tell({ by: 'the new process', at: systemClock.now(), changes }));
  }

  /** Resolves when what was changed is in force in all workers, those of a process whose place this one takes included. */
  private async settled(): Promise<void> {
    await this.runTime.settled();
    const [isFollowed] = await Promise.all([
      this.options.predecessor?.settled() ?? true,
      this.delivery.settled(),
    ]);
    if (!isFollowed) {
      this.log.warn('the old process does not react: its workers may still go by what was before');
    }
  }

  /** Goes by what was changed at the process that takes this one's place; resolves when all workers do. */
  private async follow(batch: Batch): Promise<void> {
    this.pools.state.follow(batch);
    await this.settled();
  }

  /** Of what another process has changed, that one tells. */
  private tellChange(change: EffectiveChange): void {
    if (this.leaving) return;
    const { text, ...facts } = change;
    this.processLog?.log.info(facts, text);
    this.recorder.changed(this.pools, change);
  }

  private tellState(state: ServiceState, text: string): void {
    this.options.onState?.(state, text);
  }

  private tellWarnings({ warnings }: RecordedConfig): void {
    for (const text of warnings) this.log.warn(text);
  }

  private takeKinds({ plugins, settings }: LoadedConfig): void {
    this.kinds.setConfig(
      plugins,
      settings.listen.map(({ name }) => name),
    );
  }

  private tellDangling(): void {
    const text = this.danglingText;
    if (text !== undefined) this.log.warn({ dangling: this.kinds.dangling.length }, text);
  }

  /** What leads nowhere, in one line; undefined: nothing. */
  private get danglingText(): string | undefined {
    const { dangling } = this.kinds;
    if (dangling.length === 0) return undefined;
    const named = dangling.slice(0, maxNamed).map(({ what, pools }) => `${what} to ${pools.join(' and ')}`);
    const more = dangling.length > maxNamed ? ', …' : '';
    return `pools that are not there are led to (${named.join(', ')}${more}): such requests are answered with 503`;
  }

  /** What of the config is not in force, and why, in one line. */
  private tellOverview(): void {
    this.tellDangling();
    const overview = overviewOf(this.pools.state);
    const text = overviewText(overview);
    if (text === undefined) return;
    const counts = Object.entries(overview).map(([standing, rows]) => [standing, rows.length]);
    this.log.info(Object.fromEntries(counts), text);
  }

  private async reloadNow(by: string): Promise<void> {
    this.tellState('reloading', 'reading the config');
    const done = this.replaceConfig(by);
    this.reloading = done;
    try {
      await done;
      this.reloads = {
        ...this.reloads,
        succeeded: this.reloads.succeeded + 1,
        lastSucceeded: true,
        lastSuccessAt: systemClock.now(),
      };
      this.recorder.reloaded(by);
      this.tellState('ready', `reloaded; listening on ${this.status.listen.join(', ')}`);
    } catch (thrown) {
      this.reloads = { ...this.reloads, failed: this.reloads.failed + 1, lastSucceeded: false };
      if (this.stopping === undefined) this.recorder.reloadFailed(describeError(thrown), by);
      this.tellState('ready', `the last reload changed nothing: ${describeError(thrown)}`);
      throw thrown;
    } finally {
      if (this.reloading === done) this.reloading = undefined;
    }
  }

  private async replaceConfig(by: string): Promise<void> {
    const { group: oldGroup, plugins: oldPlugins } = this;
    if (this.stopping !== undefined || oldGroup === undefined || oldPlugins === undefined) {
      throw new WeldrError('CONFLICT', 'this Weldr is stopping; there is nothing to reload');
    }
    const config = await this.load();
    const oldListen = oldGroup.config.settings.listen;
    const group = this.newGroup(config);
    let plugins: ManagerSides;
    try {
      group.spawn();
      await this.sockets.add(config.settings.listen);
      await group.load();
      if (this.stopping !== undefined) throw new WeldrError('CONFLICT', 'this Weldr was stopped meanwhile');
      plugins = await this.replacePlugins(oldGroup, oldPlugins, group);
    } catch (thrown) {
      await group.kill();
      this.groups.delete(group);
      this.sockets.keep(oldListen);
      throw thrown;
    }
    this.log.level = config.settings.logLevel;
    this.tellWarnings(config);
    if (config.settings.log.file !== oldGroup.config.settings.log.file) {
      this.log.warn('log.file has changed: it takes effect at the next start');
    }
    this.running = config;
    this.takeOver(group, plugins);
    oldGroup.deliverTo((...message) => plugins.receive(...message));
    this.takeKinds(config);
    this.pools.setConfig(serversOf(config.settings), poolSettingsOf(config.settings));
    await this.runTime.settled();
    this.pools.retain(plugins.names);
    this.problems.retain([coreSource, ...plugins.names]);
    this.sums.keep(plugins.names);
    await group.listen();
    void this.retire(oldGroup);
    await this.acceptNoMore(oldGroup);
    // Who connected to an address that is gone would wait for the old workers' end.
    this.sockets.keep(config.settings.listen);
    this.log.info({ by, listen: this.status.listen, workers: group.size }, 'reloaded');
    this.tellOverview();
    plugins.hooks.listening.call();
  }

  /** Exchanges the manager sides; when the new ones do not start, the old ones are started again. */
  private async replacePlugins(
    oldGroup: WorkerGroup,
    oldPlugins: ManagerSides,
    group: WorkerGroup,
  ): Promise<ManagerSides> {
    this.runTime.release();
    await oldPlugins.close();
    const plugins = this.newPlugins(group);
    try {
      await plugins.start(group.config.plugins);
      await this.runTime.takeOver(plugins, group.config.defined);
      return plugins;
    } catch (thrown) {
      await plugins.close();
      await this.restorePlugins(oldGroup);
      throw thrown;
    }
  }

  /** Starts the manager sides of a group again, which were closed in vain. */
  private async restorePlugins(group: WorkerGroup): Promise<void> {
    const restored = this.newPlugins(group);
    try {
      await restored.start(group.config.plugins);
      await this.runTime.takeOver(restored, group.config.defined);
      this.pools.retain(restored.names);
    } catch (thrown) {
      this.log.fatal(
        { err: thrown },
        'the plugins of the old config do not start again: requests are proxied, nothing else works',
      );
    }
    this.takeOver(group, restored);
  }

  private takeOver(group: WorkerGroup, plugins: ManagerSides): void {
    this.group = group;
    this.tls.takeOver(group.config);
    this.plugins = plugins;
    group.deliverTo((...message) => plugins.receive(...message));
  }

  /** Who connects after a reload meets the new config: no old worker accepts then. */
  private async acceptNoMore(oldGroup: WorkerGroup): Promise<void> {
    if (!(await settlesWithin(acceptNoMoreTimeout, oldGroup.stoppedAccepting()))) {
      this.log.warn('an old worker does not react: until it does, it may still accept connections');
    }
  }

  private async retire(group: WorkerGroup): Promise<void> {
    await group.drain(group.config.settings.drainTimeout);
    this.groups.delete(group);
  }

  private async stopNow(): Promise<void> {
    this.processLog?.log.info('stopping');
    this.recorder.add({ type: 'manager.stopping', text: 'Weldr stops, and finishes what is under way' });
    this.tellState('stopping', 'finishing what is under way');
    await this.endUnderWay();
    const timeout = this.group?.config.settings.drainTimeout ?? 0;
    if (!this.cutting) await this.announce(hooks => hooks.stopping.promise(), timeout);
    const ended = Promise.all(
      [...this.groups].map(group => (this.cutting ? group.kill() : group.drain(timeout))),
    );
    // They may be the service manager's, and go on.
    await this.addressRelease.settled();
    // Else who connects during the drain would wait in a backlog that nobody accepts from.
    this.sockets.keep([]);
    await ended;
    await this.plugins?.close();
    this.end();
    this.processLog?.log.info('stopped');
  }

  /** Waits for a start and for reloads, no longer than for a drain: then the workers that have not started are ended. */
  private async endUnderWay(): Promise<void> {
    await this.handOver?.cancel();
    const underWay = Promise.allSettled([this.starting, this.queued, this.reloading, this.upgrading]);
    const timeout = this.group?.config.settings.drainTimeout;
    if (timeout === undefined || (await settlesWithin(timeout, underWay))) {
      await underWay;
      return;
    }
    this.log.warn('the start of a worker takes too long for a Weldr that stops; it is ended');
    for (const group of this.groups) if (!group.loaded) void group.kill();
    await underWay;
  }

  private async announce(call: (hooks: ManagerHooks) => Promise<void>, timeoutMs: number): Promise<void> {
    try {
      await settlesWithin(timeoutMs, this.plugins && call(this.plugins.hooks));
    } catch (thrown) {
      this.log.error({ err: thrown }, 'a plugin failed while stopping');
    }
  }

  private end(): void {
    this.groups.clear();
    this.sockets.keep([]);
    this.tls.close();
    this.stopWatching();
    clearInterval(this.keepAlive);
  }

  /** Opens the log file anew, if there is one, and has plugins do so with theirs. */
  reopenLog(): void {
    this.processLog?.reopen();
    this.plugins?.hooks.reopenFiles.call();
  }

  private async load(): Promise<RecordedConfig> {
    const config = await this.options.load(this.options.config, this.options.overrides);
    this.tls.read(config);
    if (config.settings.workers === 0) await this.prepareLocal();
    return config;
  }

  /** The wire is not loaded into a manager that has processes for it. */
  private async prepareLocal(): Promise<void> {
    const [{ localWorker }, { Worker }] = await Promise.all([
      import('./local-worker.ts'),
      import('./worker.ts'),
    ]);
    this.runLocal = config =>
      localWorker(link => new Worker({ link, load: async () => config, openLog: () => this.openedLog }));
    this.firstWorker?.kill();
    this.firstWorker = undefined;
  }

  // --- the pieces ----------------------------------------------------------------------------------------------

  private newGroup(config: RecordedConfig): WorkerGroup {
    const { settings } = config;
    const local = settings.workers === 0;
    const spawned = new Set<number>();
    const count = settings.workers === 'auto' ? availableParallelism() : Math.max(1, settings.workers);
    const taken = [...this.groups].flatMap(other => other.reserved);
    const numbers = freeNumbers(count, taken);
    const start = subsetStart(settings.member, hostname());
    const group: WorkerGroup = new WorkerGroup({
      config,
      numbers,
      log: this.log,
      spawn: worker => {
        if (spawned.has(worker)) this.restarts++;
        spawned.add(worker);
        const vantage = { worker: numbers.indexOf(worker), workers: count, zone: settings.zone, start };
        return this.spawnWorker(worker, vantage, config);
      },
      greeting: () => this.greeting(settings),
      sockets: () => (local ? this.sockets.copies(settings.listen) : this.sockets.of(settings.listen)),
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
        if (this.traces.size > 0) group.tellOne(worker, this.traces.message);
        this.plugins?.hooks.workerReady.call(worker);
      },
      onExit: worker => {
        this.pools.workerGone(worker);
        this.sums.workerExited(worker);
        this.delivery.gone(worker);
        this.addressRelease.done(worker);
        this.explanations.gone(worker);
        this.preparation.gone(worker);
        this.runTime.workerGone(worker);
        this.plugins?.hooks.workerExited.call(worker);
      },
    });
    this.groups.add(group);
    return group;
  }

  /** Starts a worker; a replacement too gets what the manager read for its group, not the files of the day. */
  private spawnWorker(worker: number, vantage: Vantage, config: RecordedConfig): WorkerLink {
    const link = this.newWorker(config);
    const { config: path, overrides } = this.options;
    link.send({ type: 'start', worker, vantage, config: path, overrides, recording: config.recording });
    return link;
  }

  private newWorker(config: LoadedConfig): WorkerLink {
    const { runLocal, firstWorker } = this;
    if (config.settings.workers === 0 && runLocal !== undefined) return runLocal(config);
    this.firstWorker = undefined;
    return firstWorker ?? this.options.spawn();
  }

  private greeting(settings: Settings): ManagerMessage {
    this.broadcast.flush();
    return {
      type: 'snapshot',
      revision: this.pools.revision,
      changes: this.pools.snapshot(),
      rows: this.broadcast.rows,
      lists: this.runTime.all,
      settings: withoutServers(settings),
    };
  }

  /** What a worker gets last before its sockets. */
  private briefing(config: LoadedConfig): ManagerMessage[] {
    const tls = this.tls.message(config);
    return tls === undefined ? [this.delivery.fence] : [tls, this.delivery.fence];
  }

  private newPlugins(group: WorkerGroup): ManagerSides {
    const sides = new ManagerSides({
      events: this.events,
      problems: this.problems,
      traffic: this.traffic,
      pools: this.pools,
      kinds: this.kinds,
      certificates: this.certificates,
      log: this.log,
      clock: systemClock,
      report: reportPluginError(this.log),
      sums: this.sums,
      status: this.status,
      overrides: this.options.overrides,
      memory: this.memory,
      reload: by => this.reload(by),
      upgrade: () => this.upgrade(),
      explain: request => this.explanations.explain(request),
      traces: this.traces,
      defined: group.config.defined,
      onProblems: (scope, problems) => this.runTime.report(scope, problems),
      readyWorkers: () => group.readyNumbers,
      workers: () => group.numbers,
      send: (worker, plugin, message) => group.tell(worker, plugin, message),
    });
    this.recorder.followLeadership(sides.hooks);
    this.addressRelease.follow(sides.hooks);
    return sides;
  }

  private *workerNumbers(): Generator<number> {
    for (const group of this.groups) yield* group.numbers;
  }
}

/** Waits for `work`; false when it takes longer than that. Rejects with it. */
async function settlesWithin(ms: number, work: Promise<unknown> | undefined): Promise<boolean> {
  const late = Promise.withResolvers<boolean>();
  const timer = setTimeout(late.resolve, ms, false);
  try {
    return await Promise.race([Promise.resolve(work).then(() => true), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** The smallest numbers from 1 that no live worker has. */
function freeNumbers(count: number, taken: readonly number[]): number[] {
  const numbers: number[] = [];
  for (let number = 1; numbers.length < count; number++) if (!taken.includes(number)) numbers.push(number);
  return numbers;
}

/** What workers need of the settings: the servers reach them as pools. */
function withoutServers(settings: Settings): Settings {
  return {
    ...settings,
    servers: [],
    pools: Object.fromEntries(
      Object.entries(settings.pools).map(([name, pool]) => [name, { ...pool, servers: [] }]),
    ),
  };
}
