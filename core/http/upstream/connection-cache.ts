// ConnectionCache: a worker's connections to one upstream, by how many streams they can still take, and the queue in
// front of them.
import { isIP } from 'node:net';
import type { Upstream } from '../../pool/pool.ts';
import type { PoolSettings } from '../../pool/pool-settings.ts';
import type { Settings } from '../../settings/settings.ts';
import type { ConnectionCounts } from '../../stages/connection-info.ts';
import type { Deadlines, Waiting } from '../exchange/deadlines.ts';
import type { Peer, UpstreamStream } from '../exchange/streams.ts';
import type { Dialler, PendingConnection } from './pending-connection.ts';
import { PendingConnections, type PendingHome } from './pending-connections.ts';
import { type Protocol, protocolsFor } from './protocols.ts';
import { StreamQueue, type StreamTaker, type Use } from './stream-queue.ts';

/** Connections to a name are kept no longer than this, ms, as the name may point elsewhere by then. */
const maxAgeOfNamed = 60_000;
/** Connections are closed this long before an upstream's announced idle limit, ms, so that no request meets its close. */
const idleMargin = 1_000;
/** Streams on an HTTP/2 connection before the upstream has said how many it allows. */
const streamsUnsaid = 100;

/** While requests wait, how often connections that lag are looked for, ms, and the least time between two looks. */
const roomInterval = 100;
const roomPause = 20;

/** One connection to an upstream, whatever protocol it speaks. */
export interface UpstreamConnection {
  readonly kind: 'h1' | 'h2';
  /** The only client connection whose requests it carries, as its PROXY header says; undefined: it carries any. */
  readonly client: Peer | undefined;
  /** When it was made, `Deadlines.now`. */
  readonly openedAt: number;
  /** How many streams it can take now: over HTTP/1.1, 1 while it is idle, else 0. */
  readonly capacity: number;
  /** How many streams are open on it. */
  readonly streams: number;
  /** Does it carry a request whose body is still arriving? */
  readonly uploads: boolean;
  /** Does it do nothing but wait for a client that sends a request body slowly, by the clock of `Deadlines.now`? */
  readonly lags: boolean;
  /** From when on it must not be used, `Deadlines.now`, if it stays idle. */
  readonly idleUntil: number;
  /** Kept by the {@link ConnectionCache}: is it among those with capacity? */
  listed: boolean;
  /** Opens a stream, which takes one of its capacity. */
  openStream(): UpstreamStream;
  /** It is idle: closes it after `ms` of that. */
  rest(ms: number): void;
  /** Ends it without notifying its streams. */
  destroy(): void;
  /** Ends it, or a stream on it that lags, for requests that wait. */
  giveWay(): void;
}

/** Makes connections. */
export interface Connector {
  /** Begins an HTTP/1.1 connection, which takes its request at once. `client`: see {@link UpstreamConnection.client}. */
  connect(home: ConnectionHome, use: Use, client: Peer | undefined): UpstreamConnection;
  /** Begins a connection whose protocol is still unknown. */
  readonly dial: Dialler;
  /** Starts this protocol on an open connection. */
  speak(home: ConnectionHome, pending: PendingConnection, protocol: Protocol): UpstreamConnection;
}

/** The cache of a connection, as the connection sees it. */
export interface ConnectionHome {
  readonly upstream: Upstream;
  readonly deadlines: Deadlines;
  readonly timeouts: Settings['timeouts'];
  readonly limits: Settings['limits'];
  /** Streams that a new HTTP/2 connection may open before the upstream has said how many it allows; kept up to date. */
  streamsAtFirst: number;
  /** A stream has ended, and the connection can take another. `announced`: the upstream's idle limit, ms. */
  putBack(connection: UpstreamConnection, announced: number | undefined): void;
  /** A connection has ended. */
  forget(connection: UpstreamConnection): void;
}

