// EventLog: the last events, in order, each with an id; and their followers.
import type { Clock } from '../time/clock.ts';
import { eventOf, type NewEvent, type WeldrEvent } from './event.ts';

/** How many events are kept. */
export const maxEvents = 2_000;

/** The events of another process of this Weldr: plain JSON. */
export interface EventHeritage {
  readonly last: number;
  readonly events: readonly WeldrEvent[];
}

/** Receives each event. */
export type EventListener = (event: WeldrEvent) => void;

/** The events after a given one. */
export interface EventsAfter {
  readonly events: readonly WeldrEvent[];
  /**
   * Whether events between the given one and these are missing, because they are no longer kept or the given one is
   * unknown.
   */
  readonly gap: boolean;
}

/** The last {@link maxEvents} events. Cheap without followers: one object per event. */
export class EventLog {
  private readonly clock: Clock;
  private readonly kept: WeldrEvent[] = [];
  private readonly listeners = new Set<EventListener>();
  /** The id before the first that this log assigned or knows. */
  private begin: number;
  private lastId: number;

  constructor(clock: Clock) {
    this.clock = clock;
    // Microseconds: the ids of one process never get beyond the start time of the next.
    this.begin = clock.now() * 1_000;
    this.lastId = this.begin;
  }

  /** The id of the newest event; without events, the id before the first. */
  get last(): number {
    return this.lastId;
  }

  /** The events that are kept, the oldest first. */
  get all(): readonly WeldrEvent[] {
    return this.kept;
  }

  /** Keeps an event, and passes it to the followers. Throws an Error for an invalid type. */
  add(told: NewEvent): WeldrEvent {
    const event = eventOf(this.lastId + 1, this.clock.now(), told);
    this.lastId = event.id;
    this.kept.push(event);
    if (this.kept.length > maxEvents) this.kept.shift();
    for (const listener of [...this.listeners]) listener(event);
    return event;
  }

  /** Returns the events after the one of this id, or after where it would be. */
  after(id: number): EventsAfter {
    if (id >= this.lastId) return { events: [], gap: id > this.lastId };
    const [first] = this.kept;
    const isKnown = first === undefined ? id >= this.begin : id >= first.id - 1 && id >= this.begin;
    return { events: this.kept.slice(this.indexAfter(id)), gap: !isKnown };
  }

  /** Returns the first event after the one of this id; undefined: there is none. */
  next(id: number): WeldrEvent | undefined {
    return this.kept[this.indexAfter(id)];
  }

  /** Follows all events until the returned function is called. A listener must not throw. */
  follow(listener: EventListener): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  get heritage(): EventHeritage {
    return { last: this.lastId, events: this.kept };
  }

  /** Takes over the events of another process, ahead of those of this one. */
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
