// H2UpstreamConnection: one HTTP/2 connection to an upstream, and the requests that share it (RFC 9113).
import type { UpstreamStream } from '../exchange/streams.ts';
import type { SocketReader } from '../upstream/dial.ts';
import type { PendingConnection } from '../upstream/pending-connection.ts';
import type { ConnectionHome, UpstreamConnection } from '../upstream/upstream-connection.ts';
import { firstWindow, H2Connection, type H2Role } from './connection.ts';
import { frameCost } from './flood-budget.ts';
import type { Ending } from './frame-writer.ts';
import { errorCode, errorName, largestWindow, settingId } from './frames.ts';
import { listSize } from './head-fields.ts';
import type { ResponseBlock } from './response-block.ts';
import type { H2UpstreamStreamHome } from './stream.ts';
import type { TrailerBlock } from './trailer-block.ts';
import { H2UpstreamStream } from './upstream-stream.ts';

/** The most streams on one connection, even if an upstream allows more. */
const maxStreams = 256;
/** How long an upstream may take to acknowledge a PING, and to close an ending connection, ms. */
const probeTime = 2_000;
const lingerTime = 2_000;

const role: H2Role = {
  role: 'client',
  streamWindow: 256 * 1024,
  connectionWindow: 4 * 1024 * 1024,
  maxBlock: 256 * 1024,
  budget: { most: 10_000, perSecond: 2_000 },
};

const probeMark = Buffer.from('weldr up', 'latin1');

/** The readers that all connections of a worker share. */
export interface ResponseReaders {
  readonly response: ResponseBlock;
  readonly trailers: TrailerBlock;
}

