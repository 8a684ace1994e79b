// H1UpstreamConnection: one HTTP/1.1 connection to an upstream, plain or TLS. It carries one request at a time, and is itself
// the stream of that request.
import type { Duplex } from 'node:stream';
import { WeldrError } from '../../errors.ts';
import type { HeaderList } from '../../request/headers.ts';
import type { Waiting } from '../exchange/deadlines.ts';
import type {
  OutboundRequest,
  Peer,
  ResponseReceiver,
  UpstreamStream,
  UpstreamTimeouts,
} from '../exchange/streams.ts';
import { gaveWay, UploadPace } from '../exchange/upload-pace.ts';
import type { SocketReader } from '../upstream/dial.ts';
import type { PendingConnection } from '../upstream/pending-connection.ts';
import type { ConnectionHome, UpstreamConnection } from '../upstream/upstream-connection.ts';
import { bodyEnd, chunkEnd, chunkStart, requestHead } from './head-writer.ts';
import type { ResponseHead } from './response-head.ts';
import {
  awaitingHead,
  closed,
  connecting,
  H1ResponseReader,
  idle,
  inBody,
  noBytes,
  untilEnd,
} from './response-reader.ts';
import { endError, timeoutError } from './upstream-failure.ts';

/** One connection, owned by its {@link ConnectionHome}. */
export class H1UpstreamConnection
  extends H1ResponseReader
  implements UpstreamConnection, UpstreamStream, SocketReader, Waiting
{
  deadline = 0;
  deadlineSlot = -1;
  readonly takes = 'chunks';
  readonly kind = 'h1';
  readonly openedAt: number;
  readonly client: Peer | undefined;
  capacity = 1;
  streams = 0;
  idleUntil = 0;
  listed = false;
  private readonly socket: Duplex;
  /** How many requests were sent on it, including the current one. */
  private uses = 0;
  private ended = false;
  private timeouts: UpstreamTimeouts;
  private requestSent = false;
  /** Whether all of the client's body has arrived. */
  private clientDone = false;
  /** Whether the next bytes must come from the client. If so, the upstream's time does not run. */
  private awaitsClient = false;
  private writeError: Error | undefined = undefined;
  /** How fast the request body arrives. */
  private readonly pace = new UploadPace();
  /** Whether the request body is sent in chunks, which trailers may follow. */
  private inChunks = false;
  /** Whether the request body arrives as payload, to be put into chunks here. */
  private encoding = false;

  /**
   * `responseHead`: the reader that all connections of a worker share. `from`: opens the socket, or is an open connection
   * that negotiated this protocol. `client`: see {@link UpstreamConnection.client}.
   */
  constructor(
    home: ConnectionHome,
    responseHead: ResponseHead,
    from: PendingConnection | ((reader: SocketReader) => Duplex),
    client: Peer | undefined,
  ) {
    super(home, responseHead);
    this.client = client;
    this.timeouts = home.timeouts;
    home.deadlines.add(this);
    if (typeof from === 'function') {
      this.openedAt = home.deadlines.touch();
      this.deadline = home.deadlines.in(home.timeouts.connect);
      this.socket = from(this);
    } else {
      this.openedAt = from.openedAt;
      this.state = idle;
      this.socket = from.socket;
      from.handTo(this);
    }
    this.socket.on('drain', () => {
      this.onDrain();
    });
    this.socket.on('end', () => this.onEnd());
    this.socket.on('error', error => this.onSocketError(error));
    this.socket.on('close', () => this.onSocketError(undefined));
  }

  // --- as a connection of its cache ----------------------------------------------------------------------------

  openStream(): UpstreamStream {
    this.capacity = 0;
    this.streams = 1;
    return this;
  }

  rest(ms: number): void {
    const { deadlines } = this.home;
    this.deadline = deadlines.in(ms);
    this.idleUntil = deadlines.now + ms;
  }

  // --- as the stream of one request ----------------------------------------------------------------------------

  get reused(): boolean {
    return this.uses > 1;
  }

  get connected(): boolean {
    return this.state !== connecting;
  }

  send(request: OutboundRequest, body: string | undefined, receiver: ResponseReceiver): void {
    this.receiver = receiver;
    this.uses++;
    this.method = request.method;
    this.interims = 0;
    this.headSeen = false;
    this.requestSent = false;
    this.pace.begin(this.home.deadlines.now);
    this.upgrading = request.upgrade !== undefined;
    this.clientDone = false;
    this.awaitsClient = request.length !== 0 && !request.expectContinue;
    this.inChunks = request.length < 0;
    this.encoding = this.inChunks && request.form === 'payload';
    this.timeouts = request.timeouts;
    if (this.state === idle) {
      this.state = awaitingHead;
      this.startTime();
    } else if (this.timeouts !== this.home.timeouts) {
      this.deadline = this.home.deadlines.in(this.timeouts.connect);
    }
    const head = requestHead(request);
    this.socket.write(body === undefined ? head : head + body, 'latin1');
  }

  cork(): void {
    this.socket.cork();
  }

  uncork(): void {
    this.socket.uncork();
  }

  write(bytes: Buffer | string): boolean {
    this.pace.add(bytes.length, this.home.deadlines.now);
    const flows = this.writePayload(bytes);
    this.awaitsClient = flows && !this.clientDone;
    this.startTime();
    return flows;
  }

  private writePayload(bytes: Buffer | string): boolean {
    if (!this.encoding) return this.writeRaw(bytes);
    // An empty chunk would end the body.
    if (bytes.length > 0) {
      this.writeRaw(chunkStart(bytes.length));
      this.writeRaw(bytes);
      this.writeRaw(chunkEnd);
    }
    return !this.socket.writableNeedDrain;
  }

  /** Starts the deadline for the upstream's next step; there is none while the next bytes must come from the client. */
  protected startTime(): void {
    if (this.state === connecting || this.state === closed || this.holding) return;
    const { body, response } = this.timeouts;
    const time = this.state === awaitingHead ? response : body;
    this.deadline = this.awaitsClient ? 0 : this.home.deadlines.in(time);
  }

  get uploads(): boolean {
    return !this.requestSent && this.state !== closed && this.streams > 0;
  }

  get lags(): boolean {
    // Until it is connected, and while its socket is full, it waits for the upstream.
    if (!this.uploads || this.state === connecting || this.socket.writableNeedDrain) return false;
    return this.pace.isSlow(this.home.deadlines.now);
  }

  giveWay(): void {
    this.fail(new WeldrError('REQUEST_TIMEOUT', gaveWay(this.home.upstream.id)));
  }

  private onDrain(): void {
    this.pace.waited(this.home.deadlines.now);
    this.awaitsClient = this.uploads && !this.clientDone;
    if (this.awaitsClient) this.startTime();
    this.receiver?.onDrain();
  }

  private writeRaw(bytes: Buffer | string): boolean {
    return typeof bytes === 'string' ? this.socket.write(bytes, 'latin1') : this.socket.write(bytes);
  }

  endRequest(trailers: HeaderList | undefined): void {
    if (this.encoding || (this.inChunks && trailers !== undefined)) this.writeRaw(bodyEnd(trailers));
    this.requestSent = true;
    this.clientSent();
  }

  clientSent(): void {
    this.clientDone = true;
    if (!this.awaitsClient) return;
    this.awaitsClient = false;
    this.startTime();
  }

  hold(): void {
    if (this.holding || this.state === closed) return;
    this.holding = true;
    this.deadline = 0;
    this.socket.pause();
  }

  release(): void {
    if (!this.holding || this.state === closed) return;
    this.holding = false;
    if (this.completeOnRelease) {
      this.completeOnRelease = false;
      if (this.held.length > 0) this.keepAlive = false;
      this.socket.resume();
      this.complete();
      return;
    }
    this.startTime();
    const bytes = this.held;
    this.held = noBytes;
    if (bytes.length > 0) this.onBytes(bytes, 0, bytes.length);
    if (this.holding || this.stopped()) return;
    if (this.ended) this.onEnd();
    else this.socket.resume();
  }

  cancel(): void {
    this.destroy();
  }

  destroy(): void {
    if (this.state === closed) return;
    this.state = closed;
    this.receiver = undefined;
    this.deadline = 0;
    this.home.deadlines.remove(this);
    this.home.forget(this);
    this.socket.destroy();
  }

  onDeadline(): void {
    if (this.state === idle) this.destroy();
    else this.fail(timeoutError(this.home.upstream, this.state, this.timeouts));
  }

  onConnected(): void {
    // Already destroyed if the other end is this Weldr itself.
    if (this.state !== connecting || this.socket.destroyed) return;
    this.state = awaitingHead;
    this.startTime();
    this.pace.waited(this.home.deadlines.now);
    this.receiver?.onConnected();
  }

  onBytes(buffer: Buffer, start: number, end: number): void {
    if (this.state === closed) return;
    if (this.holding) {
      this.keep(buffer, start, end);
      return;
    }
    if (this.state === idle) {
      // The bytes belong to no request, and must not become the response to the next one.
      this.destroy();
      return;
    }
    // A head has one deadline for all of it, however slowly it arrives.
    if (this.state !== awaitingHead) this.startTime();
    this.consume(buffer, start, end);
    this.receiver?.onReadEnd();
  }

  onWriteError(error: Error): boolean {
    if (this.state === connecting || this.state === idle) return false;
    this.writeError = error;
    // Even while a stage or a slow client holds it: no more bytes will follow those that have arrived.
    if (this.holding) this.socket.resume();
    return true;
  }

  protected onInterim(status: number): void {
    if (status === 100) this.awaitsClient = !this.clientDone;
    this.startTime();
  }

  protected onSwitch(head: ResponseHead, rest: Buffer): void {
    const { receiver, socket } = this;
    const { id } = this.home.upstream;
    if (!this.upgrading || head.upgrade === undefined || receiver === undefined) {
      this.fail(new WeldrError('BAD_RESPONSE', `${id} switched protocols without being asked`));
      return;
    }
    // The client switches protocols only after all of its request (RFC 9110 section 7.8).
    if (!this.requestSent) {
      this.fail(new WeldrError('BAD_RESPONSE', `${id} switched protocols before the request was complete`));
      return;
    }
    const bytes = Buffer.from(rest);
    this.state = closed;
    this.receiver = undefined;
    this.home.deadlines.remove(this);
    // It counts as one of the upstream's connections as long as the tunnel lives.
    socket.once('close', () => this.home.forget(this));
    receiver.onUpgraded(head, socket, bytes);
  }

  /**
   * Ends a complete response: keeps the connection for others if that is safe, then notifies the receiver. Bytes after the
   * response belong to no request: if there are any, the caller has cleared `keepAlive`. The caller must not read on, because
   * the next request may already be on the connection.
   */
  protected complete(): void {
    const { receiver, trailers } = this;
    this.trailers = undefined;
    this.receiver = undefined;
    const isWhole = this.requestSent && this.writeError === undefined;
    const reusable = this.keepAlive && isWhole && !this.ended;
    if (reusable) {
      this.letGo();
      this.state = idle;
      this.deadline = 0;
      this.capacity = 1;
      this.streams = 0;
      this.home.putBack(this, this.keepAliveTimeout);
    } else {
      this.destroy();
    }
    receiver?.onBodyEnd(trailers);
  }

  /** Ends a hold: the rest of the response waits in its slow client's socket. */
  private letGo(): void {
    if (!this.holding) return;
    this.holding = false;
    this.socket.resume();
  }

  private onEnd(): void {
    this.ended = true;
    if (this.state === closed || this.holding) return;
    if (this.state === untilEnd) this.complete();
    else if (this.state === idle) this.destroy();
    else this.onSocketError(undefined);
  }

  private onSocketError(error: Error | undefined): void {
    if (this.state === closed) return;
    if (this.holding && (error === undefined || this.mayBeWhole)) this.ended = true;
    else if (this.state === idle) this.destroy();
    else this.fail(this.explain(error));
  }

  /** Whether the held bytes could be the rest of the response. */
  private get mayBeWhole(): boolean {
    if (this.completeOnRelease) return true;
    const { held, remaining, state } = this;
    return held.length > 0 && (state !== inBody || held.length >= remaining);
  }

  private explain(error = this.writeError): WeldrError {
    const { held, headSeen, home, reused, state } = this;
    return endError(home.upstream, { state, hasBegun: held.length > 0 || headSeen, reused }, error);
  }

  protected fail(error: WeldrError): void {
    const { receiver } = this;
    this.destroy();
    receiver?.onAttemptError(error);
  }
}
