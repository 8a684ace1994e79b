// H1ClientStream: the current request on a client's HTTP/1.1 connection: begins it, writes its response, and ends it.
import type { Duplex } from 'node:stream';
import { type ErrorCode, WeldrError } from '../../errors.ts';
import type { HeaderList } from '../../request/headers.ts';
import type { BodyForm, ClientStream, OutboundResponse, Peer } from '../exchange/streams.ts';
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
import { H1RequestBody, inBody, noRequest, responding } from './request-body.ts';
import type { RequestHead } from './request-head.ts';

/** Up to this many bytes of a body are written as one string, together with a head that waits, without allocating a buffer. */
const smallBody = 16 * 1024;

// How a response body is sent to the client.
const asHanded = 0;
const encoded = 1;
const untilClosed = 2;
const withoutBody = 3;
const counted = 4;

/** One per client connection, reused for each of its requests. */
export class H1ClientStream extends H1RequestBody implements ClientStream {
  /** gRPC is only defined over HTTP/2. */
  readonly isGrpc = false;
  answered = false;
  // of the request
  private minor = 1;
  private askedClose = false;
  /**
   * Whether the connection must end with this response. After a request for an upgrade it must: later bytes could belong to
   * either protocol.
   */
  private last = false;
  // of the response
  /** A head that waits to be sent with the first bytes of the body. */
  private pendingHead = '';
  private bodyMode = asHanded;
  private keepAlive = false;

  get peer(): Peer {
    return this.connection.peer;
  }

  get active(): boolean {
    return this.state !== noRequest;
  }

  /** HTTP/1.0 has no chunks. */
  get takes(): BodyForm {
    return this.minor === 0 ? 'payload' : 'chunks';
  }

  // --- the beginning -------------------------------------------------------------------------------------------

  begin(head: RequestHead): void {
    this.reset();
    this.minor = head.minor;
    this.askedClose = !head.keepAlive;
    this.last = this.askedClose || head.upgrade !== undefined;
    this.beginBody(head);
    const receiver = this.wire.exchanges.take(this);
    this.receiver = receiver;
    receiver.begin(head);
  }

  /** Refuses a request whose head is malformed, or did not arrive in time. */
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
    const why = this.slowness;
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
