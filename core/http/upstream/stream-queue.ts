// StreamQueue: who waits for a stream to one upstream, in turn. Uploads that are still arriving stand behind all others, as
// they would hold a connection for as long as their clients like.
import { WeldrError } from '../../errors.ts';
import type { Peer, UpstreamStream } from '../exchange/streams.ts';

/** What a connection is wanted for: an upgrade needs one of its own, which no other request used before. */
export type Use = 'requests' | 'upgrade';

/** Who waits for a stream to an upstream. */
export interface StreamTaker {
  /** The client's connection. */
  readonly peer: Peer | undefined;
  /**
   * How much of its request is there: `whole`: all of it; `begun`: enough to be sent, or it waits for a word of the
   * upstream before it goes on; `awaited`: the beginning is still to come.
   */
  readonly readiness: 'whole' | 'begun' | 'awaited';
  /** How long a connection may take to stand, ms. */
  readonly connectTimeout: number;
  /** Hears that it waits for a connection that is being made. */
  awaitConnection(): void;
  /** Waits until the beginning has come, and then acquires again. */
  awaitBeginning(): void;
  takeStream(stream: UpstreamStream): void;
  /** There is none, for good. */
  goWithout(error: WeldrError): void;
}

/** One that waits; `until`: `Deadlines.now` when it gives up. */
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

  /** `id`: of the upstream, for messages. */
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

  /** Adds one. Where `most` wait already, one is turned away: an upload first. */
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

  /** The next; `mayUpload` is asked only when it would be an upload. */
  peek(mayUpload: () => boolean): QueuedTaker | undefined {
    const [first] = this.whole;
    if (first !== undefined || this.uploads.length === 0) return first;
    return mayUpload() ? this.uploads[0] : undefined;
  }

  /** Removes one which has its stream, or no longer wants one. */
  remove(taker: StreamTaker): void {
    if (this.whole[0]?.taker === taker) this.whole.shift();
    else if (this.length > 0) {
      this.whole = this.whole.filter(entry => entry.taker !== taker);
      this.uploads = this.uploads.filter(entry => entry.taker !== taker);
    }
  }

  /** Turns away those whose time is up. */
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

  /** Turns all of them away: the upstream is gone. */
  dismiss(): void {
    for (const { taker } of [...this.whole.splice(0), ...this.uploads.splice(0)]) {
      taker.goWithout(new WeldrError('NO_UPSTREAM', `${this.id} was removed`));
    }
  }
}
