// ConnectionCache: the connections of a worker to one upstream, by how many streams they can still take, and the
// queue in front of them.
import { isIP } from 'node:net';
import type { Upstream } from '../../pool/pool.ts';
import type { PoolSettings } from '../../pool/pool-settings.ts';
import type { Settings } from '../../settings/settings.ts';
import type { Deadlines, Waiting } from '../exchange/deadlines.ts';
import type { UpstreamStream } from '../exchange/streams.ts';
import { StreamQueue, type StreamTaker, type Use } from './stream-queue.ts';

/** A name may point elsewhere by now: its connections are not kept for longer than this, in ms. */
const maxAgeOfNamed = 60_000;
/** An upstream's announced idle limit is cut short by this, in ms, so that a request never meets its close. */
const idleMargin = 1_000;

/** While somebody waits, how often connections that lag are looked for, ms, and the least time between two looks. */
const roomInterval = 100;
const roomPause = 20;

/** One connection to an upstream, whatever protocol it speaks. */
export interface UpstreamConnection {
  /** When it was made, `Deadlines.now`. */
  readonly openedAt: number;
  /** Streams that it can take now: over HTTP/1.1, 1 while it is idle and 0 else. */
  readonly capacity: number;
  /** Streams that are open on it. */
  readonly streams: number;
  /** Does it carry a request whose body is still arriving? */
  readonly uploads: boolean;
  /** Does it only wait for a client that sends a request body slowly, by the clock of `Deadlines.now`? */
  readonly lags: boolean;
  /** When it must not be used any more, `Deadlines.now`, if it stays idle. */
  readonly idleUntil: number;
  /** Kept by the {@link ConnectionCache}: is it among those with capacity? */
  listed: boolean;
  /** Takes one of its capacity. */
  openStream(): UpstreamStream;
  /** It is idle, and to be closed after `ms` of that. */
  rest(ms: number): void;
  /** Ends it without a word to its streams. */
  destroy(): void;
  /** Ends it with its streams, for others that wait for a connection. */
  giveWay(): void;
}

/** Makes connections: knows which protocol an upstream speaks. */
export interface Connector {
  connect(home: ConnectionHome, use: Use): UpstreamConnection;
}

/** Where a connection belongs, as the connection sees it. */
export interface ConnectionHome {
  readonly upstream: Upstream;
  readonly deadlines: Deadlines;
  readonly timeouts: Settings['timeouts'];
  readonly limits: Settings['limits'];
  /** A stream has ended and the connection can take another. `announced`: the upstream's idle limit, ms. */
  putBack(connection: UpstreamConnection, announced: number | undefined): void;
  /** A connection has ended. */
  forget(connection: UpstreamConnection): void;
}

/** One upstream's connections. The most recently used one is taken first, so that the others can expire. */
export class ConnectionCache implements ConnectionHome, Waiting {
  deadline = 0;
  deadlineSlot = -1;
  readonly upstream: Upstream;
  readonly deadlines: Deadlines;
  readonly timeouts: Settings['timeouts'];
  readonly limits: Settings['limits'];
  /** Is it reached by a name, which may point elsewhere later? */
  private readonly isNamed: boolean;
  private readonly connector: Connector;
  private readonly all = new Set<UpstreamConnection>();
  /** Those with capacity. */
  private readonly free: UpstreamConnection[] = [];
  private readonly queue: StreamQueue;
  private closing = false;
  private roomNotBefore = 0;

  constructor(upstream: Upstream, settings: Settings, deadlines: Deadlines, connector: Connector) {
    this.upstream = upstream;
    this.isNamed = upstream.endpoint.kind === 'tcp' && isIP(upstream.endpoint.hostname) === 0;
    this.queue = new StreamQueue(upstream.id);
    this.deadlines = deadlines;
    this.timeouts = settings.timeouts;
    this.limits = settings.limits;
    this.connector = connector;
    deadlines.add(this);
  }

  /**
   * Gives `taker` a stream: at once where a connection can take one or may be made, else when that is so, in turn. While
   * half of the connections are in use, uploads that are still arriving hold no more of them than {@link mayUpload} allows, and
   * none before their beginning is there.
   */
  acquire(taker: StreamTaker, use: Use): void {
    const readiness = this.isScarce ? taker.readiness : 'whole';
    if (readiness === 'awaited') {
      taker.awaitBeginning();
      return;
    }
    const isUpload = readiness === 'begun';
    const stream = !isUpload || (this.queue.length === 0 && this.mayUpload()) ? this.obtain(use) : undefined;
    if (stream !== undefined) {
      taker.takeStream(stream);
      return;
    }
    const { ofPool, limits } = this;
    const until = this.deadlines.in(ofPool?.upstreamQueueTimeout ?? limits.upstreamQueueTimeout);
    const most = ofPool?.upstreamQueue ?? limits.upstreamQueue;
    this.queue.add({ taker, use, until }, isUpload ? 'upload' : 'whole', most);
    this.makeRoom();
    this.watchQueue();
  }

  private watchQueue(): void {
    const until = this.queue.firstUntil;
    this.deadline = until === undefined ? 0 : Math.min(until, this.deadlines.in(roomInterval));
  }

  private get isScarce(): boolean {
    return this.queue.length > 0 || (this.all.size - this.free.length) * 2 >= this.most;
  }

