// H2UpstreamStream: one request to an upstream on an HTTP/2 connection, and its response (RFC 9113 section 8.1).
import { WeldrError } from '../../errors.ts';
import type { HeaderList } from '../../request/headers.ts';
import type { Waiting } from '../exchange/deadlines.ts';
import type {
  OutboundRequest,
  ResponseReceiver,
  UpstreamStream,
  UpstreamTimeouts,
} from '../exchange/streams.ts';
import { gaveWay, UploadPace } from '../exchange/upload-pace.ts';
import { errorCode, errorName } from './frames.ts';
import { requestFields, trailerFields } from './head-fields.ts';
import type { ResponseBlock } from './response-block.ts';
import type { H2Stream, H2UpstreamStreamHome } from './stream.ts';

const noBytes = Buffer.alloc(0);

/** One request. */
export class H2UpstreamStream implements UpstreamStream, H2Stream, Waiting {
  deadline = 0;
  deadlineSlot = -1;
  readonly takes = 'payload';
  /** A connection takes streams only once it is open. */
  readonly connected = true;
  readonly reused: boolean;
  /** 0 until something is sent on it. */
  id = 0;
  window: number;
  allowed: number;
  used = 0;
  halfClosed = false;
  /** Whether the final head has arrived. */
  headSeen = false;
  private readonly connection: H2UpstreamStreamHome<H2UpstreamStream>;
  private receiver: ResponseReceiver | undefined = undefined;
  private timeouts: UpstreamTimeouts;
  private closed = false;
  /** How many reads the connection had when the request was sent. */
  private readsBefore = 0;
  // of the request
  private method = 'GET';
  private pending: Buffer = noBytes;
  private ending = false;
  private endSent = false;
  private trailers: HeaderList | undefined = undefined;
  /** Whether all of the client's body has arrived. */
  private clientDone = false;
  /** How fast the body arrives; undefined if there is none to wait for. */
  private pace: UploadPace | undefined = undefined;
  /** Whether the next bytes must come from the client. If so, the upstream's time does not run. */
  private awaitsClient = false;
  // of the response
  private interims = 0;
  /** The length of the body, bytes; negative if unknown. */
  private length = -1;
  private received = 0;
  private holding = false;
  /** Bytes that arrived while it was held, never more than a stream's window. */
  private readonly queue: Buffer[] = [];
  private responseTrailers: HeaderList | undefined = undefined;

  /** `window`: how many bytes it may send at first. `allowed`: how many the upstream may. */
  constructor(
    connection: H2UpstreamStreamHome<H2UpstreamStream>,
    reused: boolean,
    window: number,
    allowed: number,
  ) {
    this.connection = connection;
    this.reused = reused;
    this.window = window;
    this.allowed = allowed;
    this.timeouts = connection.home.timeouts;
    connection.home.deadlines.add(this);
  }

  get waits(): boolean {
    return this.pending.length > 0;
  }

  // --- the request ---------------------------------------------------------------------------------------------

  send(request: OutboundRequest, body: string | undefined, receiver: ResponseReceiver): void {
    const { connection } = this;
    this.receiver = receiver;
    this.method = request.method;
    this.timeouts = request.timeouts;
    this.readsBefore = connection.reads;
    this.awaitsClient = request.length !== 0 && !request.expectContinue;
    const fields = requestFields(request, connection.scheme);
    const problem = connection.problemWith(fields);
    if (problem !== undefined) {
      this.failLater(new WeldrError('HEADERS_TOO_LARGE', problem));
      return;
    }
    this.endSent = request.length === 0;
    connection.begin(this, fields, request.headers.neverIndexed, this.endSent ? 'end' : 'open');
    this.startTime();
    if (body === undefined) {
      if (!this.endSent) this.pace = new UploadPace();
      this.pace?.begin(connection.home.deadlines.now);
      return;
    }
    if (body === '') return;
    this.ending = true;
    this.write(Buffer.from(body, 'latin1'));
  }

  /** Fails after the current call, because {@link send} must not call its receiver back. */
  private failLater(error: WeldrError): void {
    this.endSent = true;
    process.nextTick(() => {
      if (!this.closed) this.fail(error);
    });
  }

  // Everything written in one turn of the event loop leaves together anyway.
  cork(): void {}

  uncork(): void {}

