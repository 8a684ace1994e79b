// Delivery: knows when all workers that take requests go by what they were sent.
import type { Logger } from 'pino';
import type { Clock } from '../time/clock.ts';
import type { ManagerMessage } from './messages.ts';

/** How long a change waits for a worker to have it, ms. */
const longestWait = 5_000;
/** How often it looks whether a worker that it waits for has fallen silent, ms. */
const lookInterval = 250;

/** Workers that messages go to. */
export interface Recipients {
  /** The numbers of those that were told to accept connections, and react. */
  readonly servingNumbers: readonly number[];
  /** Tells all whose processes run. */
  tellAll(message: ManagerMessage): void;
}

/** What a {@link Delivery} works with. */
export interface DeliveryOptions {
  readonly clock: Clock;
  log(): Logger;
  /** All that have processes; at a reload more than one. */
  groups(): Iterable<Recipients>;
}

/**
 * Messages to a worker arrive in order. So behind what was sent goes a fence, a message with a number, which a worker answers
 * when all before it is in force there, plugins that had to start included. All that was changed within one turn of the event
 * loop is behind one fence.
 */
export class Delivery {
  private readonly options: DeliveryOptions;
  /** The number of the last fence. */
  private last = 0;
  /** The highest that each worker answered. */
  private readonly answered = new Map<number, number>();
  private readonly looks = new Set<() => void>();
  /** Of the fence that is to be sent next. */
  private next: Promise<void> | undefined;

  constructor(options: DeliveryOptions) {
    this.options = options;
  }

  /** The last fence: for a worker that was just told all, before it is told to accept connections. */
  get fence(): ManagerMessage {
    return { type: 'fence', fence: this.last };
  }

  /** All that was sent before this fence is in force in a worker. */
  applied(worker: number, fence: number): void {
    this.answered.set(worker, Math.max(fence, this.answered.get(worker) ?? fence));
    this.look();
  }

  /** A worker has ended; the next of its number begins with what holds then. */
  gone(worker: number): void {
    this.answered.delete(worker);
    this.look();
  }

  /**
   * Resolves when what was changed so far is in force in all workers that take requests; or, with a warning, when one of them
   * does not react for too long.
   */
  settled(): Promise<void> {
    this.next ??= this.sendNext();
    return this.next;
  }

  private async sendNext(): Promise<void> {
    // Changes are gathered until the end of the turn in which they are made: what is pending has been sent after it.
    await new Promise(resolve => setImmediate(resolve));
    this.next = undefined;
    this.last++;
    const fence = this.last;
    for (const group of this.options.groups()) group.tellAll(this.fence);
    await this.allHave(fence);
  }

  private async allHave(fence: number): Promise<void> {
    if (this.lagging(fence).length === 0) return;
    const done = Promise.withResolvers<void>();
    const look = (): void => {
      if (this.lagging(fence).length === 0) done.resolve();
    };
    this.looks.add(look);
    const { clock } = this.options;
    const stops = [clock.after(longestWait, done.resolve), clock.every(lookInterval, look)];
    await done.promise;
    for (const stop of stops) stop();
    this.looks.delete(look);
    const workers = this.lagging(fence);
    if (workers.length > 0) {
      this.options.log().warn({ workers }, 'workers do not react: they may still go by what was before');
    }
  }

  private lagging(fence: number): number[] {
    const lagging: number[] = [];
    for (const { servingNumbers } of this.options.groups()) {
      for (const worker of servingNumbers)
        if ((this.answered.get(worker) ?? -1) < fence) lagging.push(worker);
    }
    return lagging;
  }

  private look(): void {
    for (const look of [...this.looks]) look();
  }
}
