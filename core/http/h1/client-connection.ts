// ClientConnection: one HTTP/1.1 connection from a client: reads its requests in order, writes their responses.
import type { Socket } from 'node:net';
import { type ErrorCode, WeldrError } from '../../errors.ts';
import type { HeaderList } from '../../request/headers.ts';
import type { Listener } from '../accept/listener.ts';
import { copyBufferSize, giveBackCopyBuffer, takeCopyBuffer } from '../exchange/copy-buffers.ts';
import type { Waiting } from '../exchange/deadlines.ts';
import { Exchange } from '../exchange/exchange.ts';
import type { Peer } from '../exchange/forwarding.ts';
import type { Wire } from '../exchange/wire.ts';
import { ChunkedReader, type ChunkedSink } from './chunked-reader.ts';
import { CR, LF } from './grammar.ts';
import { chunked } from './message-framing.ts';
import { dateLine } from './outgoing-head.ts';
import { reasonPhrase } from './reason-phrases.ts';
import { needMore, refused } from './request-head.ts';

const awaitingHead = 0;
const inBody = 1;
const responding = 2;
const lingering = 3;
const tunnelled = 4;
const closed = 5;

/** How long, and for how many bytes, a closing connection is read on, so that the client sees its answer first. */
const lingerTime = 2_000;
const lingerBytes = 64 * 1024 * 1024;
/** Bytes of further requests that are kept while one is answered. */
const pipelineBytes = 64 * 1024;
/** Empty lines before a request line that are skipped (RFC 9112 section 2.2). */
const leadingLines = 2;
/** Hops through proxies of this name that a request may have behind it: more is a loop. */
const maxPasses = 8;

const headEnd = Buffer.from('\r\n\r\n');
const noBytes = Buffer.alloc(0);

/** One client connection and the requests on it, one after another. */
export class ClientConnection implements Waiting, ChunkedSink {
  deadline = 0;
  deadlineSlot = -1;
  readonly socket: Socket;
  readonly peer: Peer;
  /** When it last had nothing to do, `Deadlines.now`. */
  idleSince: number;
  private readonly wire: Wire;
  private readonly listener: Listener;
  private readonly exchange: Exchange;
  /** Made when a first chunked body comes: most connections never see one. */
  private reader: ChunkedReader | undefined = undefined;
  private state = awaitingHead;
  private buffer: Buffer = noBytes;
  /** How much of the buffer was seen when the head was last found incomplete; 0: nothing was looked at. */
  private seen = 0;
  private remaining = 0;
  private isChunked = false;
  private bodyBytes = 0;
  private bodyBytesBefore = 0;
  private smallBody: string | undefined = undefined;
  /** Copies that are being written, in order. */
  private lent: Buffer[] | undefined = undefined;
  private trailers: HeaderList | undefined = undefined;
  private paused = false;
  private ended = false;
  private advancing = false;
  private awaitingStage = false;
  private lingered = 0;
  /** Writes so far, up to two. */
  private writes = 0;

  constructor(listener: Listener, wire: Wire, socket: Socket, peer: Peer) {
    this.listener = listener;
    this.wire = wire;
    this.socket = socket;
    this.peer = peer;
    this.exchange = new Exchange(wire, this);
    this.idleSince = wire.deadlines.now;
    this.deadline = wire.deadlines.in(wire.settings.timeouts.header);
    wire.deadlines.add(this);
    socket.on('data', this.onData);
    socket.on('drain', this.onDrain);
    socket.on('end', this.onEnd);
    socket.on('error', this.onClose);
    socket.on('close', this.onClose);
  }

  get idle(): boolean {
    return this.state === awaitingHead && this.buffer.length === 0;
  }

  /** Has all of the current request been read? */
  get requestComplete(): boolean {
    return this.state !== inBody;
  }

  // --- what the exchange writes --------------------------------------------------------------------------------

  /** Writes latin1 text; false: the client is slower, wait for `onClientDrain`. */
  write(text: string): boolean {
    this.hurry();
    return this.flowing(this.socket.write(text, 'latin1'));
  }

  /** Writes bytes that nobody changes any more. */
  writeOwn(bytes: Buffer): boolean {
    this.hurry();
    return this.flowing(this.socket.write(bytes));
  }

