// Delivery: finds out when all workers that take requests have applied what they were sent.
import type { Logger } from 'pino';
import type { Clock } from '../time/clock.ts';
import type { ManagerMessage } from './messages.ts';

/** How long a change waits for a worker to apply it, ms. */
const longestWait = 5_000;
/** How often it checks whether an awaited worker has fallen silent, ms. */
const lookInterval = 250;

/** Workers that receive messages. */
export interface Recipients {
  /** The numbers of the workers that were told to accept connections and that react. */
  readonly servingNumbers: readonly number[];
  /** Sends to all workers whose processes run. */
  tellAll(message: ManagerMessage): void;
}

/** What a {@link Delivery} works with. */
export interface DeliveryOptions {
  readonly clock: Clock;
  log(): Logger;
  /** All groups that have processes; more than one during a reload. */
  groups(): Iterable<Recipients>;
}

/**
 * Messages to a worker arrive in order. A fence, a message with a number, follows what was sent; a worker answers it
 * once everything before it is active there, including plugins that had to start. One fence covers all changes of one
 * turn of the event loop.
 */
export class Delivery {
  private readonly options: DeliveryOptions;
  /** The number of the last fence. */
  private last = 0;
  /** The highest fence that each worker has answered. */
  private readonly answered = new Map<number, number>();
  private readonly looks = new Set<() => void>();
  /** Belongs to the fence that is sent next. */
  private next: Promise<void> | undefined;

  constructor(options: DeliveryOptions) {
    this.options = options;
  }

  /** The last fence: for a worker that has just received everything, before it is told to accept connections. */
  get fence(): ManagerMessage {
    return { type: 'fence', fence: this.last };
  }

  /** Called when everything before this fence is active in a worker. */
  applied(worker: number, fence: number): void {
    this.answered.set(worker, Math.max(fence, this.answered.get(worker) ?? fence));
    this.look();
  }

  /** Called when a worker has ended; its replacement starts with the state of that moment. */
  gone(worker: number): void {
    this.answered.delete(worker);
    this.look();
  }

  /**
   * Resolves when the changes so far are active in all workers that take requests; or, with a warning, when one of them
   * does not react for too long.
   */
  settled(): Promise<void> {
    this.next ??= this.sendNext();
    return this.next;
  }

  private async sendNext(): Promise<void> {
    // Changes are gathered during a turn and sent at its end, so the fence follows in the next turn.
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
      this.options
        .log()
        .warn({ workers }, 'workers do not react: they may not have applied the last changes');
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