/** One upstream's connections. The most recently used one is taken first, so that the others can expire. */
export class ConnectionCache implements ConnectionHome, PendingHome, Waiting {
  deadline = 0;
  deadlineSlot = -1;
  readonly upstream: Upstream;
  readonly deadlines: Deadlines;
  readonly timeouts: Settings['timeouts'];
  readonly limits: Settings['limits'];
  streamsAtFirst = streamsUnsaid;
  /** Is the upstream reached by a name, which may point elsewhere later? */
  private readonly isNamed: boolean;
  private readonly connector: Connector;
  private readonly all = new Set<UpstreamConnection>();
  /** Those with capacity. */
  private readonly free: UpstreamConnection[] = [];
  private readonly queue: StreamQueue;
  /** Made with the first connection that has to find its protocol. */
  private pending: PendingConnections | undefined = undefined;
  private closing = false;
  /** Connections made before this time use settings which no longer hold. */
  private renewedAt = 0;
  private mayBeHttp2: boolean;
  private roomNotBefore = 0;

  constructor(upstream: Upstream, settings: Settings, deadlines: Deadlines, connector: Connector) {
    this.upstream = upstream;
    this.isNamed = upstream.endpoint.kind === 'tcp' && isIP(upstream.endpoint.hostname) === 0;
    this.queue = new StreamQueue(upstream.id);
    this.deadlines = deadlines;
    this.timeouts = settings.timeouts;
    this.limits = settings.limits;
    this.connector = connector;
    this.mayBeHttp2 = protocolsFor(upstream).includes('h2');
    deadlines.add(this);
  }

  /**
   * Gives `taker` a stream: at once if a connection can take one or may be made, else later, in turn. While half of the
   * connections are in use, uploads that are still arriving hold no more of them than {@link mayUpload} allows, and none
   * before their beginning has arrived.
   */
  acquire(taker: StreamTaker, use: Use): void {
    const readiness = this.isScarce ? taker.readiness : 'whole';
    if (readiness === 'awaited') {
      taker.awaitBeginning();
      return;
    }
    const isUpload = readiness === 'begun';
    const mayTake = !isUpload || (this.queue.length === 0 && this.mayUpload());
    const stream = mayTake ? this.obtain(use, taker) : undefined;
    if (stream !== undefined) taker.takeStream(stream);
    else if (mayTake && this.joinPending(taker, use)) this.watchQueue();
    else this.enqueue(taker, use, isUpload);
  }

  private enqueue(taker: StreamTaker, use: Use, isUpload: boolean): void {
    const { ofPool, limits } = this;
    const until = this.deadlines.in(ofPool?.upstreamQueueTimeout ?? limits.upstreamQueueTimeout);
    const most = ofPool?.upstreamQueue ?? limits.upstreamQueue;
    this.queue.add({ taker, use, until }, isUpload ? 'upload' : 'whole', most);
    this.makeRoom();
    this.watchQueue();
  }

  private watchQueue(): void {
    const { firstUntil } = this.queue;
    if (firstUntil !== undefined) this.deadline = Math.min(firstUntil, this.deadlines.in(roomInterval));
    else this.deadline = this.pending?.isAwaited === true ? this.deadlines.in(roomInterval) : 0;
  }

  private get isScarce(): boolean {
    return this.queue.length > 0 || (this.all.size - this.free.length) * 2 >= this.most;
  }

  /** May an upload that is still arriving take one more connection? They may hold three quarters, and always one. */
  private readonly mayUpload = (): boolean => {
    const most = Math.max(1, Math.floor(this.most * 0.75));
    let uploads = 0;
    for (const connection of this.all) if (connection.uploads && ++uploads >= most) return false;
    return true;
  };

  /** How many connections may exist. */
  private get most(): number {
    return this.upstream.room ?? this.ofPool?.upstreamConnections ?? this.limits.upstreamConnections;
  }

  /** Does the upstream's own limit allow one more stream? Over HTTP/1.1 the limit counts connections. */
  private mayOpen(): boolean {
    const { room } = this.upstream;
    if (room === undefined || !this.mayBeHttp2) return true;
    let streams = this.pending?.awaiting ?? 0;
    for (const connection of this.all) streams += connection.streams;
    return streams < room;
  }

