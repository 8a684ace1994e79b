// H2ClientConnection: one HTTP/2 connection from a client: its frames, its streams, its windows (RFC 9113).
import type { Socket } from 'node:net';
import { WeldrError } from '../../errors.ts';
import type { HeaderList } from '../../request/headers.ts';
import type { AcceptedConnection, ConnectionKeeper } from '../exchange/connections.ts';
import type { Waiting } from '../exchange/deadlines.ts';
import type { Peer } from '../exchange/streams.ts';
import type { Wire } from '../exchange/wire.ts';
import { H2ClientStream } from './client-stream.ts';
import { FloodBudget, frameCost } from './flood-budget.ts';
import { FrameReader } from './frame-reader.ts';
import type { FrameReceiver } from './frame-receiver.ts';
import { type Ending, FrameWriter } from './frame-writer.ts';
import { errorCode, largestWindow, settingId } from './frames.ts';
import { HpackDecoder } from './hpack-decoder.ts';
import { HpackEncoder } from './hpack-encoder.ts';
import type { RequestBlock } from './request-block.ts';
import { ResetStreams } from './reset-streams.ts';
import { releaseSlab, type Slab } from './slabs.ts';
import type { TrailerBlock } from './trailer-block.ts';

/** Streams of a client at once. */
const maxStreams = 128;
/** Bytes of a body that a client may send ahead on one stream, and on all of a connection. */
const streamWindow = 64 * 1024;
const connectionWindow = 1024 * 1024;
/** The window of a connection before anything was said (RFC 9113 section 6.9.2). */
const firstWindow = 65_535;
/** A window is opened again when so much of it was used. */
const refillStream = streamWindow / 2;
const refillConnection = connectionWindow / 2;
/** Frames that answer the client's own, while it does not read: over it, it is cut off. */
const maxUnread = 256 * 1024;
/** How long a connection that ends is read on, ms. */
const lingerTime = 2_000;

const noBytes = Buffer.alloc(0);

/** The readers that all connections of a worker share. */
export interface BlockReaders {
  readonly request: RequestBlock;
  readonly trailers: TrailerBlock;
}

/** One client connection and its streams. */
export class H2ClientConnection implements AcceptedConnection, FrameReceiver, Waiting {
  deadline = 0;
  deadlineSlot = -1;
  readonly peer: Peer;
  idleSince: number;
  private readonly socket: Socket;
  private readonly wire: Wire;
  private readonly keeper: ConnectionKeeper;
  private readonly blocks: BlockReaders;
  private readonly reader: FrameReader;
  private readonly writer = new FrameWriter();
  private readonly decoder = new HpackDecoder();
  private readonly encoder = new HpackEncoder();
  private readonly budget: FloodBudget;
  private readonly streams = new Map<number, H2ClientStream>();
  /** Those that have something to send, in the order in which they began to wait. */
  private readonly waiting = new Set<H2ClientStream>();
  private lastStream = 0;
  /** The stream that the DATA frame which is being read is of. */
  private dataStream: H2ClientStream | undefined = undefined;
  private dataEnds = false;
  /** What of it takes window and is no payload, as far as that is known. */
  private padding = 0;
  private peerStreamWindow = firstWindow;
  /** What the client lets this connection send. */
  private window = firstWindow;
  private used = 0;
  private readonly usedOf = new Map<H2ClientStream, number>();
  private flushing = false;
  /** What the batches lie in that are being written, in order. */
  private readonly lent: (readonly Slab[])[] = [];
  private readonly resets = new ResetStreams();
  private goingAway = false;
  /** Nothing is read or begun any more. */
  private over = false;
  private closed = false;

