// Watchdog: carries out the manager's orders, and acts in its place when it dies or freezes: removes the addresses and then ends the
// leadership, so that another node need not wait for the lease.
import type { Surrender } from '../../core/plugin/manager-hooks.ts';
import type { Clock } from '../../core/time/clock.ts';
import type { AddressHolder } from './address-holder.ts';
import type { HolderLog, Order, Report } from './orders.ts';

/** A manager that holds something gives a sign of life at least this often, ms. */
export const heartbeat = 100;
/** A manager that is silent for longer counts as frozen, ms. */
export const longestSilence = 600;
const lookEvery = 50;
/** Timers that are this late show that this process itself was held up, ms. */
const heldUp = 150;
const mostClosed = 100;

/** What a {@link Watchdog} is made of. */
export interface WatchdogOptions {
  readonly holder: Pick<AddressHolder, 'hold' | 'release' | 'end' | 'holding'>;
  readonly clock: Clock;
  readonly log: HolderLog;
  send(report: Report): void;
  /** Resolves when the manager is certain to read it, even if this process then dies; at once when there is no manager. */
  deliver(report: Report): Promise<void>;
  /** Resolves with why the leadership could not be ended; undefined: it was. */
  surrender(way: Surrender): Promise<string | undefined>;
  /** Calls `fn` when all waiting messages have been received. */
  afterMessages(fn: () => void): void;
}

interface Session {
  readonly id: string;
  readonly surrender: Surrender | undefined;
}

/** The watchdog over one manager. */
export class Watchdog {
  private readonly options: WatchdogOptions;
  /** The leadership for which something is held. */
  private session: Session | undefined;
  /** Leaderships that this process ended: a manager that thaws must hold nothing for them. */
  private readonly closed = new Set<string>();
  private heardAt: number;
  private lookedAt: number;
  private readonly stopLooking: () => void;
  private isEnding = false;

  constructor(options: WatchdogOptions) {
    this.options = options;
    this.heardAt = options.clock.monotonic();
    this.lookedAt = this.heardAt;
    this.stopLooking = options.clock.every(lookEvery, () => this.look());
  }

  /** Carries out an order of the manager; resolves when it is done. */
  async take(order: Order): Promise<void> {
    const { holder } = this.options;
    this.heardAt = this.options.clock.monotonic();
    if (this.isEnding) return;
    if (order.type === 'hold') {
      const id = order.session;
      if (!this.closed.has(id)) {
        this.session = { id, surrender: order.surrender };
        await holder.hold(order.until);
      }
      this.done(order.order, this.closed.has(id));
    } else if (order.type === 'release') {
      this.session = undefined;
      await holder.release();
      this.done(order.order, false);
    }
  }

  /** Lets go of everything, because the manager ends this process. */
  async end(): Promise<void> {
    this.isEnding = true;
    this.stopLooking();
    this.session = undefined;
    await this.options.holder.end();
  }

  /** Lets go of everything and ends the leadership, because the manager is gone. */
  async managerGone(): Promise<void> {
    this.isEnding = true;
    this.stopLooking();
    await this.close('the manager is gone');
    await this.options.holder.end();
  }

  private done(order: number, closed: boolean): void {
    this.options.send({ type: 'done', order, holding: this.options.holder.holding, closed });
  }

  private look(): void {
    const now = this.options.clock.monotonic();
    // Messages of the manager may not have been read yet, or it may have been held up as well.
    if (now - this.lookedAt > lookEvery + heldUp) this.heardAt = now;
    this.lookedAt = now;
    if (!this.isSilent) return;
    this.options.afterMessages(() => {
      if (this.isSilent) void this.close(`the manager was silent for ${longestSilence} ms`);
    });
  }

  private get isSilent(): boolean {
    return this.session !== undefined && this.options.clock.monotonic() - this.heardAt > longestSilence;
  }

  /** Removes the addresses, and only then ends the leadership. */
  private async close(why: string): Promise<void> {
    const { session } = this;
    if (session === undefined) return;
    const { holder, log } = this.options;
    this.session = undefined;
    this.closed.add(session.id);
    const [oldest] = this.closed;
    if (this.closed.size > mostClosed && oldest !== undefined) this.closed.delete(oldest);
    log.error({ reason: why }, 'letting go of the address in the place of the manager');
    await holder.release();
    if (session.surrender === undefined) return;
    // etcd may carry out the request much later. If this process died before that, its manager would thaw and have another process
    // continue with a leadership that is about to end.
    await this.options.deliver({ type: 'closed', session: session.id });
    const problem = await this.options.surrender(session.surrender);
    if (problem === undefined) log.info({}, 'ended the leadership in the place of the manager');
    else log.warn({ reason: problem }, 'the leadership ends with its lease: it could not be ended');
  }
}
