// H1ClientConnection: one HTTP/1.1 connection from a client. It reads heads in order, keeps pipelined requests, and closes
// without losing the last response.
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ErrorCode, WeldrError } from '../../errors.ts';
import type { AcceptedConnection, ConnectionKeeper } from '../exchange/connections.ts';
import { CR, LF } from '../exchange/grammar.ts';
import { reset } from '../exchange/reset.ts';
import type { Peer } from '../exchange/streams.ts';
import type { Wire } from '../exchange/wire.ts';
import { H1ClientSocket } from './client-socket.ts';
import { H1ClientStream } from './client-stream.ts';
import { worthReading } from './empty-line.ts';
import { needMore, type RequestHead, refused } from './request-head.ts';
import type { H1StreamHome } from './stream-home.ts';

/** Waiting for a head, or serving a request. */
const open = 0;
const lingering = 1;
const tunnelled = 2;
const closed = 3;

/** How long, ms, and for how many bytes a closing connection is still read, so that the client gets its response first. */
const lingerTime = 2_000;
const lingerBytes = 64 * 1024 * 1024;
/** How many bytes of further requests are kept during a request. */
const pipelineBytes = 64 * 1024;
/** How many empty lines before a request line are skipped (RFC 9112 section 2.2). */
const leadingLines = 2;

const emptyLine = '\r\n\r\n';
const noBytes = Buffer.alloc(0);

/** One client connection and the requests on it, one after another. */
export class H1ClientConnection extends H1ClientSocket implements AcceptedConnection, H1StreamHome {
  readonly kind = 'h1';
  readonly peer: Peer;
  idleSince: number;
  /** Whether the next response is the last one. */
  ending = false;
  private readonly keeper: ConnectionKeeper;
  private readonly requestHead: RequestHead;
  private readonly stream: H1ClientStream;
  private state = open;
  private buffer: Buffer = noBytes;
  /** How long the buffer was when the head was last found incomplete; 0 if it has not been read yet. */
  private seen = 0;
  private advancing = false;
  private lingered = 0;

  /** `requestHead`: the reader that all connections of a worker share. */
  constructor(keeper: ConnectionKeeper, wire: Wire, requestHead: RequestHead, socket: Socket, peer: Peer) {
    super(socket, wire);
    this.keeper = keeper;
    this.requestHead = requestHead;
    this.peer = peer;
    this.stream = new H1ClientStream(this, wire);
    this.idleSince = wire.deadlines.now;
    this.deadline = wire.deadlines.in(wire.settings.timeouts.header);
    wire.deadlines.add(this);
    socket.on('data', this.onData);
    socket.on('drain', this.onDrain);
    socket.on('end', this.onEnd);
    socket.on('error', this.onClose);
    socket.on('close', this.onClose);
  }

  get activeRequests(): number {
    return this.idle ? 0 : 1;
  }

  private get idle(): boolean {
    return this.awaitsHead && this.buffer.length === 0;
  }

  private get awaitsHead(): boolean {
    return this.state === open && !this.stream.active;
  }

  // --- what the stream asks ------------------------------------------------------------------------------------

  /** How many bytes were read and not taken yet. */
  get available(): number {
    return this.buffer.length;
  }

  /** Whether the bytes not taken yet end in an empty line, as a chunked body does. */
  get endsEmpty(): boolean {
    return this.buffer.indexOf(emptyLine, this.buffer.length - emptyLine.length) >= 0;
  }

  /** Takes this many bytes as latin1 text; undefined if fewer have arrived. */
  takeText(length: number): string | undefined {
    const { buffer } = this;
    if (buffer.length < length) return undefined;
    this.buffer = buffer.length === length ? noBytes : buffer.subarray(length);
    return buffer.toString('latin1', 0, length);
  }

  /** Takes back bytes that were read and belong to a later request. */
  unread(bytes: Buffer): void {
    this.buffer = bytes;
  }

  /** Hands on the body bytes that have arrived, and reads more. */
  readOn(): void {
    this.advance();
    this.resume();
  }

  /**
   * Called when the response is complete. `close`: end the connection, as the client asked. `linger`: end it, although the
   * client did not ask and may still be sending.
   */
  responseComplete(next: 'keep-alive' | 'close' | 'linger'): void {
    if (this.state === closed) return;
    if (next !== 'keep-alive') {
      // If nothing is left to write or read, closing at once saves a shutdown, an event and a deadline.
      const over = next === 'close' && this.buffer.length === 0 && this.socket.writableLength === 0;
      if (over) this.close();
      else this.linger();
      return;
    }
    this.seen = 0;
    const { deadlines, settings } = this.wire;
    this.idleSince = deadlines.now;
    this.deadline = deadlines.in(settings.timeouts.idle);
    this.advance();
    if (this.idle && this.ended) this.linger();
    else if (this.awaitsHead && !this.blocked) this.resume();
  }

  /** Gives the socket to a tunnel, with the bytes that have already been read. */
  handOver(): { readonly socket: Duplex; readonly rest: Buffer } {
    const { socket } = this;
    this.state = tunnelled;
    this.deadline = 0;
    socket.setNoDelay(true);
    socket.off('data', this.onData);
    socket.off('drain', this.onDrain);
    socket.off('end', this.onEnd);
    const rest = this.buffer;
    this.buffer = noBytes;
    return { socket, rest };
  }

  /** Ends the connection in a way that shows that the response is incomplete. */
  cut(how: 'close' | 'reset'): void {
    if (this.state === closed) return;
    if (how === 'reset') reset(this.socket);
    else this.socket.destroy();
    this.close();
  }

  close(): void {
    if (this.state === closed) return;
    this.state = closed;
    this.deadline = 0;
    this.buffer = noBytes;
    this.wire.deadlines.remove(this);
    this.socket.destroy();
    this.keeper.forget(this);
  }

