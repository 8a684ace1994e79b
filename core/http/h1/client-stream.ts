// H1ClientStream: the current request on a client's HTTP/1.1 connection: reads its body, writes its response.
import type { Duplex } from 'node:stream';
import { type ErrorCode, WeldrError } from '../../errors.ts';
import type { HeaderList } from '../../request/headers.ts';
import type { BodyForm, ClientStream, OutboundResponse, Peer, RequestReceiver } from '../exchange/streams.ts';
import { slowness } from '../exchange/upload-rate.ts';
import type { Wire } from '../exchange/wire.ts';
import { ChunkedReader, type ChunkedSink } from './chunked-reader.ts';
import {
  bodyEnd,
  chunkEnd,
  chunkedLine,
  chunkStart,
  interimHead,
  lengthLine,
  type Persistence,
  requestEcho,
  responseHead,
  switchingHead,
} from './head-writer.ts';
import { chunked } from './message-framing.ts';
import type { RequestHead } from './request-head.ts';
import type { H1StreamHome } from './stream-home.ts';

/** A body of up to this many bytes is written together with its head as one string, without allocating a buffer. */
const smallBody = 16 * 1024;

const noRequest = 0;
const inBody = 1;
const responding = 2;

// How a response body is sent to the client.
const asHanded = 0;
const encoded = 1;
const untilClosed = 2;
const withoutBody = 3;
const counted = 4;

/** One per client connection, reused for each of its requests. */
export class H1ClientStream implements ClientStream, ChunkedSink {
  /** gRPC is only defined over HTTP/2. */
  readonly isGrpc = false;
  answered = false;
  private readonly connection: H1StreamHome;
  private readonly wire: Wire;
  private receiver: RequestReceiver | undefined = undefined;
  private state = noRequest;
  // of the request
  private minor = 1;
  private askedClose = false;
  /** Must the connection end with this response? After an Upgrade it must, as later bytes could belong to either protocol. */
  private last = false;
  private isChunked = false;
  private remaining = 0;
  private bodyBytes = 0;
  /** The most bytes of a chunked body. */
  private bodyMost = Number.POSITIVE_INFINITY;
  private bodyBytesBefore = 0;
  private smallBody: string | undefined = undefined;
  private trailers: HeaderList | undefined = undefined;
  /** How much of the body must have arrived before it is handed on; 0 if nothing is being gathered. */
  private gathering = 0;
  /** Created for the first chunked body: most connections never see one. */
  private reader: ChunkedReader | undefined = undefined;
  private awaitingStage = false;
  // of the response
  /** A head that waits to be sent with the first bytes of the body. */
  private pendingHead = '';
  private bodyMode = asHanded;
  private keepAlive = false;

  constructor(connection: H1StreamHome, wire: Wire) {
    this.connection = connection;
    this.wire = wire;
  }

  get peer(): Peer {
    return this.connection.peer;
  }

  get active(): boolean {
    return this.state !== noRequest;
  }

  get requestComplete(): boolean {
    return this.state !== inBody;
  }

  /** HTTP/1.0 has no chunks. */
  get takes(): BodyForm {
    return this.minor === 0 ? 'payload' : 'chunks';
  }

  // --- the beginning -------------------------------------------------------------------------------------------

  begin(head: RequestHead): void {
    const { length } = head;
    this.reset();
    this.minor = head.minor;
    this.askedClose = !head.keepAlive;
    this.last = this.askedClose || head.upgrade !== undefined;
    this.isChunked = length === chunked;
    this.remaining = this.isChunked ? 0 : length;
    this.smallBody = undefined;
    this.trailers = undefined;
    this.bodyBytes = 0;
    this.gathering = 0;
    if (length === 0) {
      this.state = responding;
    } else {
      this.state = inBody;
      if (this.isChunked) this.beginChunked(head);
      this.watchBody();
    }
    const receiver = this.wire.exchanges.take(this);
    this.receiver = receiver;
    receiver.begin(head);
  }

  /** Refuses a request whose head was malformed or did not arrive. */
  refuse(code: ErrorCode, detail: string): void {
    this.reset();
    this.minor = 1;
    this.askedClose = false;
    this.last = true;
    this.state = responding;
    const receiver = this.wire.exchanges.take(this);
    this.receiver = receiver;
    receiver.refuse(new WeldrError(code, detail === '' ? undefined : detail));
  }

  private reset(): void {
    this.answered = false;
    this.pendingHead = '';
    this.awaitingStage = false;
  }

  // --- reading the body ----------------------------------------------------------------------------------------

  get wantsBody(): boolean {
    return this.receiver?.wantsBody === true;
  }

