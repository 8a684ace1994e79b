// HolderClient: the manager's side of its holder process: starts it, sends it orders and signs of life, and starts another one when it
// dies or hangs.
import { type ChildProcess, fork } from 'node:child_process';
import type { Logger } from 'pino';
import { WeldrError } from '../../core/errors.ts';
import type { Leadership, LeadershipNeed } from '../../core/plugin/manager-hooks.ts';
import { siblingModule } from '../../core/process/sibling-module.ts';
import type { CancelTimer, Clock } from '../../core/time/clock.ts';
import type { FloatingAddress } from './address.ts';
import type { AddressObserver } from './address-holder.ts';
import type { FenceKind, HolderArguments, Order, Report } from './orders.ts';

/** The interval of signs of life that watchdog.ts expects, ms. */
const heartbeat = 100;
/** A process that has not carried out an order after this time hangs, ms; it ends its own commands sooner. */
const longestOrder = 2500;
/** How often to look for a new process, ms. */
const retryDelay = 20;
/** The time between two starts, ms. */
const restartDelay = 200;
/** The longest start, ms. The first process checks the machine, which its successors need not. */
const longestStart = { first: 20_000, again: 5000 } as const;

/**
 * The time that a leadership has to last so that an address can be held, ms. With nftables: 100 for lateness, 240 for a ticket, 510
 * until the next renewal has come through. Otherwise: 1000 of `valid_lft`, 1050 for lateness, 50 for the command, 177 for a late
 * renewal.
 */
export const needs: Readonly<Record<FenceKind, number>> = { nft: 850, valid_lft: 2277 };

/** What a {@link HolderClient} is made of. */
export interface HolderClientOptions {
  readonly addresses: readonly FloatingAddress[];
  readonly interface: string;
  readonly log: Logger;
  readonly clock: Clock;
}

type Answer = Report & { type: 'done' };

/** The client for one set of addresses; it outlives reloads. */
export class HolderClient {
  private readonly options: HolderClientOptions;
  private child: ChildProcess | undefined;
  private fence: FenceKind = 'valid_lft';
  private isReady = false;
  private isHolding = false;
  /** By when no process has the addresses, monotonic ms; 0: they are gone. */
  private goneBy = 0;
  private ending = false;
  private order = 0;
  private readonly pending = new Map<number, (answer: Answer | undefined) => void>();
  private cancelHeartbeat: CancelTimer | undefined;
  private session: string | undefined;
  private streaks = 0;
  /** The leadership that the process has ended: nothing is held for it any more. */
  private closed: string | undefined;
  /** When a process died, monotonic ms: its successor may hold only what was confirmed after that. */
  private trustFrom = Number.NEGATIVE_INFINITY;
  /** Why there is no process, when there should be one. */
  private trouble: string | undefined;
  /** Why the process does not hold the addresses, though it should. */
  private complaint: string | undefined;
  /** Receives changes; each config sets a new one. */
  observer: AddressObserver | undefined;

  constructor(options: HolderClientOptions) {
    this.options = options;
  }

  get holding(): boolean {
    return this.isHolding;
  }

  /** Why the addresses are not held, though they should be; undefined: they are, or should not be. */
  get whyNotHeld(): string | undefined {
    if (this.isHolding || this.cancelHeartbeat === undefined) return undefined;
    return this.objection ?? this.complaint;
  }

  /** The time that the addresses need of a leadership. */
  get need(): LeadershipNeed {
    return { by: 'floating-ip', ms: needs[this.fence] };
  }

  /** Why this node should not lead now; undefined: it may. */
  get objection(): string | undefined {
    if (this.closed !== undefined && this.closed === this.session) {
      return 'the manager was silent for too long, so its address was removed';
    }
    return this.trouble;
  }

  /** Starts the process. Rejects with CONFIG_INVALID when addresses cannot be held on this machine. */
  async start(): Promise<void> {
    const refusal = await this.launch({ again: false });
    if (refusal === undefined) return;
    await this.end();
    throw new WeldrError('CONFIG_INVALID', refusal.text, { field: refusal.field });
  }

  /** Holds the addresses for this leadership; resolves when that is done, or cannot be. */
  async hold({ until, asked = Number.POSITIVE_INFINITY, session, surrender }: Leadership): Promise<void> {
    if (this.ending) return;
    if (this.cancelHeartbeat === undefined) this.streaks++;
    const id = session ?? `leadership ${this.streaks}`;
    this.session = id;
    this.cancelHeartbeat ??= this.options.clock.every(heartbeat, () => this.send({ type: 'alive' }));
    // A process that ended the leadership and then died cannot refuse it: etcd must have confirmed the leadership since.
    if (!this.isReady || asked <= this.trustFrom || this.closed === id) return;
    // In this order, so that a delay between the two readings makes `until` earlier.
    const machine = Number(process.hrtime.bigint() / 1000n) / 1000;
    const offset = machine - this.options.clock.monotonic();
    this.goneBy = Math.max(this.goneBy, until);
    const answer = await this.ask(order => ({
      type: 'hold',
      order,
      session: id,
      until: until + offset,
      surrender,
    }));
    if (answer?.closed === true) this.close(id);
  }