  /** Ends connections that only wait for slow clients, for requests that wait for a connection. */
  private makeRoom(): void {
    const { now } = this.deadlines;
    if (now < this.roomNotBefore) return;
    const wanted = this.queue.length;
    const lagging: UpstreamConnection[] = [];
    for (const connection of this.all) {
      if (lagging.length === wanted) break;
      if (connection.lags) lagging.push(connection);
    }
    // All connections must not be looked at for each request that waits.
    if (lagging.length < wanted) this.roomNotBefore = now + roomPause;
    for (const connection of lagging) connection.giveWay();
  }

  /** Limits of the upstream's pool. */
  private get ofPool(): PoolSettings['limits'] {
    return this.upstream.home?.settings.limits;
  }

  private obtain(use: Use, taker: StreamTaker): UpstreamStream | undefined {
    if (!this.mayOpen()) return undefined;
    const client = this.clientOf(taker);
    const usable = this.lastFree(client);
    if (usable !== undefined && use === 'requests') return this.openOn(usable);
    if (use === 'requests' && this.mayBeHttp2) return undefined;
    if (this.hasRoom()) return this.make(use, client);
    // An upgrade, or another client, needs a separate connection, which an idle one makes room for.
    const idle = this.free.find(({ streams }) => streams === 0);
    if (idle === undefined) return undefined;
    // The queue must not be served for it, as its place is taken.
    this.all.delete(idle);
    this.unlist(idle);
    idle.destroy();
    return this.make(use, client);
  }

  /** The client that a connection for this taker introduces; undefined: it introduces none. */
  private clientOf(taker: StreamTaker): Peer | undefined {
    return this.upstream.record.proxyProtocol === undefined ? undefined : taker.peer;
  }

  /** Has a request wait for a connection that is still finding its protocol. False: no such connection may be made. */
  private joinPending(taker: StreamTaker, use: Use): boolean {
    if (use !== 'requests' || !this.mayBeHttp2 || !this.mayOpen()) return false;
    this.pending ??= new PendingConnections(this, this.connector.dial);
    return this.pending.join(taker, this.hasRoom());
  }

  private readonly hasRoom = (): boolean => this.all.size + (this.pending?.size ?? 0) < this.most;

  onStanding(pending: PendingConnection, protocol: Protocol): void {
    const connection = this.connector.speak(this, pending, protocol);
    this.all.add(connection);
    this.putBack(connection, undefined);
    for (const taker of this.pending?.settle(this.hasRoom) ?? []) this.enqueue(taker, 'requests', false);
    this.watchQueue();
  }

  onFailed(): void {
    if (!this.closing) this.serveQueue();
  }

  /** Adds its connections; returns how many requests wait for one. */
  count(counts: ConnectionCounts['upstream']): number {
    for (const { kind, streams } of this.all) counts[kind][streams > 0 ? 'active' : 'idle']++;
    return this.queue.length;
  }

  /** Leaves the queue: the request was aborted. */
  leave(taker: StreamTaker): void {
    this.queue.remove(taker);
    this.pending?.leave(taker);
  }

  putBack(connection: UpstreamConnection, announced: number | undefined): void {
    const { timeouts } = this;
    this.serveAwaiting(connection);
    const keep =
      announced === undefined
        ? timeouts.upstreamIdle
        : Math.min(timeouts.upstreamIdle, announced - idleMargin);
    const isOver = this.all.size > this.most;
    if (keep <= 0 || isOver || this.isPast(connection) || this.closing || !this.wanted()) {
      if (connection.streams === 0) connection.destroy();
      return;
    }
    while (connection.capacity > 0 && this.mayOpen()) {
      const next = this.queue.peek(this.mayUpload);
      if (next === undefined) break;
      if (next.use !== 'requests' || this.clientOf(next.taker) !== connection.client) {
        // It needs a separate connection, and gets one in the place of this one.
        if (connection.streams === 0) connection.destroy();
        return;
      }
      this.queue.remove(next.taker);
      next.taker.takeStream(connection.openStream());
    }
    if (connection.streams === 0) connection.rest(keep);
    if (connection.capacity > 0) this.list(connection);
  }

