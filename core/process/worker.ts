// A worker: holds a replica of the pools, runs the worker sides of plugins, and proxies as its manager tells it to.
import type { SendHandle } from 'node:child_process';
import type { Logger } from 'pino';
import { describeError, toError, WeldrError } from '../errors.ts';
import type { Tracer } from '../explain/tracer.ts';
import { Listener } from '../http/accept/listener.ts';
import type { ProcessLog } from '../log/log.ts';
import { reportPluginError } from '../plugin/report-plugin-error.ts';
import { RowReplica } from '../plugin/row-replica.ts';
import type { HoldChange, ListChange } from '../plugin/run-time-plugins.ts';
import { WorkerSides } from '../plugin/worker-sides.ts';
import { Pools } from '../pool/pools.ts';
import type { ListenEntry } from '../settings/listen.ts';
import { poolSettingsOf, type Settings } from '../settings/settings.ts';
import { noConnections } from '../stages/connection-info.ts';
import { scopeName } from '../stages/scope.ts';
import { systemClock } from '../time/clock.ts';
import type { LoadedConfig, ReplayConfig } from './config-source.ts';
import { DrainWatch } from './drain-watch.ts';
import { exitCodeOf } from './exit-codes.ts';
import type { ManagerLink } from './links.ts';
import type { ManagerMessage, StartProblem } from './messages.ts';
import { watchStack } from './stack-watch.ts';

/** What a worker works with. */
export interface WorkerOptions {
  /** Its link to the manager. */
  readonly link: ManagerLink;
  readonly load: ReplayConfig;
  /** Loads what every config needs, ahead of the config. */
  prepare?(): void;
  /** Called when it can serve, before its manager is told. */
  loaded?(): void;
  /** Opens its log, once the level is known. */
  openLog(level: Settings['logLevel'], worker: number): WorkerLog | Promise<WorkerLog>;
}

/** The log of a worker. */
export type WorkerLog = Pick<ProcessLog, 'log' | 'forward'>;

type Message<T extends ManagerMessage['type']> = Extract<ManagerMessage, { type: T }>;

/** One worker; it lives from the first message to `link.end`. */
export class Worker {
  private readonly options: WorkerOptions;
  private readonly pools = new Pools();
  /** The rows of kinds that plugins own. */
  private readonly rows = new RowReplica();
  private readonly drains = new DrainWatch(this.pools, upstream =>
    this.options.link.send({ type: 'idle', pool: upstream.pool, id: upstream.id }),
  );
  private readonly sockets: { handle: SendHandle; entry: ListenEntry; address: string }[] = [];
  /** What is for the plugins, and arrived before they could start. */
  private readonly early: ((plugins: WorkerSides) => void)[] = [];
  /** Modules to warn about once the log is open. */
  private readonly unlogged: string[] = [];
  private number = 0;
  private revision = 0;
  private loading: Promise<LoadedConfig> | undefined;
  private log: Logger | undefined;
  private settings: Settings | undefined;
  private plugins: WorkerSides | undefined;
  private listener: Listener | undefined;
  private tls: Message<'tls'> | undefined;
  private tracer: Tracer | undefined;
  private ending = false;
  private watching = false;
  /** Work in progress that the manager asked for; none of it rejects. */
  private readonly underWay = new Set<Promise<void>>();
  /** The lists of plugins that operators set for pools and routes, by the names of their scopes. */
  private readonly lists = new Map<string, ListChange>();
  /** The lists that change while the plugins start, by the names of their scopes; undefined at other times. */
  private changedLists: Map<string, ListChange> | undefined;

  /** Starts listening to its manager. */
  constructor(options: WorkerOptions) {
    this.options = options;
    options.link.onMessage((message, socket) => this.receive(message, socket));
    options.link.onDisconnect(() => this.orphaned());
    options.link.beat(() => this.listener?.activeRequests ?? 0);
  }

  private receive(message: ManagerMessage, socket: SendHandle | undefined): void {
    switch (message.type) {
      case 'prepare':
        this.options.prepare?.();
        break;
      case 'start':
        this.load(message);
        break;
      case 'snapshot':
        void this.beforeFences(this.start(message));
        break;
      case 'changes':
        this.apply(message);
        break;
      case 'socket':
        this.sockets.push({ handle: socket, entry: message.entry, address: message.address });
        break;
      case 'tls':
        this.tls = withOthers(message);
        this.applyTls();
        break;
      case 'fence':
        void this.answerFence(message.fence);
        break;
      case 'listen':
        void this.listenWhenReady(message);
        break;
      case 'explain':
        void this.explain(message);
        break;
      case 'traces':
        void this.trace(message);
        break;
      case 'stage-plugins':
        void this.stage(message);
        break;
      case 'unstage-plugins':
        void this.plugins?.lists.abandon(message.scope);
        break;
      case 'plugin':
        this.withPlugins(plugins => plugins.receive(message.plugin, message.message));
        break;
      case 'watch-stack':
        this.watchStack();
        break;
      case 'wind-down':
        void this.windDown(message);
        break;
      case 'drain':
        void this.drain(message.timeoutMs);
        break;
    }
  }