  // --- what the listener asks ----------------------------------------------------------------------------------

  stop(): void {
    this.stream.abort(new WeldrError('STOPPED'));
    this.cut('close');
  }

  closeIfIdle(): void {
    if (this.idle) this.linger();
  }

  get localAddress(): string | undefined {
    return this.socket.localAddress;
  }

  get outlives(): boolean {
    return this.state === tunnelled;
  }

  endSoon(): void {
    this.ending = true;
  }

  breakOff(): void {
    if (this.state === lingering && this.socket.writableLength === 0) {
      this.close();
      return;
    }
    if (this.state !== tunnelled) this.stream.abort(new WeldrError('STOPPED'));
    this.cut('reset');
  }

  // --- reading -------------------------------------------------------------------------------------------------

  private readonly onData = (bytes: Buffer): void => {
    if (this.state === lingering) {
      this.lingered += bytes.length;
      if (this.lingered > lingerBytes) this.close();
      return;
    }
    this.buffer = this.buffer.length === 0 ? bytes : Buffer.concat([this.buffer, bytes]);
    if (this.stream.active && this.stream.requestComplete) {
      if (this.buffer.length > pipelineBytes) this.pause();
      return;
    }
    this.advance();
  };

  /** Reads as long as the buffer holds something usable. Not reentrant: a response may be complete at once. */
  private advance(): void {
    if (this.advancing) return;
    this.advancing = true;
    const { stream } = this;
    let more = true;
    while (more && this.state === open && this.buffer.length > 0) {
      if (!stream.active) more = !this.blocked && this.readHead();
      else if (!stream.requestComplete) more = this.readBody();
      else more = false;
    }
    this.advancing = false;
    if (!this.awaitsHead) return;
    if (this.blocked) this.pause();
    else if (this.ended && this.buffer.length > 0) this.cut('close');
  }

  /** Reads a head and starts its request. Returns false if there is nothing more to do for now. */
  private readHead(): boolean {
    const start = this.skipEmptyLines();
    const { buffer } = this;
    if (start >= buffer.length || !worthReading(buffer, this.seen)) return false;
    if (this.seen === 0) this.deadline = this.wire.deadlines.in(this.wire.settings.timeouts.header);
    const head = this.requestHead;
    // Heads are rarely longer than this, and what follows should not become a string.
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
    this.deadline = 0;
    this.stream.begin(head);
    return !this.stream.active || !this.stream.requestComplete;
  }

  /** Returns where the request begins, after the few empty lines that may precede it. */
  private skipEmptyLines(): number {
    const { buffer } = this;
    let start = 0;
    while (start < leadingLines * 2 && buffer[start] === CR && buffer[start + 1] === LF) start += 2;
    // Half of a line ending: wait for the other half.
    return buffer.length === start + 1 && buffer[start] === CR && start < leadingLines * 2
      ? buffer.length
      : start;
  }

  /** Hands body bytes on. Returns false if there is nothing more to do for now. */
  private readBody(): boolean {
    const { buffer, stream } = this;
    if (!stream.wantsBody) {
      if (!stream.gathered()) return false;
      if (stream.requestComplete || stream.wantsBody) return true;
      // The bytes stay here until the upstream takes them, so a FIN or more bytes can wait too.
      this.pause();
      return false;
    }
    this.buffer = noBytes;
    stream.read(buffer);
    return false;
  }

  private refuse(code: ErrorCode, detail: string): void {
    this.stream.refuse(code, detail);
  }

  // --- ends ----------------------------------------------------------------------------------------------------

  onDeadline(): void {
    if (this.stream.active) {
      this.stream.onDeadline();
    } else if (this.state === open) {
      if (this.buffer.length > 0) this.refuse('REQUEST_TIMEOUT', 'the request head');
      else this.linger();
    } else if (this.state === lingering) {
      this.close();
    }
  }

  private readonly onDrain = (): void => {
    if (this.state !== open) return;
    if (this.stream.active) {
      this.stream.onDrain();
    } else {
      this.resume();
      this.advance();
    }
  };

  private readonly onEnd = (): void => {
    this.ended = true;
    if (this.state === lingering) {
      this.close();
    } else if (this.state !== open) {
      return;
    } else if (!this.stream.active) {
      if (this.buffer.length > 0) this.cut('close');
      else this.linger();
    } else if (!this.stream.requestComplete) {
      this.stream.abort(new WeldrError('CLIENT_CLOSED', 'the client left before its request was complete'));
      this.cut('close');
    } else if (!this.blocked) {
      this.awaitHalfClosed();
    }
  };

  private readonly onClose = (): void => {
    if (this.state === closed) return;
    if (this.state !== tunnelled) this.stream.abort(new WeldrError('CLIENT_CLOSED'));
    this.close();
  };

  /**
   * Closes the sending side and keeps reading for a while: bytes that arrive at a closed socket cause a reset, which can
   * destroy what the client has not read yet (RFC 9112 section 9.6).
   */
  private linger(): void {
    if (this.state === closed || this.state === lingering) return;
    this.state = lingering;
    this.buffer = noBytes;
    this.socket.end();
    if (this.ended) {
      // Nothing more can arrive, but what was written is still being sent.
      this.awaitBody();
      return;
    }
    this.resume();
    if (this.socket.writableLength === 0) {
      this.awaitEnd();
      return;
    }
    // The last bytes leave as fast as the client reads them.
    this.awaitBody();
    this.socket.once('finish', () => this.awaitEnd());
  }

  private awaitEnd(): void {
    if (this.state === lingering) this.deadline = this.wire.deadlines.in(lingerTime);
  }
}
