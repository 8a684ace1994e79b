// H2ClientStream: one request of a client on an HTTP/2 connection, and its response (RFC 9113 section 8.1).
import type { Duplex } from 'node:stream';
import { WeldrError } from '../../errors.ts';
import type { HeaderList } from '../../request/headers.ts';
import { copyBufferSize, giveBackCopyBuffer, takeCopyBuffer } from '../exchange/copy-buffers.ts';
import type { Waiting } from '../exchange/deadlines.ts';
import { httpDate } from '../exchange/http-date.ts';
import type { ClientStream, OutboundResponse, Peer, RequestReceiver } from '../exchange/streams.ts';
import { slowness } from '../exchange/upload-rate.ts';
import type { Wire } from '../exchange/wire.ts';
import type { Ending } from './frame-writer.ts';
import { errorCode } from './frames.ts';
import { responseFields, trailerFields } from './head-fields.ts';
import type { RequestBlock } from './request-block.ts';
import type { H2ClientStreamHome, H2Stream } from './stream.ts';

const noBytes = Buffer.alloc(0);

/** One request. */
export class H2ClientStream implements ClientStream, H2Stream, Waiting {
  deadline = 0;
  deadlineSlot = -1;
  readonly id: number;
  readonly takes = 'payload';
  isGrpc = false;
  answered = false;
  window: number;
  allowed: number;
  used = 0;
  private readonly connection: H2ClientStreamHome<H2ClientStream>;
  private readonly wire: Wire;
  private receiver: RequestReceiver | undefined = undefined;
  // of the request
  /** Whether the client has ended its side. */
  private ended = false;
  private isOver = false;
  /** The announced length of the body, bytes; negative if there was none. */
  private length = 0;
  private received = 0;
  /** The most bytes of its body. */
  private maxBody: number;
  private readonly queue: Buffer[] = [];
  private queued = 0;
  private trailers: HeaderList | undefined = undefined;
  private gathering = 0;
  private receivedBefore = 0;
  private sent = 0;
  private sentBefore = 0;
  private awaitingStage = false;
  // of the response
  /** A head that has not been sent, as alternating names and values; empty if there is none. */
  private head: string[] = [];
  private neverIndexed: ReadonlySet<string> | undefined = undefined;
  /** Bytes until the response is over; negative if `endBody` ends it. */
  private remaining = -1;
  private pending: Buffer = noBytes;
  /** The buffer of `pending`, if `pending` fits in one. */
  private copyBuffer: Buffer | undefined = undefined;
  private responded = false;
  private responseTrailers: HeaderList | undefined = undefined;
  private finished = false;
  private closed = false;

  /** `window`: how many bytes it may send at first. `allowed`: how many the client may. */
  constructor(
    connection: H2ClientStreamHome<H2ClientStream>,
    wire: Wire,
    id: number,
    window: number,
    allowed: number,
  ) {
    this.allowed = allowed;
    this.connection = connection;
    this.wire = wire;
    this.id = id;
    this.window = window;
    this.maxBody = wire.settings.limits.body ?? Number.POSITIVE_INFINITY;
    wire.deadlines.add(this);
  }

  get peer(): Peer {
    return this.connection.peer;
  }

  get requestComplete(): boolean {
    return this.isOver;
  }

  get halfClosed(): boolean {
    return this.ended;
  }

  get waits(): boolean {
    return this.pending.length > 0;
  }

  // --- the request ---------------------------------------------------------------------------------------------

  begin(request: RequestBlock, ends: 'with the block' | 'later'): void {
    this.length = request.length;
    this.isGrpc = request.isGrpc;
    this.ended = ends === 'with the block';
    this.isOver = this.ended;
    if (!this.ended) this.watchBody();
    const receiver = this.wire.exchanges.take(this);
    this.receiver = receiver;
    receiver.begin(request);
  }

  /** Responds to a request that is refused. */
  refuse(request: RequestBlock, ends: 'with the block' | 'later'): void {
    this.isGrpc = request.isGrpc;
    this.ended = ends === 'with the block';
    this.isOver = this.ended;
    const receiver = this.wire.exchanges.take(this);
    this.receiver = receiver;
    receiver.refuse(new WeldrError(request.code, request.detail || undefined));
  }

  onBody(buffer: Buffer, start: number, end: number): boolean {
    this.received += end - start;
    if (this.length >= 0 && this.received > this.length) return false;
    const { receiver } = this;
    // The body is no longer wanted.
    if (receiver === undefined) {
      this.connection.consumed(this, end - start);
      return true;
    }
    if (this.received > this.maxBody) {
      receiver.refuse(new WeldrError('BODY_TOO_LARGE'));
      return true;
    }
    if (receiver.wantsBody && this.queued === 0) {
      this.pass(buffer.subarray(start, end));
    } else {
      // A copy, so that held bytes do not keep a whole read in memory.
      this.queue.push(Buffer.from(buffer.subarray(start, end)));
      this.queued += end - start;
      this.checkGathered();
    }
    return true;
  }