  private load({ worker, vantage, config, overrides, recording }: Message<'start'>): void {
    this.number = worker;
    this.pools.lookFrom(vantage);
    const onUnrecorded = (path: string) => this.unrecorded(path);
    this.loading = this.options.load({ path: config, overrides, recording, onUnrecorded });
    // A failure is handled when the snapshot arrives.
    this.loading.catch(() => {});
  }

  private unrecorded(module: string): void {
    if (this.log === undefined) this.unlogged.push(module);
    else {
      this.log.warn(
        { module },
        'a module that was not imported when the manager read the config is read from the disk as it is now',
      );
    }
  }

  private async start(snapshot: Message<'snapshot'>): Promise<void> {
    const { settings } = snapshot;
    this.settings = settings;
    this.revision = snapshot.revision;
    for (const [name, said] of Object.entries(poolSettingsOf(settings))) {
      this.pools.ensure(name).setSettings(said);
    }
    this.pools.applyAll(snapshot.changes);
    for (const change of snapshot.lists) this.setList(change);
    for (const change of snapshot.holds ?? []) this.hold(change);
    this.rows.apply(snapshot.rows.map(row => ({ kind: row.kind, key: row.key, row })));
    try {
      const opened = await this.options.openLog(settings.logLevel, this.number);
      const { log } = opened;
      this.log = log;
      for (const module of this.unlogged.splice(0)) this.unrecorded(module);
      if (this.watching) watchStack(this.number, log);
      const config = await this.loading;
      if (config === undefined) throw new WeldrError('INTERNAL', 'a snapshot came before the start');
      await this.run(config, settings, opened);
      this.options.loaded?.();
      this.options.link.send({ type: 'loaded' });
    } catch (thrown) {
      this.fail(thrown);
    }
  }

  private async run(config: LoadedConfig, settings: Settings, opened: WorkerLog): Promise<void> {
    const { pools } = this;
    const { log } = opened;
    const report = reportPluginError(log);
    const plugins = new WorkerSides({
      worker: this.number,
      pools,
      rows: this.rows,
      log,
      writeLog: lines => opened.forward(lines),
      clock: systemClock,
      report,
      defined: config.defined,
      drainTimeout: settings.drainTimeout,
      onProblems: (scope, problems) => this.options.link.send({ type: 'problems', scope, problems }),
      connections: () => this.listener?.connectionCounts() ?? noConnections(),
      send: (plugin, message) => this.options.link.send({ type: 'plugin', plugin, message }),
    });
    this.plugins = plugins;
    for (const work of this.early.splice(0)) work(plugins);
    await this.startPlugins(plugins, config);
    plugins.refusePoolsWithoutBalancer(this.lists);
    this.drains.watch(plugins.stages, report);
    this.listener = new Listener({ stages: plugins.stages, pools, settings, log });
  }

  private apply(message: Message<'changes'>): void {
    if (message.after !== this.revision) {
      // Better to end than to be silently wrong: the replacement starts from a snapshot.
      this.fail(
        new WeldrError('INTERNAL', `the pools are at revision ${this.revision}, not ${message.after}`),
      );
      return;
    }
    this.revision = message.revision;
    this.pools.applyAll(message.changes);
    for (const change of message.changes) this.drains.changed(change);
    for (const change of message.lists) this.changeList(change);
    for (const change of message.holds ?? []) this.hold(change);
    // After the pools, which may be new.
    this.rows.apply(message.rows);
  }

  // --- the plugins of pools and routes -------------------------------------------------------------------------

  private async startPlugins(plugins: WorkerSides, config: LoadedConfig): Promise<void> {
    const first = [...this.lists.values()];
    this.changedLists = new Map();
    await plugins.start(config.plugins, first);
    for (const { scope, names } of this.changedLists.values()) {
      await plugins.lists.want(scope, names, { isNew: false });
    }
    this.changedLists = undefined;
  }

  private setList(change: ListChange): void {
    if (change.names === undefined) this.lists.delete(scopeName(change.scope));
    else this.lists.set(scopeName(change.scope), change);
  }

  private changeList(change: ListChange): void {
    this.setList(change);
    const { scope, names, isNew } = change;
    if (this.changedLists !== undefined) this.changedLists.set(scopeName(scope), change);
    else if (this.plugins !== undefined) {
      void this.beforeFences(this.plugins.lists.want(scope, names, { isNew }));
    }
  }

  private hold(change: HoldChange): void {
    this.withPlugins(plugins => void this.beforeFences(plugins.hold(change)));
  }

  private withPlugins(work: (plugins: WorkerSides) => void): void {
    if (this.plugins === undefined) this.early.push(work);
    else work(this.plugins);
  }