  /** Writes a copy, as the buffer that the bytes are in is used again. */
  writeShared(buffer: Buffer, start: number, end: number): boolean {
    const size = end - start;
    // What was held back can be more than one read brings.
    if (size > copyBufferSize) return this.writeOwn(Buffer.from(buffer.subarray(start, end)));
    const copy = takeCopyBuffer();
    buffer.copy(copy, 0, start, end);
    this.lent ??= [];
    this.lent.push(copy);
    this.hurry();
    return this.flowing(this.socket.write(copy.subarray(0, size), this.onCopyWritten));
  }

  /** Writes end in the order in which they began. */
  private readonly onCopyWritten = (): void => {
    const copy = this.lent?.shift();
    if (copy !== undefined) giveBackCopyBuffer(copy);
  };

  /**
   * From the second write on nothing waits for an acknowledgement (Nagle's algorithm). The first never would: a
   * connection that ends with it is spared a system call.
   */
  private hurry(): void {
    if (this.writes < 2 && ++this.writes === 2) this.socket.setNoDelay(true);
  }

  private flowing(accepted: boolean): boolean {
    if (!accepted) this.deadline = this.wire.deadlines.in(this.wire.settings.timeouts.body);
    else if (this.ended) this.awaitHalfClosed();
    return accepted;
  }

  // --- what the exchange asks ----------------------------------------------------------------------------------

  /** A stage works asynchronously: it has a limited time. */
  awaitStage(): void {
    this.awaitingStage = true;
    this.deadline = this.wire.deadlines.in(this.wire.settings.timeouts.stage);
  }

  stageDone(): void {
    this.awaitingStage = false;
    this.deadline = 0;
    if (this.state === inBody) this.watchBody();
    else if (this.ended && this.state === responding) this.awaitHalfClosed();
  }

  /**
   * The whole request body as latin1 text, when it has arrived and is small; it stays at hand, so that the request
   * can be sent again. Undefined: there is none, or it must be streamed.
   */
  takeSmallBody(limit: number): string | undefined {
    if (this.smallBody !== undefined) return this.smallBody;
    const { buffer, remaining } = this;
    if (this.state !== inBody || this.isChunked || remaining > limit || buffer.length < remaining)
      return undefined;
    this.smallBody = buffer.toString('latin1', 0, remaining);
    this.buffer = buffer.length === remaining ? noBytes : buffer.subarray(remaining);
    this.remaining = 0;
    this.state = responding;
    this.deadline = 0;
    return this.smallBody;
  }

  /** The upstream takes body bytes now. */
  resumeBody(): void {
    if (this.state !== inBody) return;
    this.watchBody();
    this.advance();
    this.resume();
  }

  /**
   * The response is complete. `close`: the client asked that the connection ends with it. `linger`: it did not, and may
   * still be sending.
   */
  finishResponse(next: 'keep-alive' | 'close' | 'linger'): void {
    if (this.state === closed) return;
    if (next !== 'keep-alive' || this.state === inBody) {
      // Nothing is left to write or to read: closing at once spares a shutdown, an event and a deadline.
      const over = next === 'close' && this.state === responding && this.buffer.length === 0;
      if (over && this.socket.writableLength === 0) this.close();
      else this.linger();
      return;
    }
    this.state = awaitingHead;
    this.smallBody = undefined;
    this.seen = 0;
    const { deadlines, settings } = this.wire;
    this.idleSince = deadlines.now;
    this.deadline = deadlines.in(settings.timeouts.idle);
    this.advance();
    if (this.idle && this.ended) this.linger();
    else if (this.state === awaitingHead && !this.socket.writableNeedDrain) this.resume();
  }

  /** Gives the socket to a tunnel; answers bytes that were read already. */
  takeOver(): Buffer {
    this.state = tunnelled;
    this.deadline = 0;
    this.socket.setNoDelay(true);
    this.socket.off('data', this.onData);
    this.socket.off('drain', this.onDrain);
    this.socket.off('end', this.onEnd);
    const bytes = this.buffer;
    this.buffer = noBytes;
    return bytes;
  }

  onTunnelClosed(): void {
    this.close();
  }

  /** Ends the connection so that a response which is not complete is seen to be so. */
  cut(how: 'close' | 'reset'): void {
    if (this.state === closed) return;
    // Where only the connection's end tells the response's end, a FIN would make it look complete.
    if (how === 'reset') this.socket.resetAndDestroy();
    else this.socket.destroy();
    this.close();
  }

  /** The listener stops: what is in flight ends here. */
  stop(): void {
    this.exchange.abort(new WeldrError('STOPPED'));
    this.cut('close');
  }

