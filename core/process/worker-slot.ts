// A slot for a worker: starts a process in it, and another one when it dies, with growing pauses in a crash loop.
import type { Logger } from 'pino';
import { WeldrError } from '../errors.ts';
import type { NewEvent, Severity } from '../events/event.ts';
import { backOff } from '../time/back-off.ts';
import { type CancelTimer, type Clock, systemClock } from '../time/clock.ts';
import { Heartbeat, hungAfter, hungStartAfter } from './heartbeat.ts';
import type { WorkerLink } from './links.ts';
import type { ListeningSocket } from './listening-sockets.ts';
import type { ManagerMessage, WorkerMessage } from './messages.ts';
import { processState } from './process-state.ts';

/** A worker that was ready for less than this counts as failed, in ms. */
const shortLife = 1_000;
/** The wait before the second replacement in a crash loop; it doubles with each. */
const firstBackoff = 100;
const longestBackoff = 10_000;
/** How long a drain may exceed its limit before the process is killed, in ms. */
const drainGrace = 5_000;

/** What a slot works with. */
export interface WorkerSlotOptions {
  /** The number of its workers. */
  readonly number: number;
  readonly log: Logger;
  readonly clock?: Clock;
  /** Starts a process, and has it load the config. */
  spawn(): WorkerLink;
  /** Sends a new process what it needs before its plugins start: `snapshot`. */
  greet(slot: WorkerSlot): void;
  /** Returns the sockets to listen on; called for each process. */
  sockets(): Promise<readonly ListeningSocket[]> | readonly ListeningSocket[];
  /** What a worker needs before it accepts connections. */
  briefing(): readonly ManagerMessage[];
  ownAddresses(): readonly string[];
  onMessage(
    slot: WorkerSlot,
    message: Extract<
      WorkerMessage,
      { type: 'plugin' | 'idle' | 'applied' | 'explained' | 'traced' | 'staged' | 'problems' | 'wound-down' }
    >,
  ): void;
  onReady(slot: WorkerSlot): void;
  onExit(slot: WorkerSlot): void;
  /** Called when its process hangs, before it is killed. */
  onHung(slot: WorkerSlot): void;
  /** Receives events about its processes. */
  tell?(event: NewEvent): void;
}

/** `starting` until loaded, `loaded` until it listens, `ready`, `draining` to its end; `ended` between processes. */
export type WorkerState = 'starting' | 'loaded' | 'ready' | 'draining' | 'ended';

/** One worker and its replacements. */
export class WorkerSlot {
  readonly number: number;
  state: WorkerState = 'ended';
  private readonly options: WorkerSlotOptions;
  private readonly clock: Clock;
  private link: WorkerLink | undefined;
  private readonly firstLoad = Promise.withResolvers<void>();
  private readonly firstReady = Promise.withResolvers<void>();
  private readonly closed = Promise.withResolvers<void>();
  private readonly over = Promise.withResolvers<void>();
  /** Whether it is replaced when it dies: only after a first process has loaded, because before that the whole start fails. */
  private replacing = false;
  private serving = false;
  private leaving = false;
  private failure: WeldrError | undefined;
  private readySince: number | undefined;
  private shortLives = 0;
  private cancelRestart: CancelTimer | undefined;
  private cancelKill: CancelTimer | undefined;
  private heartbeat: Heartbeat | undefined;
  /** Requests in flight at the last beat. */
  private requests = 0;
  private stackWatched = false;
  /** Whether this process was told to accept connections. */
  private listens = false;

  constructor(options: WorkerSlotOptions) {
    this.options = options;
    this.number = options.number;
    this.clock = options.clock ?? systemClock;
    this.firstLoad.promise.catch(() => {});
  }

  /** The running process; undefined between two. */
  get pid(): number | undefined {
    return this.link?.pid;
  }

  /** Whether it accepts connections and reacts. */
  get ready(): boolean {
    return this.state === 'ready' && this.heartbeat?.silent !== true;
  }

  /** Whether it accepts connections, as far as is known, but does not react. */
  get silent(): boolean {
    return this.state === 'ready' && this.heartbeat?.silent === true;
  }

