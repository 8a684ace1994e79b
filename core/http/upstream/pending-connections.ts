// PendingConnections: the connections to one upstream whose protocol is not known yet, and the requests that wait for them.
// Requests have to wait, because the protocol decides how many of them a connection can carry.
import { WeldrError } from '../../errors.ts';
import type { Upstream } from '../../pool/pool.ts';
import type { Deadlines } from '../exchange/deadlines.ts';
import { type Dialler, PendingConnection, type PendingOwner } from './pending-connection.ts';
import { type Protocol, protocolsFor } from './protocols.ts';
import type { StreamTaker } from './stream-queue.ts';

/** Receives the outcomes of pending connections. */
export interface PendingHome {
  readonly upstream: Upstream;
  readonly deadlines: Deadlines;
  /** How many streams a new HTTP/2 connection can be expected to take. */
  readonly streamsAtFirst: number;
  /** A connection is open: take it over, and serve the waiting requests. */
  onOpen(pending: PendingConnection, protocol: Protocol): void;
  /** A connection has failed, and the requests that waited for it were notified. */
  onFailed(): void;
}

interface Waiter {
  readonly taker: StreamTaker;
  /** When it stops waiting, by `Deadlines.now`. */
  readonly until: number;
}

/** The pending connections of one upstream. */
export class PendingConnections implements PendingOwner {
  private readonly home: PendingHome;
  private readonly dialler: Dialler;
  private readonly pending = new Set<PendingConnection>();
  private waiting: Waiter[] = [];
  /**
   * The protocol that was negotiated last. It decides whether requests share a pending connection or get one each; until one
   * has been negotiated, they share.
   */
  private agreed: Protocol = 'h2';

  constructor(home: PendingHome, dialler: Dialler) {
    this.home = home;
    this.dialler = dialler;
  }

  get size(): number {
    return this.pending.size;
  }

  get isAwaited(): boolean {
    return this.waiting.length > 0;
  }

  /** How many requests wait. */
  get awaiting(): number {
    return this.waiting.length;
  }

  /** How many more requests wait than the pending connections are expected to take. */
  private get excess(): number {
    const each = this.agreed === 'h2' ? Math.max(1, this.home.streamsAtFirst) : 1;
    return this.waiting.length - this.pending.size * each;
  }

  /** Lets a taker wait for a pending connection, or for a new one if `mayDial`. Returns false if there is none to wait for. */
  join(taker: StreamTaker, mayDial: boolean): boolean {
    if (this.excess >= 0) {
      if (!mayDial) return false;
      this.dial(taker.connectTimeout);
    }
    this.waiting.push({ taker, until: this.home.deadlines.in(taker.connectTimeout) });
    taker.awaitConnection();
    return true;
  }

  leave(taker: StreamTaker): void {
    if (this.waiting.length > 0) this.waiting = this.waiting.filter(waiter => waiter.taker !== taker);
  }

  /** Removes and returns the taker that has waited longest; undefined if none waits. */
  next(): StreamTaker | undefined {
    return this.waiting.shift()?.taker;
  }

  /** Dials for the {@link excess} while `mayDial`. Removes and returns the takers that are still left over. */
  settle(mayDial: () => boolean): readonly StreamTaker[] {
    while (this.excess > 0 && mayDial()) this.dial(this.waiting.at(-1)?.taker.connectTimeout ?? 0);
    const left = Math.max(0, this.excess);
    return left === 0 ? [] : this.waiting.splice(-left).map(({ taker }) => taker);
  }

  /** Turns away takers whose time is up. */
  expire(now: number): void {
    const late = this.waiting.filter(({ until }) => until <= now);
    if (late.length === 0) return;
    this.waiting = this.waiting.filter(({ until }) => until > now);
    const { id } = this.home.upstream;
    for (const { taker } of late) {
      const why = `no connection to ${id} within ${taker.connectTimeout} ms`;
      taker.goWithout(new WeldrError('CONNECT_TIMEOUT', why));
    }
  }

  onOpen(pending: PendingConnection, protocol: Protocol): void {
    this.pending.delete(pending);
    this.agreed = protocol;
    this.home.onOpen(pending, protocol);
  }

  onFailed(pending: PendingConnection, error: WeldrError): void {
    this.pending.delete(pending);
    const lost = this.waiting.splice(0, Math.max(0, this.excess));
    for (const { taker } of lost) taker.goWithout(error);
    this.home.onFailed();
  }

  private dial(timeout: number): void {
    const { upstream, deadlines } = this.home;
    const protocols = protocolsFor(upstream);
    this.pending.add(new PendingConnection(this, upstream, protocols, this.dialler, deadlines, timeout));
  }
}