  /** For a drain: closes when nothing is going on. True: closed. */
  closeIfIdle(): boolean {
    if (!this.idle) return false;
    this.linger();
    return true;
  }

  // --- reading -------------------------------------------------------------------------------------------------

  private readonly onData = (bytes: Buffer): void => {
    if (this.state === lingering) {
      this.lingered += bytes.length;
      if (this.lingered > lingerBytes) this.close();
      return;
    }
    this.buffer = this.buffer.length === 0 ? bytes : Buffer.concat([this.buffer, bytes]);
    if (this.state === responding) {
      if (this.buffer.length > pipelineBytes) this.pause();
      return;
    }
    this.advance();
  };

  /** Reads on for as long as what is there can be used. Not entered twice: a response may be complete at once. */
  private advance(): void {
    if (this.advancing) return;
    this.advancing = true;
    let more = true;
    while (more && this.buffer.length > 0) {
      if (this.state === awaitingHead) more = !this.socket.writableNeedDrain && this.readHead();
      else if (this.state === inBody) more = this.readBody();
      else more = false;
    }
    this.advancing = false;
    if (this.state !== awaitingHead) return;
    if (this.socket.writableNeedDrain) this.pause();
    else if (this.ended && this.buffer.length > 0) this.cut('close');
  }

  private readHead(): boolean {
    const start = this.skipEmptyLines();
    const { buffer } = this;
    if (start >= buffer.length || this.tooEarly(start)) return false;
    if (this.seen === 0) this.deadline = this.wire.deadlines.in(this.wire.settings.timeouts.header);
    const head = this.wire.requestHead;
    // A head is rarely longer than this, and what follows it need not become a string.
    const stop = Math.min(buffer.length, start + 4096);
    let used = head.read(buffer.toString('latin1', start, stop), 0);
    if (used === needMore && stop < buffer.length) used = head.read(buffer.toString('latin1', start), 0);
    if (used === needMore) {
      this.seen = buffer.length;
      return false;
    }
    if (used === refused) {
      this.refuse(head.code, head.detail);
      return false;
    }
    this.buffer = start + used === buffer.length ? noBytes : buffer.subarray(start + used);
    this.seen = 0;
    return this.accept();
  }

  /** Where the request begins: behind the few empty lines that may come before it. */
  private skipEmptyLines(): number {
    const { buffer } = this;
    let start = 0;
    while (start < leadingLines * 2 && buffer[start] === CR && buffer[start + 1] === LF) start += 2;
    // Half of a line's end: the other half decides.
    return buffer.length === start + 1 && buffer[start] === CR && start < leadingLines * 2
      ? buffer.length
      : start;
  }

  /** A head that was incomplete is read again only when its end is there, or there is twice as much of it. */
  private tooEarly(start: number): boolean {
    const { buffer, seen } = this;
    if (seen === 0 || buffer.length >= seen * 2) return false;
    return buffer.indexOf(headEnd, Math.max(start, seen - 3)) < 0;
  }

  /** The head is complete: what the wire itself answers is answered, everything else goes into the pipeline. */
  private accept(): boolean {
    const { wire, peer } = this;
    const head = wire.requestHead;
    const { settings } = wire;
    this.isChunked = head.length === chunked;
    this.remaining = this.isChunked ? 0 : head.length;
    this.bodyBytes = 0;
    this.bodyBytesBefore = 0;
    this.smallBody = undefined;
    this.trailers = undefined;
    this.deadline = 0;
    this.state = head.length === 0 ? responding : inBody;
    if (settings.limits.body !== undefined && head.length > settings.limits.body) {
      this.refuse('BODY_TOO_LARGE');
    } else if (head.method === 'TRACE' && (!settings.trace || head.length !== 0)) {
      this.refuse(settings.trace ? 'BAD_REQUEST' : 'METHOD_NOT_ALLOWED', 'TRACE');
    } else if (head.fields.via !== '' && wire.forwarding.passes(head.fields.via) >= maxPasses) {
      this.refuse('LOOP', `a request of ${peer.ip} has passed this proxy ${maxPasses} times`);
    } else if (head.fields.maxForwards === undefined || this.spendForward(head.fields.maxForwards)) {
      if (this.isChunked) this.beginChunked();
      if (this.state === inBody) this.watchBody();
      this.exchange.begin(head);
    }
    return this.state === awaitingHead || this.state === inBody;
  }