  constructor(keeper: ConnectionKeeper, wire: Wire, blocks: BlockReaders, socket: Socket, peer: Peer) {
    this.keeper = keeper;
    this.wire = wire;
    this.blocks = blocks;
    this.socket = socket;
    this.peer = peer;
    this.idleSince = wire.deadlines.now;
    this.budget = new FloodBudget(wire.deadlines.now);
    this.reader = new FrameReader(this, 'server');
    this.deadline = wire.deadlines.in(wire.settings.timeouts.header);
    wire.deadlines.add(this);
    socket.setNoDelay(true);
    socket.on('data', this.onSocketData);
    socket.on('drain', this.onSocketDrain);
    socket.on('end', this.onSocketEnd);
    socket.on('error', this.onSocketClose);
    socket.on('close', this.onSocketClose);
    this.writer.settings([
      [settingId.maxConcurrentStreams, maxStreams],
      [settingId.initialWindowSize, streamWindow],
      [settingId.maxHeaderListSize, wire.settings.limits.headers],
      [settingId.enablePush, 0],
    ]);
    this.writer.windowUpdate(0, connectionWindow - firstWindow);
    this.wake();
  }

  get activeRequests(): number {
    return this.streams.size;
  }

  private get idle(): boolean {
    return this.streams.size === 0;
  }

  /** Is the client behind with reading? */
  get blocked(): boolean {
    return this.socket.writableNeedDrain;
  }

  // --- what streams send ---------------------------------------------------------------------------------------

  /** `fields`: name and value in turn. */
  sendHead(id: number, fields: readonly string[], ending: Ending): void {
    const { encoder } = this;
    encoder.begin();
    for (let n = 0; n < fields.length; n += 2) encoder.field(fields[n] ?? '', fields[n + 1] ?? '');
    this.writer.headers(id, encoder.end(), ending);
    this.wake();
  }

  /** Sends as much of the bytes as the windows and the connection take now; they may change afterwards. */
  sendData(stream: H2ClientStream, buffer: Buffer, start: number, end: number, isLast: boolean): number {
    if (this.blocked) return 0;
    const size = Math.min(end - start, stream.window, this.window);
    if (size <= 0) return 0;
    stream.window -= size;
    this.window -= size;
    this.budget.earnBy(size);
    const ending = isLast && size === end - start ? 'end' : 'open';
    this.writer.copyData(stream.id, buffer, start, start + size, ending);
    this.wake();
    return size;
  }

  /** Ends a body without bytes. */
  endData(id: number): void {
    this.writer.data(id, noBytes, 0, 0, 'end');
    this.wake();
  }

  /** A stream has something to send, and cannot. */
  await(stream: H2ClientStream): void {
    this.waiting.add(stream);
  }

  reset(stream: H2ClientStream, code: number): void {
    if (this.over) return;
    this.resets.add(stream.id);
    this.writer.rstStream(stream.id, code);
    this.wake();
  }

  /** Bytes of a body were taken: the client may send more. */
  consumed(stream: H2ClientStream, bytes: number): void {
    if (this.over || !this.streams.has(stream.id)) return;
    const used = (this.usedOf.get(stream) ?? 0) + bytes;
    if (used < refillStream) {
      this.usedOf.set(stream, used);
      return;
    }
    this.usedOf.delete(stream);
    stream.allowed += used;
    this.writer.windowUpdate(stream.id, used);
    this.wake();
  }

  /** A response has left whole. */
  completed(): void {
    this.budget.earn();
  }

  /** A stream is over. */
  forget(stream: H2ClientStream): void {
    this.waiting.delete(stream);
    this.usedOf.delete(stream);
    if (this.dataStream === stream) this.dataStream = undefined;
    if (!this.streams.delete(stream.id) || this.over) return;
    if (this.wire.draining) this.goAway(errorCode.noError);
    if (this.streams.size > 0) return;
    this.idleSince = this.wire.deadlines.now;
    this.deadline = this.wire.deadlines.in(this.wire.settings.timeouts.idle);
    if (this.goingAway) this.end();
  }

  /** What is written leaves together, once a turn of the loop. */
  private wake(): void {
    if (this.flushing) return;
    this.flushing = true;
    // With several streams there is more to come in this turn of the loop.
    if (this.streams.size > 1) setImmediate(this.flush);
    else process.nextTick(this.flush);
  }

  private readonly flush = (): void => {
    this.flushing = false;
    if (this.over) return;
    this.write();
  };