  write(bytes: Buffer | string): boolean {
    if (this.endSent || this.closed) return true;
    this.pace?.add(bytes.length, this.connection.home.deadlines.now);
    const buffer = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
    const sent = this.waits ? 0 : this.connection.sendData(this, buffer, 0, buffer.length, this.ending);
    if (sent < buffer.length) {
      const rest = buffer.subarray(sent);
      this.pending = this.waits ? Buffer.concat([this.pending, rest]) : rest;
      this.connection.await(this);
    } else if (this.ending) this.endSent = true;
    const flows = !this.waits && !this.connection.blocked;
    this.awaitsClient = flows && !this.clientDone;
    this.startTime();
    return flows;
  }

  /** Whether it is only waiting for a client that sends its body slowly. */
  get lags(): boolean {
    const { pace, connection } = this;
    if (pace === undefined || this.ending || this.waits || connection.blocked) return false;
    return pace.isSlow(connection.home.deadlines.now);
  }

  /** Ends to make room for waiting requests. */
  giveWay(): void {
    const { connection } = this;
    connection.reset(this, errorCode.cancel);
    this.fail(new WeldrError('REQUEST_TIMEOUT', gaveWay(connection.home.upstream.id)));
  }

  clientSent(): void {
    this.clientDone = true;
    if (!this.awaitsClient) return;
    this.awaitsClient = false;
    this.startTime();
  }

  endRequest(trailers: HeaderList | undefined): void {
    this.trailers = trailers;
    this.ending = true;
    this.clientSent();
    if (!this.waits) this.sendEnd();
  }

  private sendEnd(): void {
    if (this.endSent || this.closed) return;
    this.endSent = true;
    const { trailers } = this;
    if (trailers === undefined) this.connection.endData(this.id);
    else this.connection.sendHead(this.id, trailerFields(trailers), trailers.neverIndexed, 'end');
  }

  sendPending(): void {
    const { pending } = this;
    if (pending.length === 0) return;
    const isLast = this.ending && this.trailers === undefined;
    const sent = this.connection.sendData(this, pending, 0, pending.length, isLast);
    if (sent === 0) return;
    this.pending = sent === pending.length ? noBytes : pending.subarray(sent);
    this.startTime();
    if (this.waits) return;
    if (isLast) this.endSent = true;
    else if (this.ending) this.sendEnd();
    else this.onDrain();
  }

  onDrain(): void {
    if (this.waits || this.ending) return;
    this.pace?.waited(this.connection.home.deadlines.now);
    this.awaitsClient = !this.clientDone && !this.endSent;
    if (this.awaitsClient) this.startTime();
    this.receiver?.onDrain();
  }

  // --- the response --------------------------------------------------------------------------------------------

  /** Takes a field block that is a head. */
  onHead(response: ResponseBlock, ends: boolean): void {
    const { connection, receiver } = this;
    if (!response.end(this.method, ends ? 'with the block' : 'later')) {
      connection.fail(this, errorCode.protocolError, response.detail);
      return;
    }
    if (receiver === undefined) return;
    if (response.status < 200) {
      this.onInterim(response, receiver);
      return;
    }
    this.headSeen = true;
    this.length = response.length;
    this.startTime();
    receiver.onHead(response);
    if (!this.closed && ends) this.onEnd(undefined);
  }

  private onInterim(response: ResponseBlock, receiver: ResponseReceiver): void {
    const { connection } = this;
    const most = connection.home.limits.interimResponses;
    if (++this.interims > most) {
      const remedy = 'raise limits.interimResponses if it means to';
      connection.fail(this, errorCode.enhanceYourCalm, `over ${most} interim responses: ${remedy}`);
      return;
    }
    // The upstream is working, or lets the client continue.
    if (response.status === 100) this.awaitsClient = !this.clientDone;
    this.startTime();
    // A client that is slow to read does not get it, so nothing piles up.
    if (!this.holding) receiver.onInterim(response);
  }

  onBody(buffer: Buffer, start: number, end: number): boolean {
    const size = end - start;
    if (!this.headSeen) {
      this.connection.fail(this, errorCode.protocolError, 'DATA before a response head');
      return true;
    }
    this.received += size;
    if (this.length >= 0 && this.received > this.length) return false;
    if (this.holding || this.queue.length > 0) {
      this.queue.push(Buffer.from(buffer.subarray(start, end)));
      return true;
    }
    this.startTime();
    this.receiver?.onBody(buffer, start, end);
    this.connection.consumed(this, size);
    return true;
  }

  onEnd(trailers: HeaderList | undefined): boolean {
    if (!this.headSeen) {
      this.connection.fail(this, errorCode.protocolError, 'an end before a response head');
      return true;
    }
    if (this.length >= 0 && this.received !== this.length) return false;
    this.halfClosed = true;
    this.responseTrailers = trailers;
    if (this.holding || this.queue.length > 0) this.deadline = 0;
    else this.complete();
    return true;
  }

