// ConnectionCache: a worker's connections to one upstream, those with room for another stream, and the queue in front of
// them.
import { isIP } from 'node:net';
import type { Upstream } from '../../pool/pool.ts';
import type { PoolSettings } from '../../pool/pool-settings.ts';
import type { Settings } from '../../settings/settings.ts';
import type { ConnectionCounts } from '../../stages/connection-info.ts';
import type { Deadlines, Waiting } from '../exchange/deadlines.ts';
import type { Peer, UpstreamStream } from '../exchange/streams.ts';
import type { PendingConnection } from './pending-connection.ts';
import { PendingConnections, type PendingHome } from './pending-connections.ts';
import { type Protocol, protocolsFor } from './protocols.ts';
import { StreamQueue, type StreamTaker, type Use } from './stream-queue.ts';
import type { ConnectionHome, Connector, UpstreamConnection } from './upstream-connection.ts';

/** From this age on, ms, a connection to a name is not kept for more requests: the name may point elsewhere by then. */
const maxAgeOfNamed = 60_000;
/** Connections are closed this long before the idle limit that an upstream announces, ms, so no request races its close. */
const idleMargin = 1_000;
/** Streams on an HTTP/2 connection before the upstream has said how many it allows. */
const streamsUnsaid = 100;

/** While requests wait, how often to look for lagging connections, ms, and the least time between two looks. */
const roomInterval = 100;
const roomPause = 20;

/** One upstream's connections. The most recently used one is taken first, so the others can expire. */
export class ConnectionCache implements ConnectionHome, PendingHome, Waiting {
  deadline = 0;
  deadlineSlot = -1;
  readonly upstream: Upstream;
  readonly deadlines: Deadlines;
  readonly timeouts: Settings['timeouts'];
  readonly limits: Settings['limits'];
  streamsAtFirst = streamsUnsaid;
  /** Whether the upstream is reached by a name, which may point elsewhere later. */
  private readonly isNamed: boolean;
  private readonly connector: Connector;
  private readonly all = new Set<UpstreamConnection>();
  /** Those with capacity. */
  private readonly free: UpstreamConnection[] = [];
  private readonly queue: StreamQueue;
  /** Created with the first connection whose protocol must be negotiated. */
  private pending: PendingConnections | undefined = undefined;
  private closing = false;
  /** Connections opened before this time use outdated settings. */
  private renewedAt = Number.NEGATIVE_INFINITY;
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
   * Gives `taker` a stream: at once if a connection has room or a new one may be made, else later, in turn. While half of the
   * connections are in use, uploads that are still arriving get no connection until their beginning has arrived, and no more
   * of them than {@link mayUpload} allows.
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

  /**
   * Returns whether another upload that is still arriving may take a connection. Together, uploads may hold three quarters
   * of them, but always at least one.
   */
  private readonly mayUpload = (): boolean => {
    const most = Math.max(1, Math.floor(this.most * 0.75));
    let uploads = 0;
    for (const connection of this.all) if (connection.uploads && ++uploads >= most) return false;
    return true;
  };

  /** How many connections are allowed. */
  private get most(): number {
    return this.upstream.room ?? this.ofPool?.upstreamConnections ?? this.limits.upstreamConnections;
  }

  /** Returns whether the upstream's own limit allows another stream. Over HTTP/1.1 the limit counts connections. */
  private mayOpen(): boolean {
    const { room } = this.upstream;
    if (room === undefined || !this.mayBeHttp2) return true;
    let streams = this.pending?.awaiting ?? 0;
    for (const connection of this.all) streams += connection.streams;
    return streams < room;
  }

  /** Ends connections that only wait for slow clients, to serve the requests in the queue. */
  private makeRoom(): void {
    const { now } = this.deadlines;
    if (now < this.roomNotBefore) return;
    const wanted = this.queue.length;
    const lagging: UpstreamConnection[] = [];
    for (const connection of this.all) {
      if (lagging.length === wanted) break;
      if (connection.lags) lagging.push(connection);
    }
    // A pause, so that not every waiting request looks at every connection.
    if (lagging.length < wanted) this.roomNotBefore = now + roomPause;
    for (const connection of lagging) connection.giveWay();
  }