  /** Gives this connection to requests that wait for one that is being made. */
  private serveAwaiting(connection: UpstreamConnection): void {
    const { pending } = this;
    if (pending === undefined) return;
    while (pending.isAwaited && connection.capacity > 0) {
      pending.next()?.takeStream(connection.openStream());
    }
  }

  /** Must it end with the streams that it has? */
  private isPast({ openedAt }: UpstreamConnection): boolean {
    if (openedAt < this.renewedAt) return true;
    return this.isNamed && this.deadlines.now - openedAt > maxAgeOfNamed;
  }

  forget(connection: UpstreamConnection): void {
    this.unlist(connection);
    if (!this.all.delete(connection)) return;
    if (!this.closing) this.serveQueue();
  }

  /** Closes idle connections now, and the others when their requests are done. */
  close(): void {
    this.closing = true;
    this.deadlines.remove(this);
    this.closeIdle();
    this.queue.dismiss();
  }

  /** The upstream's settings changed: existing connections take no more requests. */
  renew(): void {
    this.renewedAt = this.deadlines.touch();
    this.mayBeHttp2 = protocolsFor(this.upstream).includes('h2');
    this.closeIdle();
  }

  /** The upstream's own limit has changed. */
  resize(): void {
    for (const connection of this.all) {
      if (this.all.size <= this.most) break;
      if (connection.streams === 0) {
        this.unlist(connection);
        connection.destroy();
      }
    }
    this.serveQueue();
    this.watchQueue();
  }

  /** Closes idle connections: the upstream drains. */
  closeIdle(): void {
    for (const connection of this.free.splice(0)) {
      connection.listed = false;
      if (connection.streams === 0) connection.destroy();
    }
  }

  onDeadline(): void {
    this.queue.expire(this.deadlines.now);
    this.pending?.expire(this.deadlines.now);
    if (this.queue.length > 0) this.makeRoom();
    this.serveQueue();
    this.watchQueue();
  }

  /** Serves those that can be served: an upload that has become whole makes room without any event. */
  private serveQueue(): void {
    for (;;) {
      const next = this.queue.peek(this.mayUpload);
      if (next === undefined) return;
      const stream = this.obtain(next.use, next.taker);
      if (stream === undefined && !this.joinPending(next.taker, next.use)) return;
      this.queue.remove(next.taker);
      if (stream !== undefined) next.taker.takeStream(stream);
    }
  }

  /** The connection with capacity for this client that was used last; it stays in the list. */
  private lastFree(client: Peer | undefined): UpstreamConnection | undefined {
    for (let at = this.free.length - 1; at >= 0; at--) {
      const connection = this.free[at];
      if (connection === undefined || connection.client !== client) continue;
      const isUsable =
        connection.capacity > 0 &&
        (connection.streams === 0 ? connection.idleUntil > this.deadlines.now : !this.isPast(connection));
      if (isUsable) return connection;
      this.unlist(connection);
      if (connection.streams === 0) connection.destroy();
    }
    return undefined;
  }

  /** Opens a stream on a connection with capacity, which leaves the list when it has no more. */
  private openOn(connection: UpstreamConnection): UpstreamStream {
    const stream = connection.openStream();
    if (connection.capacity === 0) this.unlist(connection);
    return stream;
  }

  private list(connection: UpstreamConnection): void {
    if (connection.listed) return;
    connection.listed = true;
    this.free.push(connection);
  }

  private unlist(connection: UpstreamConnection): void {
    if (!connection.listed) return;
    connection.listed = false;
    const at = this.free.lastIndexOf(connection);
    if (at === this.free.length - 1) this.free.pop();
    else this.free.splice(at, 1);
  }

  private make(use: Use, client: Peer | undefined): UpstreamStream {
    const connection = this.connector.connect(this, use, client);
    this.all.add(connection);
    const stream = connection.openStream();
    if (connection.capacity > 0) this.list(connection);
    return stream;
  }

  /** Does the upstream still get new requests? */
  private wanted(): boolean {
    return this.upstream.state === 'active' || this.upstream.state === 'down';
  }
}
