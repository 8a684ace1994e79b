// PluginEvents: the events for the manager side of one plugin: to read, to follow, to add to.
import { describeError } from '../errors.ts';
import type { CancelTimer, Clock } from '../time/clock.ts';
import type { NewEvent, WeldrEvent } from './event.ts';
import type { EventListener, EventLog, EventsAfter } from './event-log.ts';
import type { NewProblem, Problem, Problems } from './problems.ts';

/** How many events one plugin may add in a span, and the length of the span, ms. */
const maxInSpan = 50;
const span = 10_000;

/** What happened, and what is wrong. */
export interface ManagerEvents {
  /**
   * Adds an event, `by` this plugin unless it says otherwise. It must hold no secret. If there are more than 50 in 10 s,
   * only the number of the others is kept. Throws an Error for an invalid type.
   *
   * @example events.add({ type: 'quota.spent', severity: 'warning', text: 'the quota of shop is spent', pool: 'shop' });
   */
  add(event: NewEvent): void;
  /**
   * Reports a current problem, or, with undefined, its end; `name` distinguishes the problems of this plugin. It is shown
   * with the other problems until then, or until the plugin leaves the config.
   *
   * @example events.problem('quota', { text: 'the quota of shop is spent', pool: 'shop' });
   */
  problem(name: string, problem: NewProblem | undefined): void;
  /** The problems that all plugins and Weldr itself report. */
  readonly problems: readonly Problem[];
  /** All events that are kept, the oldest first. */
  readonly all: readonly WeldrEvent[];
  /** The id of the newest event. */
  readonly last: number;
  /** Returns the events after the one of this id, the oldest first. */
  after(id: number): EventsAfter;
  /** Returns the first event after the one of this id; undefined: none yet. */
  next(id: number): WeldrEvent | undefined;
  /** Follows all events until the plugin ends, or until the returned function is called. What the listener throws is logged. */
  follow(listener: EventListener): () => void;
}

/** What {@link PluginEvents} are made of. */
export interface PluginEventsOptions {
  readonly events: EventLog;
  readonly problems: Problems;
  readonly clock: Clock;
  /** The instance of the plugin. */
  readonly instance: string;
  /** Receives what the plugin's listeners throw. */
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

  /** Called when the plugin has ended: it no longer follows or reports anything. */
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