  /** Max-Forwards (RFC 9110 section 7.6.2): false when the request ends here. */
  private spendForward(value: string): boolean {
    const head = this.wire.requestHead;
    if (head.method !== 'OPTIONS' && head.method !== 'TRACE') return true;
    if (!/^\d{1,9}$/.test(value)) {
      this.refuse('BAD_REQUEST', 'a malformed Max-Forwards');
      return false;
    }
    if (Number(value) > 0) {
      head.fields.headers.set('Max-Forwards', String(Number(value) - 1));
      return true;
    }
    const isTrace = head.method === 'TRACE';
    const echo = isTrace ? `TRACE ${head.target} HTTP/1.1\r\nHost: ${head.host}\r\n\r\n` : '';
    const type = isTrace
      ? 'Content-Type: message/http\r\n'
      : 'Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n';
    const keepAlive = head.keepAlive && head.length === 0;
    const connection = keepAlive ? '' : 'Connection: close\r\n';
    this.write(
      `HTTP/1.1 200 OK\r\n${dateLine()}${type}Content-Length: ${echo.length}\r\n${connection}\r\n${echo}`,
    );
    this.finishResponse(keepAlive ? 'keep-alive' : 'linger');
    return false;
  }

  // --- the body ------------------------------------------------------------------------------------------------

  /** Hands body bytes on; false when there is nothing more to do for now. */
  private readBody(): boolean {
    const { exchange } = this;
    if (!exchange.wantsBody) {
      // What came stays here until the upstream takes it; a FIN or more bytes can wait as well.
      if (exchange.active) this.pause();
      return false;
    }
    const bytes = this.buffer;
    if (this.reader !== undefined && this.isChunked) return this.readChunked(this.reader, bytes);
    const take = Math.min(this.remaining, bytes.length);
    this.remaining -= take;
    this.buffer = take === bytes.length ? noBytes : bytes.subarray(take);
    if (this.remaining === 0) this.state = responding;
    this.passBody(take === bytes.length ? bytes : bytes.subarray(0, take));
    if (this.remaining === 0) this.endBody(undefined);
    else if (!exchange.wantsBody) this.pause();
    return false;
  }

  private readChunked(reader: ChunkedReader, bytes: Buffer): boolean {
    this.buffer = noBytes;
    const used = reader.read(bytes, 0, bytes.length);
    if (this.state !== inBody) return false;
    if (used < 0) {
      const tooLarge = reader.announced > (this.wire.settings.limits.body ?? Number.POSITIVE_INFINITY);
      this.refuseBody(
        tooLarge
          ? new WeldrError('BODY_TOO_LARGE')
          : new WeldrError('BAD_CHUNK', `the request body: ${reader.problem}`),
      );
      return false;
    }
    if (reader.steered) {
      this.refuseBody(new WeldrError('BAD_CHUNK', 'the request body: a trailer that belongs into the head'));
      return false;
    }
    if (reader.complete) {
      if (used < bytes.length) this.buffer = bytes.subarray(used);
      this.state = responding;
      this.endBody(this.trailers);
    } else if (!this.exchange.wantsBody) {
      this.pause();
    }
    return false;
  }

  onChunkedBytes(buffer: Buffer, start: number, end: number): void {
    this.passBody(buffer.subarray(start, end));
  }

  onChunkedLine(line: string): void {
    this.passBody(line);
  }

  onChunkedEnd(trailers: HeaderList | undefined): void {
    this.trailers = trailers;
  }

  private beginChunked(): void {
    this.reader ??= new ChunkedReader(this);
    const { requestHead, settings } = this.wire;
    this.reader.begin('keep', requestHead.fields.hopNames, settings.limits.body);
  }

  private passBody(bytes: Buffer | string): void {
    this.bodyBytes += bytes.length;
    this.exchange.onRequestBytes(bytes);
  }

  private endBody(trailers: HeaderList | undefined): void {
    this.deadline = 0;
    this.exchange.onRequestEnd(trailers);
    this.resume();
  }

  private refuseBody(error: WeldrError): void {
    if (!this.exchange.refuseRequest(error)) this.cut('close');
  }

  private watchBody(): void {
    this.bodyBytesBefore = this.bodyBytes;
    this.deadline = this.wire.deadlines.in(this.wire.settings.timeouts.body);
  }

  // --- ends ----------------------------------------------------------------------------------------------------

