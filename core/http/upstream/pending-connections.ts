// PendingConnections: the connections to one upstream whose protocol is still being found, and who waits for them. Nobody
// takes one before that: how many requests it can take depends on it.
import { WeldrError } from '../../errors.ts';
import type { Upstream } from '../../pool/pool.ts';
import type { Deadlines } from '../exchange/deadlines.ts';
import { type Dialler, PendingConnection, type PendingOwner } from './pending-connection.ts';
import { type Protocol, protocolsFor } from './protocols.ts';
import type { StreamTaker } from './stream-queue.ts';

/** What becomes of them. */
export interface PendingHome {
  readonly upstream: Upstream;
  readonly deadlines: Deadlines;
  /** Streams that a new connection of HTTP/2 can be expected to take. */
  readonly streamsAtFirst: number;
  /** One stands: it is to be taken over, and those who wait are to be served. */
  onStanding(pending: PendingConnection, protocol: Protocol): void;
  /** One has failed, and those who waited for it have been told. */
  onFailed(): void;
}

interface Waiter {
  readonly taker: StreamTaker;
  /** `Deadlines.now` when it gives up. */
  readonly until: number;
}

/** Those of one upstream. */
export class PendingConnections implements PendingOwner {
  private readonly home: PendingHome;
  private readonly dialler: Dialler;
  private readonly pending = new Set<PendingConnection>();
  private waiting: Waiter[] = [];
  /**
   * What the upstream agreed on last: requests share a connection that is likely to take them all, and do not wait for
   * one that is not. Nothing yet: the first connection is waited for.
   */
  private agreed: Protocol = 'h2';

  constructor(home: PendingHome, dialler: Dialler) {
    this.home = home;
    this.dialler = dialler;
  }

  get size(): number {
    return this.pending.size;
  }

  /** Does somebody wait? */
  get isAwaited(): boolean {
    return this.waiting.length > 0;
  }

  /** How many wait. */
  get awaiting(): number {
    return this.waiting.length;
  }

  /** Those who wait and have no connection to hope for. */
  private get excess(): number {
    const each = this.agreed === 'h2' ? Math.max(1, this.home.streamsAtFirst) : 1;
    return this.waiting.length - this.pending.size * each;
  }

  /** Has a taker wait for a connection that is being made, or for one more where `mayDial`. False: it cannot. */
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

  /** Who waits longest, and waits no more; undefined: nobody does. */
  next(): StreamTaker | undefined {
    return this.waiting.shift()?.taker;
  }

  /** Makes connections for all who have none to hope for, as long as `mayDial`; those for whom there is none leave. */
  settle(mayDial: () => boolean): readonly StreamTaker[] {
    while (this.excess > 0 && mayDial()) this.dial(this.waiting.at(-1)?.taker.connectTimeout ?? 0);
    const left = Math.max(0, this.excess);
    return left === 0 ? [] : this.waiting.splice(-left).map(({ taker }) => taker);
  }

  /** Turns away those whose time is up. */
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

  onStanding(pending: PendingConnection, protocol: Protocol): void {
    this.pending.delete(pending);
    this.agreed = protocol;
    this.home.onStanding(pending, protocol);
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