  /** Whether requests may reach it and it reacts. True also before it reports ready, and while it drains. */
  get serves(): boolean {
    return this.listens && this.heartbeat?.silent !== true;
  }

  /** Starts the process early, so that it boots before the manager is ready to greet it. */
  spawn(): void {
    if (this.link !== undefined || this.leaving) return;
    const link = this.options.spawn();
    this.link = link;
    this.state = 'starting';
    this.failure = undefined;
    this.readySince = undefined;
    this.requests = 0;
    this.stackWatched = false;
    if (link.beats) this.heartbeat = this.newHeartbeat();
    link.onMessage(message => this.receive(message));
    link.onExit(how => this.exited(how));
  }

  /** Has it start its plugins. Rejects with what is wrong with the config or a plugin, and then it is not replaced. */
  async load(): Promise<void> {
    this.spawn();
    this.options.greet(this);
    await this.firstLoad.promise;
  }

  /** Has it accept connections; resolves when it does, or when it has died in the attempt and is being replaced. */
  async listen(): Promise<void> {
    this.serving = true;
    await this.giveSockets();
    await this.firstReady.promise;
  }

  /** Resolves when a draining worker accepts no more connections, or has ended. */
  async stoppedAccepting(): Promise<void> {
    await Promise.race([this.closed.promise, this.over.promise]);
  }

  /** Has it finish its requests, and waits for its end. It is not replaced. */
  async drain(timeoutMs: number): Promise<void> {
    if (!this.leaving) {
      this.leave();
      if (this.link === undefined) this.over.resolve();
      else {
        this.state = 'draining';
        this.send({ type: 'drain', timeoutMs });
        this.cancelKill = this.clock.after(timeoutMs + drainGrace, () => {
          this.options.log.error({ worker: this.number }, 'the worker does not end; it is killed');
          this.link?.kill();
        });
      }
    }
    await this.over.promise;
  }

  /** Kills it, and waits for its end. It is not replaced. */
  async kill(): Promise<void> {
    this.leave();
    if (this.link === undefined) this.over.resolve();
    else this.link.kill();
    await this.over.promise;
  }

  send(message: ManagerMessage): void {
    this.link?.send(message);
  }

  /** Has this process watch its main thread, so that its stack is known if it hangs. */
  watchStack(): void {
    if (this.stackWatched || this.link === undefined) return;
    this.stackWatched = true;
    this.send({ type: 'watch-stack' });
  }

  private leave(): void {
    this.leaving = true;
    this.cancelRestart?.();
    this.firstReady.resolve();
    this.firstLoad.reject(new WeldrError('INTERNAL', `worker ${this.number} was ended before it was loaded`));
  }

  /**
   * A hanging process is killed in every state, even while it drains: it cannot finish a request. Only a start gets more time.
   */
  private newHeartbeat(): Heartbeat {
    const { log } = this.options;
    const facts = (silentMs: number) => ({
      worker: this.number,
      pid: this.pid,
      silentMs: Math.round(silentMs),
    });
    const heartbeat: Heartbeat = new Heartbeat({
      clock: this.clock,
      hungAfter: () => (this.state === 'starting' ? hungStartAfter : hungAfter),
      onSilent: () => {
        if (this.state === 'starting') return;
        const { requests } = this;
        log.warn(
          { ...facts(heartbeat.silentMs), requests, process: processState(this.pid) },
          'a worker does not react; it counts as not ready',
        );
        this.tell('silent', 'warning', 'does not react, and counts as not ready');
      },
      onHeard: silentMs => {
        if (this.state === 'starting') return;
        log.info(
          facts(silentMs),
          this.ready ? 'the worker reacts again; it is ready' : 'the worker reacts again',
        );
        this.tell('heard', 'info', 'reacts again');
      },
      onHung: silentMs => this.hung(facts(silentMs)),
    });
    return heartbeat;
  }

