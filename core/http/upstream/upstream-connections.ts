// UpstreamConnections: the connections of a worker to one upstream: idle ones, busy ones, and who waits for one.
import { isIP } from 'node:net';
import { WeldrError } from '../../errors.ts';
import type { Upstream } from '../../pool/pool.ts';
import type { Settings } from '../../settings/settings.ts';
import type { Deadlines, Waiting } from '../exchange/deadlines.ts';
import type { ResponseHead } from '../h1/response-head.ts';
import { UpstreamConnection } from '../h1/upstream-connection.ts';

/** A name may point elsewhere by now: its connections are not kept for longer than this, in ms. */
const maxAgeOfNamed = 60_000;
/** An upstream's announced idle limit is cut short by this, in ms, so that a request never meets its close. */
const idleMargin = 1_000;

/** Who waits for a connection. */
export interface ConnectionTaker {
  take(connection: UpstreamConnection): void;
  refuse(error: WeldrError): void;
}

/** One upstream's connections. The most recently used idle one is taken first, so that the others can expire. */
export class UpstreamConnections implements Waiting {
  deadline = 0;
  deadlineSlot = -1;
  readonly upstream: Upstream;
  readonly deadlines: Deadlines;
  readonly timeouts: Settings['timeouts'];
  readonly responseHead: ResponseHead;
  private readonly limits: Settings['limits'];
  /** Is it reached by a name, which may change its meaning? */
  private readonly isNamed: boolean;
  private readonly all = new Set<UpstreamConnection>();
  private readonly idle: UpstreamConnection[] = [];
  private queue: { taker: ConnectionTaker; use: 'requests' | 'upgrade'; until: number }[] = [];
  private closing = false;

  constructor(upstream: Upstream, settings: Settings, deadlines: Deadlines, responseHead: ResponseHead) {
    this.upstream = upstream;
    this.isNamed = upstream.endpoint.kind === 'tcp' && isIP(upstream.endpoint.hostname) === 0;
    this.deadlines = deadlines;
    this.timeouts = settings.timeouts;
    this.limits = settings.limits;
    this.responseHead = responseHead;
    deadlines.add(this);
  }

  /** Gives `taker` a connection: at once where one is idle or may be made, else when one is free or a wait is over. */
  acquire(taker: ConnectionTaker, use: 'requests' | 'upgrade'): void {
    const connection = this.obtain(use);
    if (connection !== undefined) {
      taker.take(connection);
    } else if (this.queue.length >= this.limits.upstreamQueue) {
      taker.refuse(
        new WeldrError('UPSTREAM_BUSY', `${this.upstream.id} has no free connection and a full queue`),
      );
    } else {
      this.queue.push({ taker, use, until: this.deadlines.in(this.limits.upstreamQueueTimeout) });
      if (this.deadline === 0) this.deadline = this.queue[0]?.until ?? 0;
    }
  }

  private obtain(use: 'requests' | 'upgrade'): UpstreamConnection | undefined {
    const kept = this.takeIdle();
    if (kept !== undefined && use === 'requests') return kept;
    if (this.all.size < this.limits.upstreamConnections) {
      if (kept !== undefined) this.idle.push(kept);
      return this.make(use);
    }
    if (kept === undefined) return undefined;
    // An upgrade needs a connection of its own, and an idle one is in its place.
    kept.destroy();
    return this.make(use);
  }

  /** Leaves the queue: the request was aborted. */
  leave(taker: ConnectionTaker): void {
    if (this.queue.length > 0) this.queue = this.queue.filter(entry => entry.taker !== taker);
  }

  /** A connection has finished a response and can be used again. `announced`: the upstream's idle limit, ms. */
  putBack(connection: UpstreamConnection, announced: number | undefined): void {
    const { deadlines, timeouts } = this;
    const keep =
      announced === undefined
        ? timeouts.upstreamIdle
        : Math.min(timeouts.upstreamIdle, announced - idleMargin);
    const aged = this.isNamed && deadlines.now - connection.openedAt > maxAgeOfNamed;
    if (keep <= 0 || aged || this.closing || !this.wanted()) {
      connection.destroy();
      return;
    }
    const next = this.queue[0];
    if (next !== undefined) {
      if (next.use === 'upgrade') {
        // It needs one of its own, and gets it in the place of this one.
        connection.destroy();
        return;
      }
      this.queue.shift();
      next.taker.take(connection);
      return;
    }
    connection.deadline = deadlines.in(keep);
    connection.idleUntil = deadlines.now + keep;
    this.idle.push(connection);
  }

  /** A connection has ended. */
  forget(connection: UpstreamConnection): void {
    this.all.delete(connection);
    const at = this.idle.lastIndexOf(connection);
    if (at >= 0) this.idle.splice(at, 1);
    const next = this.closing ? undefined : this.queue.shift();
    if (next !== undefined) next.taker.take(this.make(next.use));
  }

  /** Closes idle connections now and the others when their request is done. */
  close(): void {
    this.closing = true;
    this.deadlines.remove(this);
    this.closeIdle();
    for (const { taker } of this.queue.splice(0)) {
      taker.refuse(new WeldrError('NO_UPSTREAM', `${this.upstream.id} was removed`));
    }
  }

  /** Closes idle connections: the upstream drains, or its settings changed. */
  closeIdle(): void {
    for (const connection of this.idle.splice(0)) connection.destroy();
  }

  onDeadline(): void {
    const now = this.deadlines.now;
    while (this.queue.length > 0 && (this.queue[0]?.until ?? 0) <= now) {
      const timedOut = this.queue.shift();
      timedOut?.taker.refuse(
        new WeldrError('QUEUE_TIMEOUT', `no connection to ${this.upstream.id} became free in time`),
      );
    }
    this.deadline = this.queue[0]?.until ?? 0;
  }

  private takeIdle(): UpstreamConnection | undefined {
    for (;;) {
      const connection = this.idle.pop();
      if (connection === undefined || connection.idleUntil > this.deadlines.now) return connection;
      connection.destroy();
    }
  }

  private make(use: 'requests' | 'upgrade'): UpstreamConnection {
    const connection = new UpstreamConnection(this, this.upstream, use);
    this.all.add(connection);
    return connection;
  }

  /** Is the upstream still one that gets new requests? */
  private wanted(): boolean {
    return this.upstream.state === 'active' || this.upstream.state === 'down';
  }
}
