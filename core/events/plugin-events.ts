// PluginEvents: the events as the manager side of one plugin has them: to read, to follow, to add its own.

import { describeError } from '../errors.ts';
import type { CancelTimer, Clock } from '../time/clock.ts';
import type { NewEvent, WeldrEvent } from './event.ts';
import type { EventListener, EventLog, EventsAfter } from './event-log.ts';
import type { NewProblem, Problem, Problems } from './problems.ts';

/** Events that one plugin may add in a span, and how long that is, ms. */
const maxInSpan = 50;
const span = 10_000;

/** What happened, and what is wrong. */
export interface ManagerEvents {
  /**
   * Adds an event, `by` this plugin unless it says otherwise. Nothing of it may be secret. Of more than 50 in 10 s only the
   * number is kept. Throws an Error for a type that is none.
   *
   * @example events.add({ type: 'quota.spent', severity: 'warning', text: 'the quota of shop is spent', pool: 'shop' });
   */
  add(event: NewEvent): void;
  /**
   * Says what is wrong right now, or, with undefined, that it is over; `name` tells the problems of this plugin apart. It is
   * shown with what else is wrong until then, or until the plugin is not in the config any more.
   *
   * @example events.problem('quota', { text: 'the quota of shop is spent', pool: 'shop' });
   */
  problem(name: string, problem: NewProblem | undefined): void;
  /** What is wrong, as all plugins and Weldr itself say. */
  readonly problems: readonly Problem[];
  /** All events that are kept, the oldest first. */
  readonly all: readonly WeldrEvent[];
  /** The id of the newest event. */
  readonly last: number;
  /** The events after the one of this id, the oldest first. */
  after(id: number): EventsAfter;
  /** The first event after the one of this id; undefined: none yet. */
  next(id: number): WeldrEvent | undefined;
  /** Follows all events until the plugin ends, or until what it returns is called. What it throws is logged. */
  follow(listener: EventListener): () => void;
}

/** What {@link PluginEvents} are made of. */
export interface PluginEventsOptions {
  readonly events: EventLog;
  readonly problems: Problems;
  readonly clock: Clock;
  /** The instance of the plugin. */
  readonly instance: string;
  /** Is told what the plugin's listeners throw. */
  report(text: string, thrown: unknown): void;
}

/** The {@link ManagerEvents} of one instance of a plugin, until it ends. */
export class PluginEvents implements ManagerEvents {
  readonly #options: PluginEventsOptions;
  readonly #stops = new Set<() => void>();
  #inSpan = 0;
  #cancelSpan: CancelTimer | undefined;
  #closed = false;

  constructor(options: PluginEventsOptions) {
    this.#options = options;
  }

  add(event: NewEvent): void {
    if (this.#closed) return;
    const { clock, events, instance } = this.#options;
    this.#cancelSpan ??= clock.after(span, () => this.#endSpan());
    if (++this.#inSpan <= maxInSpan) events.add({ by: instance, ...event });
  }

  problem(name: string, problem: NewProblem | undefined): void {
    if (this.#closed) return;
    const event = this.#options.problems.set(this.#options.instance, name, problem);
    if (event !== undefined) this.add(event);
  }

  get problems(): readonly Problem[] {
    return this.#options.problems.list;
  }

  get all(): readonly WeldrEvent[] {
    return this.#options.events.all;
  }

  get last(): number {
    return this.#options.events.last;
  }

  after(id: number): EventsAfter {
    return this.#options.events.after(id);
  }

  next(id: number): WeldrEvent | undefined {
    return this.#options.events.next(id);
  }

  follow(listener: EventListener): () => void {
    const stop = this.#options.events.follow(event => {
      try {
        listener(event);
      } catch (thrown) {
        const { instance, report } = this.#options;
        report(`plugin ${instance} failed on an event: ${describeError(thrown)}`, thrown);
      }
    });
    const forget = (): void => {
      this.#stops.delete(forget);
      stop();
    };
    if (this.#closed) stop();
    else this.#stops.add(forget);
    return forget;
  }

  /** The plugin has ended: it follows nothing any more, and says nothing. */
  close(): void {
    this.#endSpan();
    this.#closed = true;
    for (const stop of [...this.#stops]) stop();
  }

  #endSpan(): void {
    this.#cancelSpan?.();
    this.#cancelSpan = undefined;
    const leftOut = this.#inSpan - maxInSpan;
    this.#inSpan = 0;
    if (leftOut <= 0) return;
    const { events, instance } = this.#options;
    const text = `${leftOut} more events of plugin ${instance} are left out`;
    events.add({ type: 'events.left-out', by: instance, text });
  }
}