  onEnd(trailers: HeaderList | undefined): boolean {
    this.ended = true;
    this.trailers = trailers;
    if (this.length >= 0 && this.received !== this.length) return false;
    if (!this.checkGathered()) this.passOn();
    return true;
  }

  limitBody(bytes: number): boolean {
    this.maxBody = Math.min(this.maxBody, bytes);
    return this.received <= bytes;
  }

  takeSmallBody(limit: number): string | undefined {
    this.gathering = 0;
    // A body without a length is sent in chunks, which the upstream's stream frames.
    if (!this.ended || this.isOver || this.length < 0 || this.queued > limit || this.trailers !== undefined) {
      return undefined;
    }
    const text = this.queue.map(bytes => bytes.toString('latin1')).join('');
    this.connection.consumed(this, this.queued);
    this.queue.length = 0;
    this.queued = 0;
    this.isOver = true;
    this.deadline = 0;
    return text;
  }

  bodyArrived(limit: number): boolean {
    return this.ended || this.queued >= limit;
  }

  gatherBody(limit: number): void {
    this.gathering = limit;
    this.watchBody();
  }

  private checkGathered(): boolean {
    if (this.gathering === 0 || !this.bodyArrived(this.gathering)) return false;
    this.gathering = 0;
    this.receiver?.onBodyArrived();
    return true;
  }

  resumeBody(): void {
    if (this.isOver) return;
    this.watchBody();
    this.passOn();
  }

  /** Hands on what has arrived, as long as it is wanted. */
  private passOn(): void {
    while (this.queue.length > 0 && this.receiver?.wantsBody === true) {
      const bytes = this.queue.shift() ?? noBytes;
      this.queued -= bytes.length;
      this.pass(bytes);
    }
    if (!this.ended || this.isOver || this.queue.length > 0 || this.receiver?.wantsBody !== true) return;
    this.isOver = true;
    if (!this.awaitingStage) this.deadline = 0;
    this.receiver.onRequestEnd(this.trailers);
  }

  private pass(bytes: Buffer): void {
    this.receiver?.onRequestBytes(bytes);
    this.connection.consumed(this, bytes.length);
  }

  readNoMore(): void {}

  echo(): string {
    throw new WeldrError('INTERNAL', 'TRACE is not served over HTTP/2');
  }

  // --- the response --------------------------------------------------------------------------------------------

  writeInterim(status: number, _: string | undefined, headers: HeaderList): boolean {
    this.connection.sendHead(this.id, responseFields(status, headers), headers.neverIndexed, 'open');
    return !this.connection.blocked;
  }

  writeHead({ status, headers, hasDate, length, isAnnounced, endsWith, body }: OutboundResponse): void {
    this.head = responseFields(status, headers);
    this.neverIndexed = headers.neverIndexed;
    if (!hasDate) this.head.push('date', httpDate());
    if (length !== undefined && (isAnnounced || length > 0)) this.head.push('content-length', String(length));
    const isKnown = length !== undefined && endsWith === 'its length' && body !== 'none';
    this.remaining = isKnown ? length : -1;
  }

  writeBody(buffer: Buffer, start: number, end: number): boolean {
    this.sendHead('open');
    this.sent += end - start;
    if (this.remaining > 0) this.remaining -= end - start;
    const isLast = this.remaining === 0;
    const sent = this.pending.length > 0 ? 0 : this.connection.sendData(this, buffer, start, end, isLast);
    if (sent === end - start) {
      if (isLast) this.responded = true;
      return !this.connection.blocked;
    }
    this.keep(buffer, start + sent, end);
    this.connection.await(this);
    this.watchReader();
    return false;
  }

  /** Copies bytes that will change, to keep them until they can be sent. */
  private keep(buffer: Buffer, start: number, end: number): void {
    const size = end - start;
    if (this.pending.length === 0 && size <= copyBufferSize) {
      this.copyBuffer ??= takeCopyBuffer();
      buffer.copy(this.copyBuffer, 0, start, end);
      this.pending = this.copyBuffer.subarray(0, size);
      return;
    }
    this.pending = Buffer.concat([this.pending, buffer.subarray(start, end)]);
  }

  private dropPending(): void {
    this.pending = noBytes;
    const { copyBuffer } = this;
    this.copyBuffer = undefined;
    if (copyBuffer !== undefined) giveBackCopyBuffer(copyBuffer);
  }

  writeBodyLine(): void {}

  endBody(trailers: HeaderList | undefined): void {
    this.responseTrailers = trailers;
    if (this.pending.length > 0) return;
    this.end();
  }