  onDeadline(): void {
    const { timeouts, limits } = this.wire.settings;
    if (this.awaitingStage && !this.ended) {
      this.endStage();
    } else if (this.state === awaitingHead) {
      if (this.buffer.length > 0) this.refuse('REQUEST_TIMEOUT', 'the request head');
      else this.linger();
    } else if (this.state === inBody) {
      const wanted = (limits.bodyRate * timeouts.body) / 1000;
      // Neither takes its response nor can send more: it holds everything, and nothing moves.
      if (this.paused && this.socket.writableNeedDrain) this.giveUp();
      else if (this.paused || this.bodyBytes - this.bodyBytesBefore >= wanted) this.watchBody();
      else
        this.refuseBody(
          new WeldrError('REQUEST_TIMEOUT', `the request body came slower than ${limits.bodyRate} bytes/s`),
        );
    } else if (this.state === responding) {
      this.giveUp();
    } else if (this.state === lingering) {
      this.socket.destroy();
      this.close();
    }
  }

  /** A plugin did not answer in time. */
  private endStage(): void {
    this.awaitingStage = false;
    this.exchange.stageTimedOut(this.wire.settings.timeouts.stage);
  }

  /** The wait for a client that does not read, or that is half-closed, is over. */
  private giveUp(): void {
    const why = this.ended
      ? 'the client closed its side and waited too long'
      : 'the client does not read its response';
    this.exchange.abort(new WeldrError('CLIENT_CLOSED', why));
    this.cut('close');
  }

  private readonly onDrain = (): void => {
    if (this.state === responding || this.state === inBody) {
      this.deadline = 0;
      if (this.state === inBody) this.watchBody();
      else if (this.ended) this.awaitHalfClosed();
      this.exchange.onClientDrain();
    } else if (this.state === awaitingHead) {
      this.resume();
      this.advance();
    }
  };

  private readonly onEnd = (): void => {
    this.ended = true;
    if (this.state === awaitingHead) {
      if (this.buffer.length > 0) this.cut('close');
      else this.linger();
    } else if (this.state === inBody) {
      this.exchange.abort(new WeldrError('CLIENT_CLOSED', 'the client left within its request'));
      this.cut('close');
    } else if (this.state === responding) {
      if (!this.socket.writableNeedDrain) this.awaitHalfClosed();
    } else if (this.state === lingering) {
      this.socket.destroy();
      this.close();
    }
  };

  /** Only its sending side is closed, or the client is gone: nobody can tell before something is written. */
  private awaitHalfClosed(): void {
    this.deadline = this.wire.deadlines.in(this.wire.settings.timeouts.halfClosed);
  }

  private readonly onClose = (): void => {
    if (this.state === closed) return;
    if (this.state !== tunnelled && this.exchange.active)
      this.exchange.abort(new WeldrError('CLIENT_CLOSED'));
    this.close();
  };

  /** Answers a request that never reached the pipeline, and closes. */
  private refuse(code: ErrorCode, detail = ''): void {
    const error = new WeldrError(code, detail === '' ? undefined : detail);
    const body = `${error.status} ${error.title}\n`;
    this.wire.log.info(
      { status: error.status, code, client: this.peer.ip },
      `refused a request: ${error.message}`,
    );
    this.write(
      `HTTP/1.1 ${error.status} ${reasonPhrase(error.status)}\r\n${dateLine()}Content-Type: text/plain; charset=utf-8\r\n` +
        `Content-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
    );
    this.linger();
  }

  /**
   * Closes the sending side and reads on for a while: bytes that meet a closed socket make a reset, which can take
   * away what the client has not read yet (RFC 9112 section 9.6).
   */
  private linger(): void {
    if (this.state === closed || this.state === lingering) return;
    this.state = lingering;
    this.buffer = noBytes;
    this.socket.end();
    if (this.ended) {
      // Nothing more can come: what is written still leaves.
      this.deadline = this.wire.deadlines.in(this.wire.settings.timeouts.body);
      return;
    }
    this.deadline = this.wire.deadlines.in(lingerTime);
    this.resume();
  }

  private pause(): void {
    if (this.paused) return;
    this.paused = true;
    this.socket.pause();
  }

  private resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.socket.resume();
  }

  private close(): void {
    if (this.state === closed) return;
    this.state = closed;
    this.deadline = 0;
    this.buffer = noBytes;
    this.wire.deadlines.remove(this);
    this.socket.destroy();
    this.listener.forget(this);
  }
}