  private write(): void {
    const batch = this.writer.take();
    if (batch.length === 0) return;
    this.lent.push(this.writer.takeSlabs());
    if (!Array.isArray(batch)) {
      this.socket.write(batch, this.onWritten);
      return;
    }
    this.socket.cork();
    for (const [n, bytes] of batch.entries()) {
      if (n < batch.length - 1) this.socket.write(bytes);
      else this.socket.write(bytes, this.onWritten);
    }
    this.socket.uncork();
  }

  /** Batches leave in the order in which they were written. */
  private readonly onWritten = (): void => {
    for (const slab of this.lent.shift() ?? []) releaseSlab(slab);
  };

  // --- frames --------------------------------------------------------------------------------------------------

  onPreface(): void {
    this.deadline = this.wire.deadlines.in(this.wire.settings.timeouts.idle);
  }

  onHeaders(id: number, block: Buffer, start: number, end: number, ends: boolean): void {
    const stream = this.streams.get(id);
    if (stream !== undefined) {
      this.onTrailers(stream, block, start, end, ends);
      return;
    }
    const { request } = this.blocks;
    request.begin();
    if (!this.decoder.decode(block, start, end, request)) {
      this.onConnectionError(errorCode.compressionError, this.decoder.problem);
      return;
    }
    if (id % 2 === 0 || id <= this.lastStream) {
      // What was under way when it was reset is let go of.
      if (this.resets.has(id)) return;
      if (id % 2 === 1)
        this.onConnectionError(errorCode.streamClosed, 'a field section on a stream that is over');
      else this.onConnectionError(errorCode.protocolError, "a stream that is not a client's");
      return;
    }
    if (this.goingAway) return;
    this.lastStream = id;
    if (this.streams.size >= maxStreams) {
      this.refuseStream(id, errorCode.refusedStream, frameCost.reset);
      return;
    }
    this.open(id, ends ? 'with the block' : 'later');
  }

  private open(id: number, ends: 'with the block' | 'later'): void {
    const { request } = this.blocks;
    const outcome = request.end(ends);
    if (outcome === 'malformed') {
      this.wire.log.debug(
        { client: this.peer.ip, stream: id, reason: request.detail },
        'a malformed request',
      );
      this.refuseStream(id, errorCode.protocolError, frameCost.reset);
      return;
    }
    this.deadline = 0;
    this.wire.deadlines.touch();
    const stream = new H2ClientStream(this, this.wire, id, this.peerStreamWindow, streamWindow);
    this.streams.set(id, stream);
    if (outcome === 'refused') stream.refuse(new WeldrError(request.code, request.detail || undefined), ends);
    else stream.begin(request, ends);
  }

  private onTrailers(stream: H2ClientStream, block: Buffer, start: number, end: number, ends: boolean): void {
    const { trailers } = this.blocks;
    trailers.begin();
    if (!this.decoder.decode(block, start, end, trailers)) {
      this.onConnectionError(errorCode.compressionError, this.decoder.problem);
    } else if (stream.halfClosed) {
      this.fail(stream, errorCode.streamClosed, 'a field section behind the end of a request');
    } else if (!ends || trailers.problem !== '') {
      this.fail(stream, errorCode.protocolError, trailers.problem || 'a second head');
    } else {
      this.endRequest(stream, trailers.take());
    }
  }

  onDataStart(id: number, size: number, ends: boolean): void {
    // All of the frame counts, and what nobody takes is given back at once: no stream holds the others up.
    this.used += size;
    if (this.used > connectionWindow) {
      this.onConnectionError(errorCode.flowControlError, 'more than the window of the connection');
      return;
    }
    if (this.used >= refillConnection) {
      this.writer.windowUpdate(0, this.used);
      this.used = 0;
      this.wake();
    }
    const stream = this.streams.get(id);
    this.dataStream = undefined;
    this.dataEnds = ends;
    this.padding = size;
    if (size === 0 && !ends) this.spend(frameCost.control);
    if (stream === undefined) {
      if (id > this.lastStream || id % 2 === 0) {
        this.onConnectionError(errorCode.protocolError, 'DATA on a stream that was never opened');
      } else if (!this.resets.has(id)) {
        this.onConnectionError(errorCode.streamClosed, 'DATA on a stream that is over');
      }
      return;
    }
    if (stream.halfClosed) {
      this.fail(stream, errorCode.streamClosed, 'DATA behind the end of a request');
      return;
    }
    stream.allowed -= size;
    if (stream.allowed < 0) {
      this.fail(stream, errorCode.flowControlError, 'more than the window of the stream');
      return;
    }
    this.dataStream = stream;
  }