  flush(): boolean {
    this.sendHead('open');
    return !this.connection.blocked && this.pending.length === 0;
  }

  private sendHead(ending: Ending): void {
    if (this.head.length === 0) return;
    const { head } = this;
    this.head = [];
    this.answered = true;
    this.connection.sendHead(this.id, head, this.neverIndexed, ending);
  }

  /** Ends the response after everything before its end has been sent. */
  private end(): void {
    if (this.responded) return;
    this.responded = true;
    const { responseTrailers } = this;
    if (responseTrailers !== undefined) {
      this.sendHead('open');
      this.connection.sendHead(
        this.id,
        trailerFields(responseTrailers),
        responseTrailers.neverIndexed,
        'end',
      );
    } else if (this.head.length > 0) this.sendHead('end');
    else this.connection.endData(this.id);
  }

  sendPending(): void {
    const { pending } = this;
    if (pending.length === 0) return;
    const isLast = this.remaining === 0;
    const sent = this.connection.sendData(this, pending, 0, pending.length, isLast);
    if (sent === pending.length) this.dropPending();
    else this.pending = pending.subarray(sent);
    if (sent > 0) this.watchReader();
    if (this.pending.length > 0) return;
    this.deadline = 0;
    if (isLast) this.responded = true;
    if (this.finished) {
      this.end();
      this.close();
    } else {
      if (!this.isOver) this.watchBody();
      this.receiver?.onClientDrain();
    }
  }

  onDrain(): void {
    if (this.pending.length === 0 && !this.finished) this.receiver?.onClientDrain();
  }

  finish(): void {
    this.receiver = undefined;
    this.finished = true;
    this.dropBody();
    if (this.pending.length > 0) return;
    this.end();
    this.close();
  }

  cut(): void {
    this.receiver = undefined;
    this.connection.reset(this, errorCode.internalError);
    this.forget();
  }

  switchProtocols(): { readonly socket: Duplex; readonly rest: Buffer } {
    throw new WeldrError('INTERNAL', 'HTTP/2 has no Upgrade');
  }

  onTunnelClosed(): void {}

  // --- ends ----------------------------------------------------------------------------------------------------

  /** Closes after the complete response was sent. A client that is still sending is asked to stop (RFC 9113 section 8.1). */
  private close(): void {
    if (!this.ended) this.connection.reset(this, errorCode.noError);
    this.connection.completed();
    this.forget();
  }

  /** Aborts the request: the client left or is being disconnected. */
  abort(error: WeldrError): void {
    const { receiver } = this;
    this.receiver = undefined;
    this.forget();
    receiver?.abort(error);
  }

  private forget(): void {
    if (this.closed) return;
    this.closed = true;
    this.deadline = 0;
    this.dropPending();
    this.dropBody();
    this.wire.deadlines.remove(this);
    this.connection.forget(this);
  }

  private dropBody(): void {
    if (this.queued > 0) this.connection.consumed(this, this.queued);
    this.queue.length = 0;
    this.queued = 0;
  }

  // --- waits ---------------------------------------------------------------------------------------------------

  awaitStage(): void {
    this.awaitingStage = true;
    this.deadline = this.wire.deadlines.in(this.wire.settings.timeouts.stage);
  }

  stageDone(): void {
    this.awaitingStage = false;
    this.deadline = 0;
    if (!this.isOver) this.watchBody();
    else if (this.waits) this.watchReader();
  }

  private watchBody(): void {
    this.receivedBefore = this.received;
    this.sentBefore = this.sent;
    if (!this.awaitingStage) this.deadline = this.wire.deadlines.in(this.wire.settings.timeouts.body);
  }

  /** Limits the time until the client opens a window or reads what was written. */
  private watchReader(): void {
    if (!this.awaitingStage) this.deadline = this.wire.deadlines.in(this.wire.settings.timeouts.body);
  }

  onDeadline(): void {
    if (this.awaitingStage) {
      this.awaitingStage = false;
      this.receiver?.onStageTimeout();
      return;
    }
    if (this.pending.length > 0) {
      this.connection.reset(this, errorCode.cancel);
      this.abort(new WeldrError('CLIENT_CLOSED', 'the client does not read its response'));
      return;
    }
    if (this.isOver) return;
    const why = slowness(this.received - this.receivedBefore, this.wire.settings);
    // The client is not to blame for bytes that have arrived and wait to be taken.
    const isHeld = this.queued > 0 || this.ended;
    // In gRPC both sides send messages whenever they have some: a client may be silent while it gets a response.
    const isAnswered = this.isGrpc && this.sent > this.sentBefore;
    if (isHeld || isAnswered || why === undefined) {
      this.watchBody();
      return;
    }
    this.receiver?.refuse(new WeldrError('REQUEST_TIMEOUT', why));
  }
}