  private async stage({ round, scope, names }: Message<'stage-plugins'>): Promise<void> {
    try {
      await this.plugins?.lists.prepare(scope, names);
      this.options.link.send({ type: 'staged', round });
    } catch (thrown) {
      this.options.link.send({ type: 'staged', round, problem: problemOf(errorOf(thrown)) });
    }
  }

  private async explain({ question, request }: Message<'explain'>): Promise<void> {
    const { plugins, settings, pools, options } = this;
    try {
      if (plugins === undefined || settings === undefined || this.ending) {
        throw new WeldrError('CONFLICT', 'this worker takes no requests');
      }
      // Most workers never explain anything.
      const { explainInWorker } = await import('./worker-explanation.ts');
      const explanation = await explainInWorker({ stages: plugins.stages, pools, settings }, request);
      options.link.send({ type: 'explained', question, outcome: { explanation } });
    } catch (thrown) {
      options.link.send({ type: 'explained', question, outcome: { problem: problemOf(errorOf(thrown)) } });
    }
  }

  private async trace({ traces }: Message<'traces'>): Promise<void> {
    const { plugins, options } = this;
    if (plugins === undefined) return;
    // Most workers never trace anything.
    const { Tracer } = await import('../explain/tracer.ts');
    this.tracer ??= new Tracer({
      stages: plugins.stages,
      now: () => systemClock.monotonic(),
      deliver: (trace, explanation) => options.link.send({ type: 'traced', trace, explanation }),
    });
    this.tracer.want(traces);
  }

  /** Makes fences wait for work that a message from the manager started. */
  private async beforeFences(work: Promise<void>): Promise<void> {
    this.underWay.add(work);
    await work;
    this.underWay.delete(work);
  }

  /** Fences are answered in order: a later one also waits for what an earlier one waits for. */
  private async answerFence(fence: number): Promise<void> {
    if (this.underWay.size > 0) await Promise.all(this.underWay);
    this.options.link.send({ type: 'applied', fence });
  }

  private applyTls(): void {
    const { listener, tls } = this;
    if (tls !== undefined) listener?.changeTls(Buffer.from(tls.ticketKeys, 'base64'), tls.materials);
  }

  /** Waits, so that the first connection meets all plugins that are listed by then. */
  private async listenWhenReady(message: Message<'listen'>): Promise<void> {
    if (this.underWay.size > 0) await Promise.all(this.underWay);
    this.listen(message);
  }

  private listen({ own }: Message<'listen'>): void {
    const { listener } = this;
    if (listener === undefined || this.ending) return;
    try {
      this.applyTls();
      for (const address of own) listener.avoid(address);
      for (const { handle, entry, address } of this.sockets.splice(0)) {
        listener.avoid(address);
        listener.serve(handle, { ...entry, tls: this.tls?.materials[entry.name] });
      }
      this.options.link.send({ type: 'ready' });
    } catch (thrown) {
      this.fail(thrown);
    }
  }

  private watchStack(): void {
    if (this.watching) return;
    this.watching = true;
    if (this.log !== undefined) watchStack(this.number, this.log);
  }

  private async windDown({ round, step, addresses, withinMs }: Message<'wind-down'>): Promise<void> {
    await this.listener?.windDown(step, addresses, withinMs);
    this.options.link.send({ type: 'wound-down', round });
  }

  private async drain(timeoutMs: number): Promise<void> {
    if (this.ending) return;
    this.ending = true;
    try {
      const drained = this.listener?.drain(timeoutMs);
      this.options.link.send({ type: 'draining' });
      await drained;
    } catch (thrown) {
      this.log?.error({ err: thrown }, 'the drain failed');
    }
    await this.plugins?.close();
    this.options.link.end(0);
  }

  private orphaned(): void {
    if (this.ending) return;
    this.log?.warn('the manager is gone: finishing the requests in flight');
    void this.drain(this.settings?.drainTimeout ?? 0);
  }

  private fail(thrown: unknown): void {
    if (this.ending) return;
    this.ending = true;
    const error = errorOf(thrown);
    // The manager logs once why a start failed; the stack is for plugin authors.
    const level = error.blame === 'operator' || this.listener === undefined ? 'debug' : 'error';
    this.log?.[level]({ err: toError(thrown) }, 'the worker cannot continue');
    this.listener?.close();
    this.options.link.send({ type: 'failed', ...problemOf(error) });
    this.options.link.end(exitCodeOf(error));
  }
}

function errorOf(thrown: unknown): WeldrError {
  return thrown instanceof WeldrError
    ? thrown
    : new WeldrError('INTERNAL', describeError(thrown), { cause: thrown });
}

function problemOf({ code, message, field }: WeldrError): StartProblem {
  return { code, message, ...(field === undefined ? {} : { field }) };
}

/** Each listener also shows the certificates of the other listeners, for their names. */
function withOthers(message: Message<'tls'>): Message<'tls'> {
  const { materials, others } = message;
  const entries = Object.entries(materials).map(
    ([name, material]) => [name, { ...material, others }] as const,
  );
  return { ...message, materials: Object.fromEntries(entries) };
}