  takeSmallBody(limit: number): string | undefined {
    this.gathering = 0;
    if (this.smallBody !== undefined) return this.smallBody;
    if (this.state !== inBody || this.isChunked || this.remaining > limit) return undefined;
    this.smallBody = this.connection.takeText(this.remaining);
    if (this.smallBody === undefined) return undefined;
    this.remaining = 0;
    this.state = responding;
    this.connection.deadline = 0;
    return this.smallBody;
  }

  /** A body with an announced length has already been checked against the limit. */
  limitBody(bytes: number): boolean {
    if (this.isChunked) {
      this.bodyMost = Math.min(this.bodyMost, bytes);
      this.reader?.allow(bytes);
    }
    return true;
  }

  bodyThere(limit: number): boolean {
    if (this.state !== inBody) return true;
    const { available } = this.connection;
    if (available >= limit) return true;
    // An estimate is enough: the body is validated when it is read.
    return this.isChunked ? this.connection.endsEmpty : available >= this.remaining;
  }

  gatherBody(limit: number): void {
    this.gathering = limit;
    this.watchBody();
    this.connection.resume();
  }

  /** Called when more of the body has arrived and no upstream takes it yet. Returns false if more must be read first. */
  gathered(): boolean {
    if (this.gathering === 0) return true;
    if (!this.bodyThere(this.gathering)) return false;
    this.gathering = 0;
    this.receiver?.onBodyThere();
    return true;
  }

  resumeBody(form: BodyForm): void {
    if (this.state !== inBody) return;
    if (form === 'payload' && this.isChunked) this.reader?.strip();
    this.watchBody();
    this.connection.readOn();
  }

  /** Takes bytes of the body. Bytes after its end go back to the connection. */
  read(bytes: Buffer): void {
    if (this.reader !== undefined && this.isChunked) {
      this.readChunked(this.reader, bytes);
      return;
    }
    const take = Math.min(this.remaining, bytes.length);
    this.remaining -= take;
    if (take < bytes.length) this.connection.unread(bytes.subarray(take));
    if (this.remaining === 0) this.state = responding;
    this.passBody(take === bytes.length ? bytes : bytes.subarray(0, take));
    if (this.remaining === 0) this.endBodyRead(undefined);
    else if (!this.wantsBody) this.connection.pause();
  }

