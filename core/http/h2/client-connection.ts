// H2ClientConnection: one HTTP/2 connection from a client: how its requests begin, and how it ends (RFC 9113).
import type { Socket } from 'node:net';
import { WeldrError } from '../../errors.ts';
import type { AcceptedConnection, ConnectionKeeper } from '../exchange/connections.ts';
import { reset } from '../exchange/reset.ts';
import type { Peer } from '../exchange/streams.ts';
import type { Wire } from '../exchange/wire.ts';
import { H2ClientStream } from './client-stream.ts';
import { firstWindow, H2Connection, type H2Role } from './connection.ts';
import { frameCost } from './flood-budget.ts';
import { errorCode, settingId } from './frames.ts';
import type { RequestBlock } from './request-block.ts';
import type { H2ClientStreamHome } from './stream.ts';
import type { TrailerBlock } from './trailer-block.ts';

/** How many streams a client may have open at once. */
const maxStreams = 128;
/** How long a closing connection is still read, ms. */
const lingerTime = 2_000;
/** For a GOAWAY that only announces another one (RFC 9113 section 6.8). */
const anyStream = 2 ** 31 - 1;

const role: H2Role = {
  role: 'server',
  streamWindow: 64 * 1024,
  connectionWindow: 1024 * 1024,
  maxBlock: 64 * 1024,
  budget: { most: 2_000, perSecond: 400 },
};

/** The readers that all connections of a worker share. */
export interface BlockReaders {
  readonly request: RequestBlock;
  readonly trailers: TrailerBlock;
}