  onData(buffer: Buffer, start: number, end: number): void {
    const stream = this.dataStream;
    this.padding -= end - start;
    if (stream !== undefined && !stream.onBody(buffer, start, end)) {
      this.fail(stream, errorCode.protocolError, 'a body of more bytes than content-length says');
    }
  }

  onDataEnd(): void {
    const stream = this.dataStream;
    this.dataStream = undefined;
    if (stream === undefined) return;
    if (this.dataEnds) this.endRequest(stream, undefined);
    else if (this.padding > 0) this.consumed(stream, this.padding);
  }

  private endRequest(stream: H2ClientStream, trailers: HeaderList | undefined): void {
    if (!stream.onEnd(trailers)) {
      this.fail(stream, errorCode.protocolError, 'a body of fewer bytes than content-length says');
    }
  }

  onRstStream(id: number): void {
    if (this.isIdle(id)) {
      this.onConnectionError(errorCode.protocolError, 'RST_STREAM on a stream that was never opened');
      return;
    }
    if (!this.spend(frameCost.reset)) return;
    this.streams.get(id)?.abort(new WeldrError('CLIENT_CLOSED', 'the client gave the request up'));
  }

  onSetting(id: number, value: number): void {
    if (id === settingId.headerTableSize) this.encoder.setMaxTableSize(value);
    else if (id === settingId.maxFrameSize) this.writer.maxFrameSize = value;
    else if (id === settingId.initialWindowSize) this.changeWindows(value);
  }

  /** A SETTINGS frame was read whole. */
  onSettingsEnd(): void {
    if (!this.spend(frameCost.control)) return;
    this.writer.settingsAck();
    this.answer();
  }

  private changeWindows(size: number): void {
    const change = size - this.peerStreamWindow;
    this.peerStreamWindow = size;
    for (const stream of this.streams.values()) {
      stream.window += change;
      if (stream.window > largestWindow) {
        this.onConnectionError(errorCode.flowControlError, 'a window over 2^31-1');
        return;
      }
    }
    this.sendWaiting();
  }

  onPing(payload: Buffer): void {
    if (!this.spend(frameCost.control)) return;
    this.writer.ping(payload, 'ack');
    this.answer();
  }

  onSettingsAck(): void {}

  onPingAck(): void {}

  onWindowUpdate(id: number, increment: number): void {
    if (!this.spend(frameCost.control)) return;
    if (id === 0) {
      this.window += increment;
      if (this.window > largestWindow) {
        this.onConnectionError(errorCode.flowControlError, 'a window over 2^31-1');
        return;
      }
      this.sendWaiting();
      return;
    }
    if (this.isIdle(id)) {
      this.onConnectionError(errorCode.protocolError, 'WINDOW_UPDATE on a stream that was never opened');
      return;
    }
    const stream = this.streams.get(id);
    if (stream === undefined) return;
    stream.window += increment;
    if (stream.window > largestWindow) this.fail(stream, errorCode.flowControlError, 'a window over 2^31-1');
    else if (stream.waits) this.send(stream);
  }

  onGoAway(): void {
    // It begins no more streams; those that are there end as they would.
    this.goingAway = true;
    if (this.streams.size === 0) this.end();
  }

  onIgnored(): void {
    this.spend(frameCost.control);
  }

  onStreamError(id: number, code: number, reason: string): void {
    const stream = this.streams.get(id);
    if (stream !== undefined) this.fail(stream, code, reason);
    else this.refuseStream(id, code, frameCost.reset);
  }

  onConnectionError(code: number, reason: string): void {
    if (this.over) return;
    this.wire.log.debug({ client: this.peer.ip, reason }, 'an HTTP/2 connection is ended');
    this.goAway(code);
    this.end();
  }

