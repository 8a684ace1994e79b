// StreamQueue: the requests that wait for a stream to one upstream, in order. Uploads that are still arriving come last,
// because they would hold a connection for as long as their clients like.
import { WeldrError } from '../../errors.ts';
import type { Peer, UpstreamStream } from '../exchange/streams.ts';

/** What a connection is wanted for: an upgrade needs one of its own, which no other request has used. */
export type Use = 'requests' | 'upgrade';

/** A request that wants a stream to an upstream. */
export interface StreamTaker {
  /** The client's connection. */
  readonly peer: Peer | undefined;
  /**
   * How much of the request has arrived. `whole`: all of it. `begun`: enough to start sending, or its client waits for the
   * upstream before it continues. `awaited`: not even the beginning.
   */
  readonly readiness: 'whole' | 'begun' | 'awaited';
  /** How long connecting may take, ms. */
  readonly connectTimeout: number;
  /** It now waits for a connection that is being opened. */
  awaitConnection(): void;
  /** It must wait until the beginning has arrived, then acquire again. */
  awaitBeginning(): void;
  takeStream(stream: UpstreamStream): void;
  /** It will get no stream. */
  goWithout(error: WeldrError): void;
}

/** A waiting request; `until`: when it stops waiting, by `Deadlines.now`. */
export interface QueuedTaker {
  readonly taker: StreamTaker;
  readonly use: Use;
  readonly until: number;
}

/** The queue of one upstream. */
export class StreamQueue {
  private readonly id: string;
  private whole: QueuedTaker[] = [];
  private uploads: QueuedTaker[] = [];

  /** `id`: the upstream's id, for messages. */
  constructor(id: string) {
    this.id = id;
  }

  get length(): number {
    return this.whole.length + this.uploads.length;
  }

  /** When the first request stops waiting; undefined if the queue is empty. */
  get firstUntil(): number | undefined {
    const [a, b] = [this.whole[0]?.until, this.uploads[0]?.until];
    return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);
  }

  /** Adds a request. If `most` are waiting already, one is turned away, preferably an upload. */
  add(entry: QueuedTaker, kind: 'whole' | 'upload', most: number): void {
    const list = kind === 'upload' ? this.uploads : this.whole;
    let turnedAway: QueuedTaker | undefined;
    if (this.length < most) list.push(entry);
    else if (kind === 'whole' && this.uploads.length > 0) {
      turnedAway = this.uploads.pop();
      list.push(entry);
    } else turnedAway = entry;
    turnedAway?.taker.goWithout(
      new WeldrError('UPSTREAM_BUSY', `no connection to ${this.id} is free, and its queue is full`),
    );
  }

  /** Returns the next request without removing it. Calls `mayUpload` only if that is an upload. */
  peek(mayUpload: () => boolean): QueuedTaker | undefined {
    const [first] = this.whole;
    if (first !== undefined || this.uploads.length === 0) return first;
    return mayUpload() ? this.uploads[0] : undefined;
  }

  /** Removes a request that got its stream or no longer wants one. */
  remove(taker: StreamTaker): void {
    if (this.whole[0]?.taker === taker) this.whole.shift();
    else if (this.length > 0) {
      this.whole = this.whole.filter(entry => entry.taker !== taker);
      this.uploads = this.uploads.filter(entry => entry.taker !== taker);
    }
  }

  /** Turns away requests whose time is up. */
  expire(now: number): void {
    for (const list of [this.whole, this.uploads]) {
      while ((list[0]?.until ?? Number.POSITIVE_INFINITY) <= now) {
        list
          .shift()
          ?.taker.goWithout(
            new WeldrError('QUEUE_TIMEOUT', `no connection to ${this.id} became free in time`),
          );
      }
    }
  }

  /** Turns all requests away, because the upstream was removed. */
  dismiss(): void {
    for (const { taker } of [...this.whole.splice(0), ...this.uploads.splice(0)]) {
      taker.goWithout(new WeldrError('NO_UPSTREAM', `${this.id} was removed`));
    }
  }
}