  /**
   * Resolves when the addresses are gone: when a process has reported it, or the time given to the last one has passed. Not sooner,
   * because the next leader then need not wait.
   */
  async release(): Promise<void> {
    this.cancelHeartbeat?.();
    this.cancelHeartbeat = undefined;
    this.session = undefined;
    while (this.options.clock.monotonic() < this.goneBy) {
      if (this.isReady && !this.ending) {
        if ((await this.ask(order => ({ type: 'release', order }))) !== undefined) this.goneBy = 0;
      } else await new Promise<void>(resolve => this.options.clock.after(retryDelay, resolve));
    }
  }

  /** Releases the addresses, and ends the process. */
  async end(): Promise<void> {
    this.ending = true;
    this.cancelHeartbeat?.();
    this.cancelHeartbeat = undefined;
    const { child } = this;
    if (child === undefined) return;
    const gone = new Promise<void>(resolve => {
      child.once('exit', code => {
        // With this code it has let go of everything.
        if (code === 0) this.goneBy = 0;
        resolve();
      });
    });
    this.send({ type: 'end' });
    const cancel = this.options.clock.after(longestOrder, () => child.kill('SIGKILL'));
    await gone;
    cancel();
  }

  // --- the process -----------------------------------------------------------------------------------------------

  private async launch({
    again,
  }: {
    readonly again: boolean;
  }): Promise<(Report & { type: 'ready' })['refusal']> {
    const { addresses, interface: name, clock } = this.options;
    const started: HolderArguments = { addresses, interface: name, again };
    const child = fork(siblingModule('holder-process', import.meta.url), [JSON.stringify(started)], {
      // Its heap is small; Node would keep more than it needs.
      execArgv: ['--max-old-space-size=32', '--max-semi-space-size=1'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.child = child;
    child.unref();
    child.channel?.unref();
    const ready = Promise.withResolvers<(Report & { type: 'ready' })['refusal']>();
    child.on('message', (report: Report) => {
      if (report.type === 'ready') {
        this.fence = report.fence;
        this.isReady = report.refusal === undefined;
        if (this.isReady) this.trouble = undefined;
        ready.resolve(report.refusal);
      } else this.take(report);
    });
    child.on('error', error => this.lost(child, error.message, ready.resolve));
    child.on('exit', (code, signal) => {
      const lost = (): void => this.lost(child, `it ended with ${signal ?? code}`, ready.resolve);
      // Not before its last message is read: it may have ended the leadership.
      if (child.connected) child.once('disconnect', lost);
      else lost();
    });
    const cancel = clock.after(again ? longestStart.again : longestStart.first, () => child.kill('SIGKILL'));
    const refusal = await ready.promise;
    cancel();
    return refusal;
  }

  /** A process is gone. What it held runs out, unless another process continues soon. */
  private lost(
    child: ChildProcess,
    why: string,
    answer: (refusal: { text: string; field: string }) => void,
  ): void {
    if (this.child !== child) return;
    const { clock, log } = this.options;
    const wasReady = this.isReady;
    this.child = undefined;
    this.isReady = false;
    this.trustFrom = clock.monotonic();
    if (this.isHolding) this.reportHeld(false);
    for (const resolve of this.pending.values()) resolve(undefined);
    this.pending.clear();
    answer({
      text: `floating-ip: the process that holds the address is not running: ${why}`,
      field: 'address',
    });
    if (this.ending) return;
    log.error({ reason: why }, 'the process that holds the address is gone; starting another one');
    if (!wasReady) this.trouble = `the process that holds the address is not running (${why})`;
    clock.after(wasReady ? 0 : restartDelay, () => {
      if (!this.ending) void this.launch({ again: true });
    });
  }

  private take(report: Exclude<Report, { type: 'ready' }>): void {
    const { log } = this.options;
    if (report.type === 'log') log[report.level](report.fields, report.text);
    if (report.type === 'held') this.reportHeld(report.held);
    if (report.type === 'complaint') {
      this.complaint = report.text;
      this.observer?.complaint(report.text);
    }
    if (report.type === 'closed') this.close(report.session);
    if (report.type === 'done') {
      this.pending.get(report.order)?.(report);
      this.pending.delete(report.order);
    }
  }

  private close(session: string): void {
    if (this.closed === session) return;
    this.closed = session;
    this.options.log.error('the holder process has ended this leadership: this node steps down');
  }

  private reportHeld(isHeld: boolean): void {
    this.isHolding = isHeld;
    this.observer?.held(isHeld);
  }

  /** Sends an order; resolves with its answer, or undefined when the process died before that. One that hangs is killed. */
  private async ask(make: (order: number) => Order): Promise<Answer | undefined> {
    const order = ++this.order;
    const { promise, resolve } = Promise.withResolvers<Answer | undefined>();
    this.pending.set(order, resolve);
    const { child } = this;
    this.send(make(order));
    const kill = () => {
      if (!this.pending.has(order)) return;
      this.options.log.error('the process that holds the address hangs; ending it');
      child?.kill('SIGKILL');
    };
    // Its answer may be waiting to be read, if this process was held up.
    const cancel = this.options.clock.after(longestOrder, () => setImmediate(kill));
    try {
      return await promise;
    } finally {
      cancel();
    }
  }

  private send(order: Order): void {
    if (this.child?.connected === true) this.child.send(order, undefined, {}, () => {});
  }
}