  private readChunked(reader: ChunkedReader, bytes: Buffer): void {
    const used = reader.read(bytes, 0, bytes.length);
    if (this.state !== inBody) return;
    if (used < 0) {
      const tooLarge = reader.announced > this.bodyMost;
      this.receiver?.refuse(
        tooLarge
          ? new WeldrError('BODY_TOO_LARGE')
          : new WeldrError('BAD_CHUNK', `the request body: ${reader.problem}`),
      );
    } else if (reader.steered) {
      this.receiver?.refuse(
        new WeldrError('BAD_CHUNK', 'the request body: a trailer that belongs in the head'),
      );
    } else if (reader.complete) {
      if (used < bytes.length) this.connection.unread(bytes.subarray(used));
      this.state = responding;
      this.endBodyRead(this.trailers);
    } else if (!this.wantsBody) {
      this.connection.pause();
    }
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

  private beginChunked(head: RequestHead): void {
    this.reader ??= new ChunkedReader(this);
    this.bodyMost = this.wire.settings.limits.body ?? Number.POSITIVE_INFINITY;
    this.reader.begin('keep', head.fields.hopNames, this.bodyMost);
  }

  private passBody(bytes: Buffer | string): void {
    this.bodyBytes += bytes.length;
    this.receiver?.onRequestBytes(bytes);
  }

  private endBodyRead(trailers: HeaderList | undefined): void {
    // A stage that is still running keeps its deadline.
    if (!this.awaitingStage) this.connection.deadline = 0;
    this.receiver?.onRequestEnd(trailers);
    this.connection.resume();
  }

  /** How many bytes of the body count for the client's speed. */
  private get bodyProgress(): number {
    return this.gathering > 0 ? this.connection.available : this.bodyBytes;
  }

  private watchBody(): void {
    this.bodyBytesBefore = this.bodyProgress;
    if (!this.awaitingStage) this.connection.awaitBody();
  }

  readNoMore(): void {
    this.last = true;
  }

  // --- writing the response ------------------------------------------------------------------------------------

  echo(method: string, target: string, host: string): string {
    return requestEcho(method, target, host);
  }

  writeInterim(status: number, reason: string | undefined, headers: HeaderList): boolean {
    // HTTP/1.0 has no 1xx (RFC 9110 section 15.2).
    return this.minor === 0 || this.connection.write(interimHead(status, reason, headers));
  }

  writeHead(response: OutboundResponse): void {
    const { body, length } = response;
    // The connection can continue only if all of the request has been read.
    this.keepAlive = !this.last && this.requestComplete && !this.wire.draining && !this.connection.ending;
    this.bodyMode = body === 'none' ? withoutBody : asHanded;
    let framing = '';
    if (length !== undefined) {
      framing = lengthLine(length);
      if (body !== 'none') this.bodyMode = counted;
    } else if (body !== 'none' && this.minor > 0) {
      framing = chunkedLine;
      if (body === 'payload') this.bodyMode = encoded;
    } else if (body !== 'none') {
      this.keepAlive = false;
      this.bodyMode = untilClosed;
    }
    let persistence: Persistence = 'default';
    if (!this.keepAlive) persistence = 'close';
    else if (this.minor === 0) persistence = 'keep-alive';
    this.pendingHead = responseHead(response, framing, persistence);
  }

  writeBody(buffer: Buffer, start: number, end: number): boolean {
    const { connection } = this;
    const head = this.takeHead();
    const size = end - start;
    if (this.bodyMode === encoded) {
      connection.write(head + chunkStart(size));
      connection.writeShared(buffer, start, end);
      return connection.write(chunkEnd);
    }
    if (size <= smallBody) return connection.write(head + buffer.toString('latin1', start, end));
    if (head !== '') connection.write(head);
    return connection.writeShared(buffer, start, end);
  }

  writeBodyLine(line: string): void {
    this.connection.write(this.takeHead() + line);
  }

  endBody(trailers: HeaderList | undefined): void {
    if (this.bodyMode === encoded || (trailers !== undefined && this.bodyMode === asHanded)) {
      this.writeBodyLine(bodyEnd(trailers));
    } else {
      this.flush();
    }
  }

  flush(): boolean {
    return this.pendingHead === '' || this.connection.write(this.takeHead());
  }

  private takeHead(): string {
    const head = this.pendingHead;
    this.pendingHead = '';
    this.answered = true;
    return head;
  }

  finish(): void {
    const askedClose = this.askedClose && this.requestComplete;
    this.end();
    this.connection.responseComplete(this.keepAlive ? 'keep-alive' : askedClose ? 'close' : 'linger');
  }

  cut(): void {
    this.end();
    // If the end of the connection ends the response, a FIN would make it look complete.
    this.connection.cut(this.bodyMode === untilClosed ? 'reset' : 'close');
  }

  switchProtocols(
    reason: string,
    headers: HeaderList,
    protocol: string,
  ): { readonly socket: Duplex; readonly rest: Buffer } {
    this.answered = true;
    this.connection.write(switchingHead(reason, headers, protocol));
    return this.connection.handOver();
  }

  onTunnelClosed(): void {
    this.end();
    this.connection.close();
  }

  // --- waits, and the connection's end -------------------------------------------------------------------------

  awaitStage(): void {
    this.awaitingStage = true;
    this.connection.deadline = this.wire.deadlines.in(this.wire.settings.timeouts.stage);
  }

  stageDone(): void {
    this.awaitingStage = false;
    this.connection.deadline = 0;
    if (this.state === inBody) this.watchBody();
    else if (this.connection.ended && this.state === responding) this.connection.awaitHalfClosed();
  }

  /** Called when the connection can be written to again. */
  onDrain(): void {
    this.connection.deadline = 0;
    if (this.state === inBody) this.watchBody();
    else if (this.connection.ended) this.connection.awaitHalfClosed();
    this.receiver?.onClientDrain();
  }

  onDeadline(): void {
    const { connection } = this;
    if (this.awaitingStage && !connection.ended) {
      this.awaitingStage = false;
      this.receiver?.onStageTimeout();
      return;
    }
    // Nothing moves: the client does not read its response, and cannot send more.
    if (this.state !== inBody || (connection.paused && connection.blocked)) {
      const why = connection.ended
        ? 'the client closed its sending side and the response took too long'
        : 'the client does not read its response';
      this.abort(new WeldrError('CLIENT_CLOSED', why));
      connection.cut('close');
      return;
    }
    const why = slowness(this.bodyProgress - this.bodyBytesBefore, this.wire.settings);
    if (connection.paused || why === undefined) {
      this.watchBody();
      return;
    }
    this.receiver?.refuse(new WeldrError('REQUEST_TIMEOUT', why));
  }

  /** Aborts the request: the client left or is being disconnected. */
  abort(error: WeldrError): void {
    const { receiver } = this;
    this.end();
    receiver?.abort(error);
  }

  /** Ends the request. Its receiver may be serving another one by now. */
  private end(): void {
    this.receiver = undefined;
    this.state = noRequest;
    this.pendingHead = '';
    this.smallBody = undefined;
  }
}