  private hung(facts: object): void {
    const { log } = this.options;
    const { pid, requests } = this;
    const during = this.state === 'starting' ? ' while it loaded the config and started its plugins' : '';
    const limit = (this.state === 'starting' ? hungStartAfter : hungAfter) / 1_000;
    const why = `worker ${this.number} did not react for ${limit} s${during}, and was killed`;
    log.error(
      { ...facts, requests, process: processState(pid) },
      this.stackWatched
        ? 'the worker hangs and is killed; if it is computing, its stack is in a line of its own before this one'
        : 'the worker hangs and is killed; there is no stack of it, but there will be one of the next worker that hangs',
    );
    this.failure = new WeldrError('PLUGIN_FAILED', why);
    this.tell('hung', 'error', `did not react for ${limit} s${during}, and is killed`);
    this.options.onHung(this);
    this.link?.kill();
  }

  private receive(message: WorkerMessage): void {
    this.heartbeat?.heard();
    switch (message.type) {
      case 'beat':
        this.requests = message.requests;
        break;
      case 'loaded':
        if (this.state === 'starting') this.state = 'loaded';
        this.replacing = true;
        this.firstLoad.resolve();
        if (this.serving && !this.leaving) void this.giveSockets();
        break;
      case 'ready':
        if (this.leaving) break;
        this.state = 'ready';
        this.readySince = this.clock.monotonic();
        this.firstReady.resolve();
        this.tell('ready', 'info', 'accepts requests');
        this.options.onReady(this);
        break;
      case 'failed':
        this.failure = new WeldrError(
          message.code,
          message.message,
          message.field === undefined ? {} : { field: message.field },
        );
        break;
      case 'draining':
        this.closed.resolve();
        break;
      default:
        this.options.onMessage(this, message);
    }
  }

  private async giveSockets(): Promise<void> {
    const { link } = this;
    for (const message of this.options.briefing()) link?.send(message);
    for (const { address, listen, handle } of await this.options.sockets()) {
      link?.send(
        {
          type: 'socket',
          address,
          entry: {
            name: listen.name,
            kind: listen.target.kind,
            http2: listen.http2,
            proxyProtocol: listen.proxyProtocol,
          },
        },
        handle,
      );
    }
    link?.send({ type: 'listen', own: this.options.ownAddresses() });
    this.listens = link !== undefined && link === this.link;
  }

  private exited(how: string): void {
    const { log } = this.options;
    const { failure } = this;
    this.link = undefined;
    this.listens = false;
    this.state = 'ended';
    this.heartbeat?.stop();
    this.heartbeat = undefined;
    this.cancelKill?.();
    this.firstReady.resolve();
    this.options.onExit(this);
    if (this.leaving) {
      if (this.replacing) this.tell('ended', 'info', 'has ended');
      this.over.resolve();
      return;
    }
    const why = failure === undefined ? how : failure.message;
    if (!this.replacing) {
      this.leaving = true;
      this.over.resolve();
      this.firstLoad.reject(
        failure ?? new WeldrError('INTERNAL', `worker ${this.number} ended before it was ready: ${how}`),
      );
      return;
    }
    const wait = this.backoff();
    log.error({ worker: this.number, why, replacedInMs: wait }, 'a worker died; it is replaced');
    this.tell('died', 'error', `died, and is replaced: ${why}`, why);
    this.cancelRestart = this.clock.after(wait, () => {
      this.spawn();
      this.options.greet(this);
    });
  }

  private tell(happened: string, severity: Severity, what: string, reason?: string): void {
    const { number: worker } = this;
    const text = `worker ${worker} ${what}`;
    this.options.tell?.({ type: `worker.${happened}`, severity, text, worker, reason });
  }

  /** 0 after a life of a second; else 0, 100, 200, … to 10,000 ms. */
  private backoff(): number {
    const lived = this.readySince === undefined ? 0 : this.clock.monotonic() - this.readySince;
    if (lived >= shortLife) this.shortLives = 0;
    else this.shortLives++;
    if (this.shortLives <= 1) return 0;
    return backOff(this.shortLives - 1, firstBackoff, longestBackoff);
  }
}
