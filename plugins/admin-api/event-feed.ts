// EventFeed: sends events, with overviews in between, to all followers; each text is built once for all of them.
import type { WeldrEvent } from '../../core/events/event.ts';
import type { ManagerEvents } from '../../core/events/plugin-events.ts';
import type { EventStream, StreamSender } from '../../core/plugin/admin.ts';
import type { EventFilter } from './event-filter.ts';
import type { Overviews } from './overviews.ts';

/** Given in place of a pool's name: all pools. */
export const allPools = '*';

/** What one follower wants. */
export interface FeedWish {
  /** The event after which to begin. */
  readonly after: number;
  readonly filter: EventFilter;
  /** Whether to send overviews. */
  readonly overview: boolean;
  /** The pool whose servers it follows; {@link allPools}: those of all pools. */
  readonly servers: string | undefined;
}

/** All followers. */
export class EventFeed {
  private readonly events: ManagerEvents;
  private readonly overviews: Overviews;
  private readonly followers = new Set<Follower>();
  private readonly texts = new WeakMap<WeldrEvent, string>();

  constructor(events: ManagerEvents, overviews: Overviews) {
    this.events = events;
    this.overviews = overviews;
    events.follow(() => {
      for (const follower of this.followers) follower.drained();
    });
    overviews.onStep(() => {
      for (const follower of this.followers) follower.step();
    });
  }

  /** Starts sending. */
  begin(stream: EventStream, wish: FeedWish): StreamSender {
    const { events, overviews } = this;
    const follower = new Follower({
      stream,
      wish,
      events,
      overviews,
      textOf: event => this.textOf(event),
      leave: gone => void this.followers.delete(gone),
    });
    this.followers.add(follower);
    follower.begin();
    return follower;
  }

  private textOf(event: WeldrEvent): string {
    const known = this.texts.get(event);
    if (known !== undefined) return known;
    const text = JSON.stringify(event);
    this.texts.set(event, text);
    return text;
  }
}

interface FollowerOptions {
  readonly stream: EventStream;
  readonly wish: FeedWish;
  readonly events: ManagerEvents;
  readonly overviews: Overviews;
  textOf(event: WeldrEvent): string;
  leave(follower: Follower): void;
}

/**
 * One follower. It has a place in the ring and no buffer: a slow follower falls behind in the ring until events that it has
 * not seen are dropped, and then receives a gap.
 */
class Follower implements StreamSender {
  private readonly options: FollowerOptions;
  /** The last event that was sent or skipped. */
  private place: number;
  /** The last step of all servers that was sent. */
  private sentStep = 0;

  constructor(options: FollowerOptions) {
    this.options = options;
    this.place = options.wish.after;
  }

  begin(): void {
    const { stream, events } = this.options;
    const data = JSON.stringify({ last: events.last });
    // A client that leaves before anything happens can resume from here.
    stream.send({ id: this.place, event: 'hello', data });
    this.drained();
    this.step();
  }

  drained(): void {
    const { stream, events, wish, textOf } = this.options;
    if (this.place > events.last) this.skipTo(events.all[0]);
    while (stream.ready) {
      const event = events.next(this.place);
      if (event === undefined) return;
      if (event.id > this.place + 1) this.skipTo(event);
      this.place = event.id;
      if (wish.filter.matches(event)) stream.send({ id: event.id, data: textOf(event) });
    }
  }

  /** A slow follower misses an overview: there is a newer one soon. */
  step(): void {
    const { stream, wish, overviews } = this.options;
    if (wish.overview && stream.ready) stream.send({ event: 'overview', data: overviews.text });
    if (wish.servers === undefined || !stream.ready) return;
    if (wish.servers === allPools) {
      const sent = overviews.changes.after(this.sentStep);
      if (sent === undefined) return;
      this.sentStep = sent.step;
      stream.send({ event: 'servers', data: sent.text });
      return;
    }
    const data = overviews.serversText(wish.servers);
    if (data !== undefined) stream.send({ event: 'servers', data });
  }

  ended(): void {
    this.options.leave(this);
  }

  /** Reports that the events before this one are no longer kept. */
  private skipTo(event: WeldrEvent | undefined): void {
    const { stream, events } = this.options;
    const first = event?.id ?? events.last;
    stream.send({ event: 'gap', data: JSON.stringify({ after: this.place, first }) });
    this.place = event === undefined ? first : first - 1;
  }
}