  /** The limits set on the upstream's pool. */
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
    // An upgrade or another client needs a connection of its own: an idle one makes room for it.
    const idle = this.free.find(({ streams }) => streams === 0);
    if (idle === undefined) return undefined;
    // Removed first, so that its end does not serve the queue: its place is taken.
    this.all.delete(idle);
    this.unlist(idle);
    idle.destroy();
    return this.make(use, client);
  }

  /** The client that a connection for this taker names in a PROXY header; undefined if it sends none. */
  private clientOf(taker: StreamTaker): Peer | undefined {
    return this.upstream.record.proxyProtocol === undefined ? undefined : taker.peer;
  }

  /** Lets a request wait for a connection that is still negotiating its protocol. Returns false if none may be made. */
  private joinPending(taker: StreamTaker, use: Use): boolean {
    if (use !== 'requests' || !this.mayBeHttp2 || !this.mayOpen()) return false;
    this.pending ??= new PendingConnections(this, this.connector.dial);
    return this.pending.join(taker, this.hasRoom());
  }

  private readonly hasRoom = (): boolean => this.all.size + (this.pending?.size ?? 0) < this.most;

  onOpen(pending: PendingConnection, protocol: Protocol): void {
    const connection = this.connector.speak(this, pending, protocol);
    this.all.add(connection);
    this.putBack(connection, undefined);
    for (const taker of this.pending?.settle(this.hasRoom) ?? []) this.enqueue(taker, 'requests', false);
    this.watchQueue();
  }

  onFailed(): void {
    if (!this.closing) this.serveQueue();
  }

  /** Adds its connections to `counts`. Returns how many requests wait for one. */
  count(counts: ConnectionCounts['upstream']): number {
    for (const { kind, streams } of this.all) counts[kind][streams > 0 ? 'active' : 'idle']++;
    return this.queue.length;
  }

  /** Removes an aborted request from the queue. */
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
        // It needs a connection of its own, which replaces this one.
        if (connection.streams === 0) connection.destroy();
        return;
      }
      this.queue.remove(next.taker);
      next.taker.takeStream(connection.openStream());
    }
    if (connection.streams === 0) connection.rest(keep);
    if (connection.capacity > 0) this.list(connection);
  }

  /** Gives streams of this connection to requests that wait for one still being made. */
  private serveAwaiting(connection: UpstreamConnection): void {
    const { pending } = this;
    if (pending === undefined) return;
    while (pending.isAwaited && connection.capacity > 0) {
      pending.next()?.takeStream(connection.openStream());
    }
  }

  /** Returns whether a connection must take no streams beyond those it has. */
  private isPast({ openedAt }: UpstreamConnection): boolean {
    if (openedAt < this.renewedAt) return true;
    return this.isNamed && this.deadlines.now - openedAt > maxAgeOfNamed;
  }

  forget(connection: UpstreamConnection): void {
    this.unlist(connection);
    if (!this.all.delete(connection)) return;
    if (!this.closing) this.serveQueue();
  }

  /** Closes idle connections now, the others once their requests are done. */
  close(): void {
    this.closing = true;
    this.deadlines.remove(this);
    this.closeIdle();
    this.queue.dismiss();
  }

  /** Applies a change of the upstream's settings: existing connections take no more requests. */
  renew(): void {
    this.renewedAt = this.deadlines.touch();
    this.mayBeHttp2 = protocolsFor(this.upstream).includes('h2');
    this.closeIdle();
  }

  /** Applies a change of the upstream's own limit. */
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

  /** Closes idle connections, as when the upstream drains. */
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

  /** Serves as many requests as it can. Also polled: an upload that has completely arrived makes room without any event. */
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

  /** The most recently used connection with capacity for this client; it stays in the list. */
  private lastFree(client: Peer | undefined): UpstreamConnection | undefined {
    for (let at = this.free.length - 1; at >= 0; at--) {
      const connection = this.free[at];
      if (connection === undefined || connection.client !== client) continue;
      const isUsable =
        connection.capacity > 0 &&
        (connection.streams > 0 || connection.idleUntil > this.deadlines.now) &&
        !this.isPast(connection);
      if (isUsable) return connection;
      this.unlist(connection);
      if (connection.streams === 0) connection.destroy();
    }
    return undefined;
  }

  /** Opens a stream on a listed connection, and takes that off the list if it has no capacity left. */
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

  /** Returns whether the upstream still takes new requests. */
  private wanted(): boolean {
    return this.upstream.state === 'active' || this.upstream.state === 'down';
  }
}
