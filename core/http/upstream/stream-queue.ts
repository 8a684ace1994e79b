// StreamQueue: the requests that wait for a stream to one upstream, in turn. Uploads that are still arriving come last, as
// they would hold a connection for as long as their clients like.
import { WeldrError } from '../../errors.ts';
import type { Peer, UpstreamStream } from '../exchange/streams.ts';

/** What a connection is wanted for: an upgrade needs a separate one, which no other request used before. */
export type Use = 'requests' | 'upgrade';

/** A request that wants a stream to an upstream. */
export interface StreamTaker {
  /** The client's connection. */
  readonly peer: Peer | undefined;
  /**
   * How much of the request has arrived. `whole`: all of it. `begun`: enough to be sent, or its client waits for the
   * upstream before it continues. `awaited`: the beginning is still to come.
   */
  readonly readiness: 'whole' | 'begun' | 'awaited';
  /** How long making a connection may take, ms. */
  readonly connectTimeout: number;
  /** It now waits for a connection that is being made. */
  awaitConnection(): void;
  /** It has to wait until the beginning has arrived, and then acquire again. */
  awaitBeginning(): void;
  takeStream(stream: UpstreamStream): void;
  /** It will get no stream. */
  goWithout(error: WeldrError): void;
}

/** A waiting request; `until`: `Deadlines.now` when it gives up. */
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

  /** `id`: the upstream's, for messages. */
  constructor(id: string) {
    this.id = id;
  }

  get length(): number {
    return this.whole.length + this.uploads.length;
  }

  /** When the first of them gives up; undefined: the queue is empty. */
  get firstUntil(): number | undefined {
    const [a, b] = [this.whole[0]?.until, this.uploads[0]?.until];
    return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);
  }

  /** Adds a request. If `most` wait already, one is turned away: an upload first. */
  add(entry: QueuedTaker, kind: 'whole' | 'upload', most: number): void {
    const list = kind === 'upload' ? this.uploads : this.whole;
    let turnedAway: QueuedTaker | undefined;
    if (this.length < most) list.push(entry);
    else if (kind === 'whole' && this.uploads.length > 0) {
      turnedAway = this.uploads.pop();
      list.push(entry);
    } else turnedAway = entry;
    turnedAway?.taker.goWithout(
      new WeldrError('UPSTREAM_BUSY', `${this.id} has no free connection and a full queue`),
    );
  }

  /** Returns the next request; `mayUpload` is called only if that is an upload. */
  peek(mayUpload: () => boolean): QueuedTaker | undefined {
    const [first] = this.whole;
    if (first !== undefined || this.uploads.length === 0) return first;
    return mayUpload() ? this.uploads[0] : undefined;
  }

  /** Removes a request that has its stream, or no longer wants one. */
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

  /** Turns all requests away: the upstream was removed. */
  dismiss(): void {
    for (const { taker } of [...this.whole.splice(0), ...this.uploads.splice(0)]) {
      taker.goWithout(new WeldrError('NO_UPSTREAM', `${this.id} was removed`));
    }
  }
}
