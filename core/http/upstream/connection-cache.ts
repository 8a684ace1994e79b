// ConnectionCache: the connections of a worker to one upstream, by how many streams they can still take, and the
// queue in front of them.
import { isIP } from 'node:net';
import { WeldrError } from '../../errors.ts';
import type { Upstream } from '../../pool/pool.ts';
import type { PoolSettings } from '../../pool/pool-settings.ts';
import type { Settings } from '../../settings/settings.ts';
import type { Deadlines, Waiting } from '../exchange/deadlines.ts';
import type { UpstreamStream } from '../exchange/streams.ts';

/** A name may point elsewhere by now: its connections are not kept for longer than this, in ms. */
const maxAgeOfNamed = 60_000;
/** An upstream's announced idle limit is cut short by this, in ms, so that a request never meets its close. */
const idleMargin = 1_000;

/** What a connection is wanted for: an upgrade needs one of its own, which no other request used before. */
export type Use = 'requests' | 'upgrade';

/** One connection to an upstream, whatever protocol it speaks. */
export interface UpstreamConnection {
  /** When it was made, `Deadlines.now`. */
  readonly openedAt: number;
  /** Streams that it can take now: over HTTP/1.1, 1 while it is idle and 0 else. */
  readonly capacity: number;
  /** Streams that are open on it. */
  readonly streams: number;
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
  /** A stream has ended and the connection can take another. `announced`: the upstream's idle limit, ms. */
  putBack(connection: UpstreamConnection, announced: number | undefined): void;
  /** A connection has ended. */
  forget(connection: UpstreamConnection): void;
}

/** Who waits for a stream to an upstream. */
export interface StreamTaker {
  takeStream(stream: UpstreamStream): void;
  /** There is none, for good. */
  goWithout(error: WeldrError): void;
}

/** One upstream's connections. The most recently used one is taken first, so that the others can expire. */
export class ConnectionCache implements ConnectionHome, Waiting {
  deadline = 0;
  deadlineSlot = -1;
  readonly upstream: Upstream;
  readonly deadlines: Deadlines;
  readonly timeouts: Settings['timeouts'];
  private readonly limits: Settings['limits'];
  /** Is it reached by a name, which may point elsewhere later? */
  private readonly isNamed: boolean;
  private readonly connector: Connector;
  private readonly all = new Set<UpstreamConnection>();
  /** Those with capacity. */
  private readonly free: UpstreamConnection[] = [];
  private queue: { taker: StreamTaker; use: Use; until: number }[] = [];
  private closing = false;

  constructor(upstream: Upstream, settings: Settings, deadlines: Deadlines, connector: Connector) {
    this.upstream = upstream;
    this.isNamed = upstream.endpoint.kind === 'tcp' && isIP(upstream.endpoint.hostname) === 0;
    this.deadlines = deadlines;
    this.timeouts = settings.timeouts;
    this.limits = settings.limits;
    this.connector = connector;
    deadlines.add(this);
  }

  /** Gives `taker` a stream: at once where a connection can take one or may be made, else when that is so, in turn. */
  acquire(taker: StreamTaker, use: Use): void {
    const stream = this.obtain(use);
    if (stream !== undefined) {
      taker.takeStream(stream);
    } else if (this.queue.length >= (this.ofPool?.upstreamQueue ?? this.limits.upstreamQueue)) {
      taker.goWithout(
        new WeldrError('UPSTREAM_BUSY', `${this.upstream.id} has no free connection and a full queue`),
      );
    } else {
      const ms = this.ofPool?.upstreamQueueTimeout ?? this.limits.upstreamQueueTimeout;
      this.queue.push({ taker, use, until: this.deadlines.in(ms) });
      if (this.deadline === 0) this.deadline = this.queue[0]?.until ?? 0;
    }
  }

  /** Limits that the upstream's pool has of its own. */
  private get ofPool(): PoolSettings['limits'] {
    return this.upstream.home?.settings.limits;
  }

  private obtain(use: Use): UpstreamStream | undefined {
    const usable = this.lastFree();
    if (usable !== undefined && use === 'requests') return this.openOn(usable);
    const most = this.ofPool?.upstreamConnections ?? this.limits.upstreamConnections;
    if (this.all.size < most) return this.make(use);
    if (usable === undefined || usable.streams > 0) return undefined;
    // An upgrade needs a connection of its own, and an idle one is in its place.
    this.unlistLast();
    usable.destroy();
    return this.make(use);
  }

  /** Leaves the queue: the request was aborted. */
  leave(taker: StreamTaker): void {
    if (this.queue.length > 0) this.queue = this.queue.filter(entry => entry.taker !== taker);
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
    const next = this.queue[0];
    if (next !== undefined) {
      if (next.use === 'requests') {
        this.queue.shift();
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
    const next = this.closing ? undefined : this.queue.shift();
    if (next !== undefined) next.taker.takeStream(this.make(next.use));
  }

  /** Closes idle connections now and the others when their request is done. */
  close(): void {
    this.closing = true;
    this.deadlines.remove(this);
    this.closeIdle();
    for (const { taker } of this.queue.splice(0)) {
      taker.goWithout(new WeldrError('NO_UPSTREAM', `${this.upstream.id} was removed`));
    }
  }

  /** Closes idle connections: the upstream drains, or its settings changed. */
  closeIdle(): void {
    for (const connection of this.free.splice(0)) {
      connection.listed = false;
      if (connection.streams === 0) connection.destroy();
    }
  }

  onDeadline(): void {
    const now = this.deadlines.now;
    while (this.queue.length > 0 && (this.queue[0]?.until ?? 0) <= now) {
      const timedOut = this.queue.shift();
      timedOut?.taker.goWithout(
        new WeldrError('QUEUE_TIMEOUT', `no connection to ${this.upstream.id} became free in time`),
      );
    }
    this.deadline = this.queue[0]?.until ?? 0;
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