  /** May an upload that is still arriving take one more connection? Three quarters may be held so, and one always. */
  private readonly mayUpload = (): boolean => {
    const most = Math.max(1, Math.floor(this.most * 0.75));
    let uploads = 0;
    for (const connection of this.all) if (connection.uploads && ++uploads >= most) return false;
    return true;
  };

  private get most(): number {
    return this.ofPool?.upstreamConnections ?? this.limits.upstreamConnections;
  }

  /** Connections that only wait for slow clients give way to those who wait for a connection. */
  private makeRoom(): void {
    const { now } = this.deadlines;
    if (now < this.roomNotBefore) return;
    const wanted = this.queue.length;
    const lagging: UpstreamConnection[] = [];
    for (const connection of this.all) {
      if (lagging.length === wanted) break;
      if (connection.lags) lagging.push(connection);
    }
    // Looking at all of them is not to be done for each who waits.
    if (lagging.length < wanted) this.roomNotBefore = now + roomPause;
    for (const connection of lagging) connection.giveWay();
  }

  /** Limits that the upstream's pool has of its own. */
  private get ofPool(): PoolSettings['limits'] {
    return this.upstream.home?.settings.limits;
  }

  private obtain(use: Use): UpstreamStream | undefined {
    const usable = this.lastFree();
    if (usable !== undefined && use === 'requests') return this.openOn(usable);
    if (this.all.size < this.most) return this.make(use);
    if (usable === undefined || usable.streams > 0) return undefined;
    // An upgrade needs a connection of its own, and an idle one is in its place.
    this.unlistLast();
    usable.destroy();
    return this.make(use);
  }

  /** Leaves the queue: the request was aborted. */
  leave(taker: StreamTaker): void {
    this.queue.remove(taker);
  }

  putBack(connection: UpstreamConnection, announced: number | undefined): void {
    const { deadlines, timeouts } = this;
    const idle = connection.streams === 0;
    const keep =
      announced === undefined
        ? timeouts.upstreamIdle
        : Math.min(timeouts.upstreamIdle, announced - idleMargin);
    const aged = this.isNamed && deadlines.now - connection.openedAt > maxAgeOfNamed;
    if (keep <= 0 || aged || this.closing || !this.wanted()) {
      if (idle) connection.destroy();
      return;
    }
    const next = this.queue.peek(this.mayUpload);
    if (next !== undefined) {
      if (next.use === 'requests') {
        this.queue.remove(next.taker);
        next.taker.takeStream(connection.openStream());
        return;
      }
      // It needs one of its own, and gets it in the place of this one.
      if (idle) connection.destroy();
      return;
    }
    if (idle) connection.rest(keep);
    this.list(connection);
  }

  forget(connection: UpstreamConnection): void {
    this.all.delete(connection);
    const at = connection.listed ? this.free.lastIndexOf(connection) : -1;
    if (at >= 0) this.free.splice(at, 1);
    connection.listed = false;
    const next = this.closing ? undefined : this.queue.peek(this.mayUpload);
    if (next === undefined) return;
    this.queue.remove(next.taker);
    next.taker.takeStream(this.make(next.use));
  }

  /** Closes idle connections now and the others when their request is done. */
  close(): void {
    this.closing = true;
    this.deadlines.remove(this);
    this.closeIdle();
    this.queue.dismiss();
  }

  /** Closes idle connections: the upstream drains, or its settings changed. */
  closeIdle(): void {
    for (const connection of this.free.splice(0)) {
      connection.listed = false;
      if (connection.streams === 0) connection.destroy();
    }
  }

  onDeadline(): void {
    this.queue.expire(this.deadlines.now);
    if (this.queue.length > 0) this.makeRoom();
    this.serveQueue();
    this.watchQueue();
  }

  /** An upload that is whole by now has made room for another without a word. */
  private serveQueue(): void {
    for (;;) {
      const next = this.queue.peek(this.mayUpload);
      const stream = next === undefined ? undefined : this.obtain(next.use);
      if (next === undefined || stream === undefined) return;
      this.queue.remove(next.taker);
      next.taker.takeStream(stream);
    }
  }

  /** The connection with capacity that was used last; it stays where it is. */
  private lastFree(): UpstreamConnection | undefined {
    for (;;) {
      const connection = this.free[this.free.length - 1];
      if (connection === undefined || connection.streams > 0 || connection.idleUntil > this.deadlines.now)
        return connection;
      this.unlistLast();
      connection.destroy();
    }
  }

  /** A stream on the last of those with capacity, which leaves them when that was all it had. */
  private openOn(connection: UpstreamConnection): UpstreamStream {
    const stream = connection.openStream();
    if (connection.capacity === 0) this.unlistLast();
    return stream;
  }

  private list(connection: UpstreamConnection): void {
    if (connection.listed) return;
    connection.listed = true;
    this.free.push(connection);
  }

  private unlistLast(): void {
    const last = this.free.pop();
    if (last !== undefined) last.listed = false;
  }

  private make(use: Use): UpstreamStream {
    const connection = this.connector.connect(this, use);
    this.all.add(connection);
    const stream = connection.openStream();
    if (connection.capacity > 0) this.list(connection);
    return stream;
  }

  /** Is the upstream still one that gets new requests? */
  private wanted(): boolean {
    return this.upstream.state === 'active' || this.upstream.state === 'down';
  }
}