  // --- rules ---------------------------------------------------------------------------------------------------

  /** False: the client has spent all, and the connection ends. */
  private spend(cost: number): boolean {
    if (this.budget.spend(cost, this.wire.deadlines.now)) return true;
    this.onConnectionError(errorCode.enhanceYourCalm, 'too many frames that bring no request further');
    return false;
  }

  /** An answer to a frame waits to be written: a client that does not read must not make it grow. */
  private answer(): void {
    this.wake();
    if (this.socket.writableLength + this.writer.size > maxUnread && this.blocked) {
      this.onConnectionError(
        errorCode.enhanceYourCalm,
        'frames that want answers, and nobody who reads them',
      );
    }
  }

  private isIdle(id: number): boolean {
    return id > this.lastStream || id % 2 === 0;
  }

  private refuseStream(id: number, code: number, cost: number): void {
    if (!this.spend(cost)) return;
    this.resets.add(id);
    this.writer.rstStream(id, code);
    this.wake();
  }

  private fail(stream: H2ClientStream, code: number, reason: string): void {
    if (!this.spend(frameCost.reset)) return;
    this.wire.log.debug({ client: this.peer.ip, stream: stream.id, reason }, 'an HTTP/2 stream is reset');
    this.reset(stream, code);
    stream.abort(new WeldrError('BAD_REQUEST', reason));
  }

  // --- sending what waited -------------------------------------------------------------------------------------

  private sendWaiting(): void {
    for (const stream of [...this.waiting]) {
      if (this.window <= 0 || this.blocked) return;
      this.send(stream);
    }
  }

  private send(stream: H2ClientStream): void {
    this.waiting.delete(stream);
    stream.sendPending();
    // Behind the others: each has its turn.
    if (stream.waits) this.waiting.add(stream);
  }

  private readonly onSocketDrain = (): void => {
    if (this.over) return;
    this.sendWaiting();
    for (const stream of [...this.streams.values()]) stream.onDrain();
  };

  // --- ends ----------------------------------------------------------------------------------------------------

  private readonly onSocketData = (bytes: Buffer): void => {
    if (this.over) return;
    this.wire.deadlines.touch();
    this.reader.read(bytes, 0, bytes.length);
  };

  private readonly onSocketEnd = (): void => {
    // Nothing that was asked can be given up or added to any more; what is answered still goes out.
    this.goingAway = true;
    if (this.over) this.socket.destroy();
    else if (this.streams.size === 0) this.end();
    else this.deadline = this.wire.deadlines.in(this.wire.settings.timeouts.halfClosed);
  };

  private readonly onSocketClose = (): void => this.close();

  private goAway(code: number): void {
    if (this.goingAway && code === errorCode.noError) return;
    this.goingAway = true;
    this.writer.goAway(this.lastStream, code);
    this.wake();
  }

  closeIfIdle(): void {
    if (this.over || !this.idle) return;
    this.goAway(errorCode.noError);
    this.end();
  }

  /**
   * Writes what is there and closes the sending side; the client has a moment to read it: bytes of its that meet a closed
   * socket would take that away.
   */
  private end(): void {
    if (this.over) return;
    this.over = true;
    this.reader.stop();
    for (const stream of [...this.streams.values()]) stream.abort(new WeldrError('CLIENT_CLOSED'));
    this.write();
    this.socket.end();
    this.deadline = this.wire.deadlines.in(lingerTime);
  }

  stop(): void {
    if (!this.over) this.goAway(errorCode.noError);
    this.end();
    this.socket.destroy();
    this.close();
  }

  onDeadline(): void {
    if (this.over) this.socket.destroy();
    else if (this.idle) this.closeIfIdle();
    else this.stop();
  }

  private close(): void {
    if (this.closed) return;
    this.closed = true;
    this.over = true;
    this.deadline = 0;
    this.wire.deadlines.remove(this);
    for (const stream of [...this.streams.values()]) stream.abort(new WeldrError('CLIENT_CLOSED'));
    this.streams.clear();
    this.keeper.forget(this);
  }
}
