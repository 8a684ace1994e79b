// PendingConnection: a connection to an upstream whose protocol is known only once it is open.
import type { Duplex } from 'node:stream';
import { WeldrError } from '../../errors.ts';
import type { Upstream } from '../../pool/pool.ts';
import type { Deadlines, Waiting } from '../exchange/deadlines.ts';
import { connectError, noHttp2Error } from './connect-error.ts';
import type { SocketReader } from './dial.ts';
import type { Protocol } from './protocols.ts';

/** Opens the socket of a connection that offers these protocols. */
export type Dialler = (upstream: Upstream, protocols: readonly Protocol[], reader: SocketReader) => Duplex;

/** Receives the outcome of a pending connection. */
export interface PendingOwner {
  /** The connection is open and speaks this protocol; the owner must take it over at once. */
  onOpen(pending: PendingConnection, protocol: Protocol): void;
  onFailed(pending: PendingConnection, error: WeldrError): void;
}

/** One connection that is being opened. */
export class PendingConnection implements SocketReader, Waiting {
  deadline = 0;
  deadlineSlot = -1;
  readonly openedAt: number;
  readonly socket: Duplex;
  private readonly owner: PendingOwner;
  private readonly upstream: Upstream;
  private readonly protocols: readonly Protocol[];
  private readonly deadlines: Deadlines;
  private readonly timeout: number;
  /** The reader that took the connection over. */
  private reader: SocketReader | undefined = undefined;
  private over = false;

  /** `timeout`: how long connecting may take, ms. */
  constructor(
    owner: PendingOwner,
    upstream: Upstream,
    protocols: readonly Protocol[],
    dialler: Dialler,
    deadlines: Deadlines,
    timeout: number,
  ) {
    this.owner = owner;
    this.upstream = upstream;
    this.protocols = protocols;
    this.deadlines = deadlines;
    this.timeout = timeout;
    this.openedAt = deadlines.touch();
    this.deadline = deadlines.in(timeout);
    deadlines.add(this);
    this.socket = dialler(upstream, protocols, this);
    this.socket.on('error', this.onError);
    this.socket.on('close', this.onClose);
  }

  /** Hands the socket to the connection that speaks its protocol. */
  handTo(reader: SocketReader): void {
    this.reader = reader;
    this.settle();
  }

  /** Ends it without notifying its owner. */
  destroy(): void {
    this.settle();
    this.socket.on('error', () => {});
    this.socket.destroy();
  }

  onConnected(): void {
    // Already destroyed if the other end is this Weldr itself.
    if (this.over || this.socket.destroyed) return;
    const agreed = this.agreed();
    if (this.protocols.includes(agreed)) this.owner.onOpen(this, agreed);
    else this.fail(noHttp2Error(this.upstream, undefined));
  }

  /** The protocol that TLS negotiated; without TLS there is no choice. */
  private agreed(): Protocol {
    if (this.upstream.protocol !== 'https:') return this.protocols[0] ?? 'http/1.1';
    const { alpnProtocol }: { alpnProtocol?: unknown } = Object(this.socket);
    return alpnProtocol === 'h2' ? 'h2' : 'http/1.1';
  }

  onBytes(buffer: Buffer, start: number, end: number): void {
    this.reader?.onBytes(buffer, start, end);
  }

  onWriteError(error: Error): boolean {
    return this.reader?.onWriteError(error) === true;
  }

  onDeadline(): void {
    const why = `no connection to ${this.upstream.id} within ${this.timeout} ms`;
    this.fail(new WeldrError('CONNECT_TIMEOUT', why));
  }

  private readonly onError = (error: Error): void => {
    const reason = connectError(this.upstream, error);
    // Servers that do not offer HTTP/2 send an alert, or just close.
    const lacksHttp2 = reason.code === 'TLS_FAILED' && !this.protocols.includes('http/1.1');
    this.fail(lacksHttp2 ? noHttp2Error(this.upstream, error) : reason);
  };

  private readonly onClose = (): void => this.fail(connectError(this.upstream, undefined));

  private fail(error: WeldrError): void {
    if (this.over) return;
    this.destroy();
    this.owner.onFailed(this, error);
  }

  private settle(): void {
    this.over = true;
    this.deadline = 0;
    this.deadlines.remove(this);
    this.socket.off('error', this.onError);
    this.socket.off('close', this.onClose);
  }
}