/** One connection, owned by its {@link ConnectionHome}. */
export class H2UpstreamConnection
  extends H2Connection<H2UpstreamStream>
  implements UpstreamConnection, SocketReader, H2UpstreamStreamHome<H2UpstreamStream>
{
  readonly kind = 'h2';
  readonly home: ConnectionHome;
  readonly scheme: 'http' | 'https';
  readonly openedAt: number;
  readonly client = undefined;
  // Uploads share the connection with other requests.
  readonly uploads = false;
  streams = 0;
  idleUntil = 0;
  listed = false;
  /** How many reads there were. */
  reads = 0;
  private readonly blocks: ResponseReaders;
  /** How many streams the upstream allows, and whether it has said so. SETTINGS without a limit allow any number. */
  private allowed: number;
  private isLimited = false;
  private hasSettings = false;
  private maxHeaderList = Number.POSITIVE_INFINITY;
  private nextStream = 1;
  /** Whether a complete response has arrived on it. */
  private hasServed = false;
  /** Whether the upstream takes no more streams. `goodbye`: the error in its GOAWAY; '' if it gave none. */
  private goingAway = false;
  private goodbye = '';
  /** Whether nothing has been received since a PING was sent. If so, the connection may be dead. */
  private probing = false;
  /** Streams whose heads arrived in this read. */
  private readonly headed: H2UpstreamStream[] = [];

  /** `pending`: the open connection, which negotiated this protocol. */
  constructor(home: ConnectionHome, pending: PendingConnection, blocks: ResponseReaders) {
    super(pending.socket, home.deadlines, role);
    this.home = home;
    this.blocks = blocks;
    this.scheme = home.upstream.protocol === 'https:' ? 'https' : 'http';
    this.openedAt = pending.openedAt;
    this.allowed = home.streamsAtFirst;
    home.deadlines.add(this);
    pending.handTo(this);
    const { socket } = this;
    socket.on('drain', this.onSocketDrain);
    socket.on('end', () => this.onClosed(undefined));
    socket.on('error', error => this.onClosed(error));
    socket.on('close', () => this.onClosed(undefined));
    this.writer.preface();
    this.writer.settings([
      [settingId.enablePush, 0],
      [settingId.initialWindowSize, role.streamWindow],
      [settingId.maxHeaderListSize, home.limits.headers],
    ]);
    this.writer.windowUpdate(0, role.connectionWindow - firstWindow);
    this.wake();
  }

  // --- as a connection of its cache ----------------------------------------------------------------------------

  get capacity(): number {
    if (this.over || this.goingAway || this.probing || this.nextStream > largestWindow) return 0;
    return Math.max(0, Math.min(this.allowed, maxStreams) - this.streams);
  }

  openStream(): UpstreamStream {
    this.streams++;
    this.deadline = 0;
    return new H2UpstreamStream(this, this.hasServed, this.peerStreamWindow, role.streamWindow);
  }

  rest(ms: number): void {
    if (this.probing) return;
    this.deadline = this.deadlines.in(ms);
    this.idleUntil = this.deadlines.now + ms;
  }

  destroy(): void {
    this.finish(errorCode.noError, '');
  }

  /** False while it has room, because then no request waits for it. */
  get lags(): boolean {
    return this.capacity === 0 && this.lagging !== undefined;
  }

  giveWay(): void {
    this.lagging?.giveWay();
  }

  private get lagging(): H2UpstreamStream | undefined {
    for (const stream of this.openStreams.values()) if (stream.lags) return stream;
    return undefined;
  }

  // --- for its streams -----------------------------------------------------------------------------------------

  /** Returns why a head cannot be sent; undefined if it can. */
  problemWith(fields: readonly string[]): string | undefined {
    const { maxHeaderList: most } = this;
    if (most === Number.POSITIVE_INFINITY || listSize(fields) <= most) return undefined;
    return `${this.home.upstream.id} accepts heads of up to ${most} bytes, and this one is larger`;
  }

  /** Opens a stream with its head. */
  begin(
    stream: H2UpstreamStream,
    fields: readonly string[],
    neverIndexed: ReadonlySet<string> | undefined,
    ending: Ending,
  ): void {
    stream.id = this.nextStream;
    // The upstream may have changed the initial window since the stream was created.
    stream.window = this.peerStreamWindow;
    this.nextStream += 2;
    this.lastStream = stream.id;
    this.openStreams.set(stream.id, stream);
    this.sendHead(stream.id, fields, neverIndexed, ending);
  }

  /** Sends as many of the bytes as the windows and the connection allow now. They must not change until they have been sent. */
  sendData(stream: H2UpstreamStream, buffer: Buffer, start: number, end: number, isLast: boolean): number {
    const size = this.takeWindow(stream, end - start);
    if (size === 0) return 0;
    this.budget.earnByFrame();
    this.writer.data(stream.id, buffer, start, start + size, isLast && size === end - start ? 'end' : 'open');
    this.wake();
    return size;
  }

  /** Called when a response has arrived completely. */
  completed(): void {
    this.hasServed = true;
    this.budget.earn();
  }

  /** Called when a stream has ended. */
  forget(stream: H2UpstreamStream): void {
    this.drop(stream);
    this.streams--;
    if (this.over) return;
    if (this.goingAway && this.streams === 0) this.destroy();
    else if (!this.goingAway) this.home.putBack(this, undefined);
  }

  /** Earns for the reset: the upstream is not to blame for frames of a request that Weldr cancels. */
  override reset(stream: H2UpstreamStream, code: number): void {
    super.reset(stream, code);
    this.budget.earnByCancel();
  }

  /** Called when a stream timed out. The connection takes no others until the upstream shows a sign of life. */
  probe(): void {
    if (this.over || this.probing) return;
    this.probing = true;
    this.writer.ping(probeMark, 'ask');
    this.wake();
    this.deadline = this.deadlines.in(probeTime);
  }

  // --- frames --------------------------------------------------------------------------------------------------

  onBytes(buffer: Buffer, start: number, end: number): void {
    if (this.over) return;
    this.reads++;
    const hasProbed = this.probing;
    this.probing = false;
    this.read(buffer, start, end);
    for (const stream of this.headed.splice(0)) stream.onReadEnd();
    if (!hasProbed || this.over) return;
    this.deadline = 0;
    this.home.putBack(this, undefined);
  }

  onHeaders(id: number, block: Buffer, start: number, end: number, ends: boolean): void {
    const stream = this.openStreams.get(id);
    if (stream?.headSeen === true) {
      this.onTrailers(stream, block, start, end, ends);
      return;
    }
    const { response } = this.blocks;
    response.begin();
    if (!this.decoder.decode(block, start, end, response)) {
      this.onConnectionError(errorCode.compressionError, this.decoder.problem);
    } else if (stream !== undefined) {
      stream.onHead(response, ends);
      if (stream.headSeen && !ends) this.headed.push(stream);
    } else if (this.isIdle(id)) {
      this.onConnectionError(errorCode.protocolError, 'a response without a request');
    } else if (this.resets.has(id)) this.spend(frameCost.control);
    else this.onConnectionError(errorCode.streamClosed, 'a field section on a closed stream');
  }

  private onTrailers(
    stream: H2UpstreamStream,
    block: Buffer,
    start: number,
    end: number,
    ends: boolean,
  ): void {
    const { trailers } = this.blocks;
    trailers.begin();
    if (!this.decoder.decode(block, start, end, trailers)) {
      this.onConnectionError(errorCode.compressionError, this.decoder.problem);
    } else if (stream.halfClosed) {
      this.fail(stream, errorCode.streamClosed, 'a field section after the end of a response');
    } else if (!ends || trailers.problem !== '') {
      this.fail(stream, errorCode.protocolError, trailers.problem || 'a second head');
    } else {
      this.endMessage(stream, trailers.take());
    }
  }

  onRstStream(id: number, code: number): void {
    if (this.isIdle(id)) {
      this.onConnectionError(errorCode.protocolError, 'RST_STREAM on a stream that was never opened');
      return;
    }
    if (this.spend(frameCost.control)) this.openStreams.get(id)?.onReset(code);
  }

  override onSetting(id: number, value: number): void {
    if (id === settingId.maxConcurrentStreams) {
      this.isLimited = true;
      this.allow(value);
    } else if (id === settingId.maxHeaderListSize) this.maxHeaderList = value;
    else super.onSetting(id, value);
  }

  override onSettingsEnd(): void {
    super.onSettingsEnd();
    if (!this.hasSettings && !this.isLimited) this.allow(maxStreams);
    this.hasSettings = true;
    // There may be more room than before.
    if (!this.over) this.home.putBack(this, undefined);
  }

  private allow(streams: number): void {
    this.allowed = streams;
    this.home.streamsAtFirst = Math.max(1, Math.min(streams, maxStreams));
  }

  onGoAway(lastStreamId: number, code: number, debug: string): void {
    if (!this.spend(frameCost.control)) return;
    const { id } = this.home.upstream;
    this.goingAway = true;
    if (code !== errorCode.noError) {
      this.goodbye = `${errorName(code)}${debug === '' ? '' : ` (${JSON.stringify(debug)})`}`;
    }
    const why = `${id} ended the connection before processing the request`;
    for (const stream of [...this.openStreams.values()]) {
      if (stream.id > lastStreamId) stream.onRefused(this.goodbye === '' ? why : `${why}: ${this.goodbye}`);
    }
    if (this.streams === 0) this.destroy();
  }

  protected onErrorElsewhere(id: number, code: number, reason: string): void {
    if (this.isIdle(id)) this.onConnectionError(code, reason);
    else this.spend(frameCost.reset);
  }

  protected onReset(stream: H2UpstreamStream, reason: string): void {
    stream.onMalformed(reason);
  }

  onConnectionError(code: number, reason: string): void {
    if (this.over) return;
    const streams = [...this.openStreams.values()];
    this.finish(code, reason);
    for (const stream of streams) if (!stream.halfClosed) stream.onMalformed(reason);
  }

  // --- ends ----------------------------------------------------------------------------------------------------

  onDeadline(): void {
    if (this.over) this.socket.destroy();
    else if (this.probing) this.onClosed(new Error(`no answer to a PING within ${probeTime} ms`));
    else if (this.streams === 0) this.destroy();
  }

  onConnected(): void {}

  onWriteError(): boolean {
    // Responses, and the reason for the close, may have arrived before.
    return this.streams > 0;
  }

  /** Called when the upstream has closed the connection, or it broke. */
  private onClosed(error: Error | undefined): void {
    if (this.over) {
      this.socket.destroy();
      return;
    }
    const { id } = this.home.upstream;
    const why = `${id} closed the connection${this.goodbye === '' ? '' : ` with ${this.goodbye}`}`;
    const streams = [...this.openStreams.values()];
    this.over = true;
    this.reader.stop();
    this.writer.close();
    this.deadlines.remove(this);
    this.home.forget(this);
    this.socket.destroy();
    for (const stream of streams) stream.onConnectionClosed(why, error);
  }

  /** Sends GOAWAY and closes. */
  private finish(code: number, reason: string): void {
    if (this.over) return;
    this.writer.goAway(0, code, reason);
    this.over = true;
    this.reader.stop();
    this.writer.close();
    this.home.forget(this);
    this.deadline = this.deadlines.in(lingerTime);
    this.socket.once('close', () => this.deadlines.remove(this));
    // An upstream at fault gets a moment to read the GOAWAY, which a reset of a closed socket could destroy.
    if (code === errorCode.noError) this.socket.end(() => this.socket.destroy());
    else this.socket.end();
  }
}