  /** Everything from one read has been handed on. */
  onReadEnd(): void {
    if (!this.holding) this.receiver?.onReadEnd();
  }

  hold(): void {
    this.holding = true;
    this.deadline = 0;
  }

  release(): void {
    if (!this.holding || this.closed) return;
    this.holding = false;
    while (this.queue.length > 0 && !this.isHeld()) {
      const bytes = this.queue.shift() ?? noBytes;
      this.receiver?.onBody(bytes, 0, bytes.length);
      this.connection.consumed(this, bytes.length);
    }
    if (this.isHeld()) return;
    if (this.halfClosed) this.complete();
    else this.startTime();
  }

  /** A method, because the compiler does not see that calls change it. */
  private isHeld(): boolean {
    return this.holding || this.closed;
  }

  /** Ends a complete response. If the request is not complete, it is cancelled: its rest is not needed. */
  private complete(): void {
    const { receiver, responseTrailers } = this;
    if (!this.endSent) this.connection.reset(this, errorCode.cancel);
    this.connection.completed();
    this.end();
    receiver?.onBodyEnd(responseTrailers);
  }

  // --- ends ----------------------------------------------------------------------------------------------------

  cancel(): void {
    if (this.closed) return;
    if (this.id > 0) this.connection.reset(this, errorCode.cancel);
    this.end();
  }

  /** The upstream has reset the stream. */
  onReset(code: number): void {
    if (this.halfClosed) {
      // The upstream has responded, and needs no more of the request (RFC 9113 section 8.1).
      this.endSent = true;
      this.pending = noBytes;
      return;
    }
    const { id } = this.connection.home.upstream;
    const why = `${id} reset the stream: ${errorName(code)}`;
    if (this.headSeen) this.fail(new WeldrError('BODY_CUT', why));
    else if (code === errorCode.refusedStream) this.fail(new WeldrError('STREAM_REFUSED', why));
    else if (code === errorCode.http11Required) {
      this.fail(new WeldrError('UPSTREAM_RESET', `${why}; set http2: false for this server`));
    } else this.fail(new WeldrError('UPSTREAM_RESET', why));
  }

  /** The upstream is ending the connection, and has not processed this request. */
  onRefused(why: string): void {
    this.fail(new WeldrError('STREAM_REFUSED', why));
  }

  /** The connection is closed; `why`: what is known about the cause. */
  onConnectionClosed(why: string, cause: Error | undefined): void {
    // The response is complete and held: the client still gets it, at its own pace.
    if (this.halfClosed) return;
    const { reads, home } = this.connection;
    const isStale = this.reused && reads === this.readsBefore;
    if (this.headSeen) this.fail(new WeldrError('BODY_CUT', `${why} within a response body`, { cause }));
    else if (isStale) {
      const message = `${home.upstream.id} closed a connection that was reused`;
      this.fail(new WeldrError('STALE_CONNECTION', message, { cause }));
    } else this.fail(new WeldrError('UPSTREAM_RESET', `${why} without a response`, { cause }));
  }

  /** The upstream sent something malformed. */
  onMalformed(reason: string): void {
    const message = `${this.connection.home.upstream.id} sent ${reason}`;
    this.fail(new WeldrError(this.headSeen ? 'BODY_CUT' : 'BAD_RESPONSE', message));
  }

  private fail(error: WeldrError): void {
    const { receiver } = this;
    this.end();
    receiver?.onAttemptError(error);
  }

  private end(): void {
    if (this.closed) return;
    this.closed = true;
    this.receiver = undefined;
    this.deadline = 0;
    this.pending = noBytes;
    this.queue.length = 0;
    this.connection.home.deadlines.remove(this);
    this.connection.forget(this);
  }

  // --- waits ---------------------------------------------------------------------------------------------------

  /** Starts the deadline for the upstream's next step; there is none while the next bytes must come from the client. */
  private startTime(): void {
    if (this.closed || this.holding || this.halfClosed) return;
    const { body, response } = this.timeouts;
    this.deadline = this.awaitsClient
      ? 0
      : this.connection.home.deadlines.in(this.headSeen ? body : response);
  }

  onDeadline(): void {
    const { connection, timeouts } = this;
    const { id } = connection.home.upstream;
    connection.reset(this, errorCode.cancel);
    connection.probe();
    this.fail(
      this.headSeen
        ? new WeldrError('BODY_TIMEOUT', `the body from ${id} stalled for ${timeouts.body} ms`)
        : new WeldrError('RESPONSE_TIMEOUT', `no response from ${id} within ${timeouts.response} ms`),
    );
  }
}