/** One client connection and its streams. */
export class H2ClientConnection
  extends H2Connection<H2ClientStream>
  implements AcceptedConnection, H2ClientStreamHome<H2ClientStream>
{
  readonly kind = 'h2';
  readonly peer: Peer;
  idleSince: number;
  readonly outlives = false;
  private readonly client: Socket;
  private readonly wire: Wire;
  private readonly keeper: ConnectionKeeper;
  private readonly blocks: BlockReaders;
  private goingAway = false;
  private closed = false;

  constructor(keeper: ConnectionKeeper, wire: Wire, blocks: BlockReaders, socket: Socket, peer: Peer) {
    super(socket, wire.deadlines, role);
    this.client = socket;
    this.keeper = keeper;
    this.wire = wire;
    this.blocks = blocks;
    this.peer = peer;
    this.idleSince = wire.deadlines.now;
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
      [settingId.initialWindowSize, role.streamWindow],
      [settingId.maxHeaderListSize, wire.settings.limits.headers],
      [settingId.enablePush, 0],
    ]);
    this.writer.windowUpdate(0, role.connectionWindow - firstWindow);
    this.wake();
  }

  get activeRequests(): number {
    return this.openStreams.size;
  }

  private get idle(): boolean {
    return this.openStreams.size === 0;
  }

  // --- what streams send ---------------------------------------------------------------------------------------

  /** Sends as many of the bytes as the windows and the connection allow now. The bytes may change afterwards. */
  sendData(stream: H2ClientStream, buffer: Buffer, start: number, end: number, isLast: boolean): number {
    const size = this.takeWindow(stream, end - start);
    if (size === 0) return 0;
    const isWhole = size === end - start;
    // Pieces cut by a window earn only by their bytes: a client could make them as small as it likes.
    if (isWhole) this.budget.earnByFrame();
    const ending = isLast && isWhole ? 'end' : 'open';
    this.writer.copyData(stream.id, buffer, start, start + size, ending);
    this.wake();
    return size;
  }

  /** Called when a response has been sent completely. */
  completed(): void {
    this.budget.earn();
  }

  /** Called when a stream has ended. */
  forget(stream: H2ClientStream): void {
    if (!this.drop(stream) || this.over) return;
    if (this.wire.draining) this.goAway(errorCode.noError);
    if (this.openStreams.size > 0) return;
    this.idleSince = this.wire.deadlines.now;
    this.deadline = this.wire.deadlines.in(this.wire.settings.timeouts.idle);
    if (this.goingAway) this.end();
  }

  // --- frames --------------------------------------------------------------------------------------------------

  override onPreface(): void {
    this.deadline = this.wire.deadlines.in(this.wire.settings.timeouts.idle);
  }

  onHeaders(id: number, block: Buffer, start: number, end: number, ends: boolean): void {
    const stream = this.openStreams.get(id);
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
      // Frames that were on their way when the stream was reset are dropped.
      if (this.resets.has(id)) this.spend(frameCost.control);
      else if (id % 2 === 1)
        this.onConnectionError(errorCode.streamClosed, 'a field section on a closed stream');
      else this.onConnectionError(errorCode.protocolError, 'a stream with an even identifier');
      return;
    }
    if (this.goingAway) {
      this.lastIgnored = Math.max(this.lastIgnored, id);
      this.spend(frameCost.control);
      return;
    }
    this.lastStream = id;
    if (this.openStreams.size >= maxStreams || this.isUnread) {
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
        'reset a malformed HTTP/2 request',
      );
      this.refuseStream(id, errorCode.protocolError, frameCost.reset);
      return;
    }
    this.deadline = 0;
    this.wire.deadlines.touch();
    const stream = new H2ClientStream(this, this.wire, id, this.peerStreamWindow, role.streamWindow);
    this.openStreams.set(id, stream);
    if (outcome === 'refused') stream.refuse(request, ends);
    else stream.begin(request, ends);
  }

  private onTrailers(stream: H2ClientStream, block: Buffer, start: number, end: number, ends: boolean): void {
    const { trailers } = this.blocks;
    trailers.begin();
    if (!this.decoder.decode(block, start, end, trailers)) {
      this.onConnectionError(errorCode.compressionError, this.decoder.problem);
    } else if (stream.halfClosed) {
      this.fail(stream, errorCode.streamClosed, 'a field section after the end of a request');
    } else if (!ends || trailers.problem !== '') {
      this.fail(stream, errorCode.protocolError, trailers.problem || 'a second head');
    } else {
      this.endMessage(stream, trailers.take());
    }
  }

  onRstStream(id: number): void {
    if (this.isIdle(id)) {
      this.onConnectionError(errorCode.protocolError, 'RST_STREAM on a stream that was never opened');
      return;
    }
    if (!this.spend(frameCost.reset)) return;
    this.openStreams.get(id)?.abort(new WeldrError('CLIENT_CLOSED', 'the client cancelled the request'));
  }

  onGoAway(): void {
    if (!this.spend(frameCost.control)) return;
    // The client opens no more streams; existing ones end as usual.
    this.goingAway = true;
    if (this.openStreams.size === 0) this.end();
  }

  onConnectionError(code: number, reason: string): void {
    if (this.over) return;
    this.wire.log.debug({ client: this.peer.ip, reason }, 'ended an HTTP/2 connection');
    this.goAway(code);
    this.end();
  }

  // --- rules ---------------------------------------------------------------------------------------------------

  protected onErrorElsewhere(id: number, code: number, reason: string): void {
    // A stream that was never opened cannot be reset (RFC 9113 section 6.4).
    if (this.isIdle(id)) this.onConnectionError(code, reason);
    else this.refuseStream(id, code, frameCost.reset);
  }

  protected onReset(stream: H2ClientStream, reason: string): void {
    this.wire.log.debug({ client: this.peer.ip, stream: stream.id, reason }, 'reset an HTTP/2 stream');
    stream.abort(new WeldrError('BAD_REQUEST', reason));
  }

  private refuseStream(id: number, code: number, cost: number): void {
    if (!this.spend(cost)) return;
    this.resets.add(id);
    this.writer.rstStream(id, code);
    this.wake();
  }

  // --- ends ----------------------------------------------------------------------------------------------------

  private readonly onSocketData = (bytes: Buffer): void => {
    if (this.over) return;
    this.wire.deadlines.touch();
    this.read(bytes, 0, bytes.length);
  };

  private readonly onSocketEnd = (): void => {
    // Requests can no longer be cancelled or continued; responses are still sent.
    this.goingAway = true;
    if (this.over) this.socket.destroy();
    else if (this.openStreams.size === 0) this.end();
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
   * Writes what is left and closes the sending side. The client gets a moment to read it: if its bytes arrived at a closed
   * socket, a reset would destroy what it has not read.
   */
  private end(): void {
    if (this.over) return;
    this.over = true;
    this.reader.stop();
    for (const stream of [...this.openStreams.values()]) stream.abort(new WeldrError('CLIENT_CLOSED'));
    this.writer.close();
    this.socket.end();
    if (this.socket.writableLength === 0) {
      this.awaitEnd();
      return;
    }
    // The last bytes leave as fast as the client reads them.
    this.deadline = this.wire.deadlines.in(this.wire.settings.timeouts.body);
    this.socket.once('finish', () => this.awaitEnd());
  }

  private awaitEnd(): void {
    if (!this.closed) this.deadline = this.wire.deadlines.in(lingerTime);
  }

  stop(): void {
    if (!this.over) this.goAway(errorCode.noError);
    this.end();
    this.socket.destroy();
    this.close();
  }

  get localAddress(): string | undefined {
    return this.client.localAddress;
  }

  /** Announces that no more streams are taken. Streams that the client opens before it has read this are still served. */
  endSoon(): void {
    if (this.goingAway) return;
    this.writer.goAway(anyStream, errorCode.noError);
    this.wake();
  }

  breakOff(): void {
    if (!this.over || this.socket.writableLength > 0) reset(this.client);
    else this.socket.destroy();
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
    for (const stream of [...this.openStreams.values()]) stream.abort(new WeldrError('CLIENT_CLOSED'));
    this.openStreams.clear();
    this.keeper.forget(this);
  }
}
