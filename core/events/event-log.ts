// EventLog: what happened last, in order, each with an id; and who follows it.
import type { Clock } from '../time/clock.ts';
import { eventOf, type NewEvent, type WeldrEvent } from './event.ts';

/** Events that are kept. */
export const maxEvents = 2_000;

/** What another process of this Weldr kept: plain JSON. */
export interface EventHeritage {
  readonly last: number;
  readonly events: readonly WeldrEvent[];
}

/** Is told of each event. */
export type EventListener = (event: WeldrEvent) => void;

/** The events that came after one. */
export interface EventsAfter {
  readonly events: readonly WeldrEvent[];
  /** Are there others between that one and these, or is that one not known? They are not kept any more. */
  readonly gap: boolean;
}

/** The last {@link maxEvents} of what happened. Cheap where nobody follows: one object an event. */
export class EventLog {
  private readonly clock: Clock;
  private readonly kept: WeldrEvent[] = [];
  private readonly listeners = new Set<EventListener>();
  /** The id before the first that this log gave or knows. */
  private begin: number;
  private lastId: number;

  constructor(clock: Clock) {
    this.clock = clock;
    // Microseconds: what a process tells in its life gets no further than the time of the next start.
    this.begin = clock.now() * 1_000;
    this.lastId = this.begin;
  }

  /** The id of the newest event; of what is before the first one, where there is none. */
  get last(): number {
    return this.lastId;
  }

  /** The events that are kept, the oldest first. */
  get all(): readonly WeldrEvent[] {
    return this.kept;
  }

  /** Keeps an event, and tells it to who follows. Throws an Error for what is none. */
  add(told: NewEvent): WeldrEvent {
    const event = eventOf(this.lastId + 1, this.clock.now(), told);
    this.lastId = event.id;
    this.kept.push(event);
    if (this.kept.length > maxEvents) this.kept.shift();
    for (const listener of [...this.listeners]) listener(event);
    return event;
  }

  /** The events after the one of this id, or after where it would be. */
  after(id: number): EventsAfter {
    if (id >= this.lastId) return { events: [], gap: id > this.lastId };
    const [first] = this.kept;
    const isKnown = first === undefined ? id >= this.begin : id >= first.id - 1 && id >= this.begin;
    return { events: this.kept.slice(this.indexAfter(id)), gap: !isKnown };
  }

  /** The first event after the one of this id; undefined: there is none. */
  next(id: number): WeldrEvent | undefined {
    return this.kept[this.indexAfter(id)];
  }

  /** Follows all events, until what it returns is called. A listener must not throw. */
  follow(listener: EventListener): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  get heritage(): EventHeritage {
    return { last: this.lastId, events: this.kept };
  }

  /** Takes over what another process kept, before those of this one. */
  inherit({ last, events }: EventHeritage): void {
    if (!Number.isSafeInteger(last) || last < 0) return;
    const own = this.kept.splice(0);
    this.kept.push(...events.slice(-maxEvents));
    this.begin = Math.min(this.begin, (this.kept[0]?.id ?? last + 1) - 1);
    this.lastId = last;
    for (const event of own) {
      this.lastId += 1;
      this.kept.push(Object.freeze({ ...event, id: this.lastId }));
    }
    this.kept.splice(0, this.kept.length - maxEvents);
  }

  private indexAfter(id: number): number {
    let [low, high] = [0, this.kept.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.kept[middle]?.id ?? 0) <= id) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
