// H2Connection: what HTTP/2 connections to clients and to upstreams have in common: frames, windows, sending (RFC 9113).
import type { Duplex } from 'node:stream';
import type { HeaderList } from '../../request/headers.ts';
import type { Deadlines, Waiting } from '../exchange/deadlines.ts';
import { BatchWriter } from './batch-writer.ts';
import { FloodBudget, type FloodLimits, frameCost } from './flood-budget.ts';
import { FrameReader } from './frame-reader.ts';
import type { FrameReceiver } from './frame-receiver.ts';
import type { Ending } from './frame-writer.ts';
import { errorCode, frameHeaderSize, largestWindow, settingId } from './frames.ts';
import { HpackDecoder } from './hpack-decoder.ts';
import { HpackEncoder } from './hpack-encoder.ts';
import { ResetStreams } from './reset-streams.ts';
import type { H2Stream } from './stream.ts';

/** The initial window of a connection and its streams (RFC 9113 section 6.9.2). */
export const firstWindow = 65_535;
/** How many bytes of heads and of replies to control frames may wait for a peer that does not read. */
const maxUnread = 256 * 1024;

const noBytes = Buffer.alloc(0);

/** How the two ends differ. */
export interface H2Role {
  readonly role: 'server' | 'client';
  /** How many bytes of bodies the peer may send ahead, on one stream and on the whole connection. */
  readonly streamWindow: number;
  readonly connectionWindow: number;
  /** The most bytes of an encoded field block. A larger one ends the connection. */
  readonly maxBlock: number;
  readonly budget: FloodLimits;
}

/** One connection and its streams. */
export abstract class H2Connection<S extends H2Stream> implements FrameReceiver, Waiting {
  deadline = 0;
  deadlineSlot = -1;
  protected readonly socket: Duplex;
  protected readonly deadlines: Deadlines;
  protected readonly reader: FrameReader;
  protected readonly writer: BatchWriter;
  protected readonly decoder = new HpackDecoder();
  protected readonly encoder = new HpackEncoder();
  protected readonly budget: FloodBudget;
  protected readonly openStreams = new Map<number, S>();
  protected readonly resets = new ResetStreams();
  /** The last stream that was opened. */
  protected lastStream = 0;
  /** The last stream that the peer opened before it had read a GOAWAY: such streams are ignored. */
  protected lastIgnored = 0;
  /** How many bytes the peer lets a new stream send. */
  protected peerStreamWindow = firstWindow;
  /** Whether the connection has ended. If so, nothing more is read, and no stream opened. */
  protected over = false;
  private readonly role: H2Role;
  /** Streams that wait to send, in the order in which they began to wait. */
  private readonly waiting = new Set<S>();
  /** The stream of the DATA frame that is being read. */
  private dataStream: S | undefined = undefined;
  private dataEnds = false;
  /** Bytes of the frame that count against the windows and were not handed on as payload. */
  private padding = 0;
  private hasPayload = false;
  /** How many bytes the peer lets this connection send. */
  private window = firstWindow;
  private used = 0;
  /** Bytes of heads and of replies to control frames written since the peer last had nothing left to read. */
  private unread = 0;
  /** Whether windows have been opened since the last {@link sendWaiting}. */
  private opened = false;

  constructor(socket: Duplex, deadlines: Deadlines, role: H2Role) {
    this.socket = socket;
    this.deadlines = deadlines;
    this.role = role;
    this.writer = new BatchWriter(socket);
    this.budget = new FloodBudget(deadlines.now, role.budget);
    this.reader = new FrameReader(this, role.role, undefined, role.maxBlock);
  }

  /** Whether the peer is slow to read. */
  get blocked(): boolean {
    return this.writer.blocked;
  }

  /** Whether the peer sends requests without reading responses. Bodies wait for its windows, but heads would pile up. */
  protected get isUnread(): boolean {
    return this.blocked && this.unread > maxUnread;
  }

  /** Takes bytes from the peer, valid only during the call. */
  protected read(buffer: Buffer, start: number, end: number): void {
    this.reader.read(buffer, start, end);
    if (!this.opened || this.over) return;
    this.opened = false;
    // Only now: windows are often opened in small steps, each of which would make a separate frame.
    this.sendWaiting();
  }

  // --- what streams send ---------------------------------------------------------------------------------------

  /** `fields`: alternating names and values. `neverIndexed`: names of fields that must stay out of all tables. */
  sendHead(
    id: number,
    fields: readonly string[],
    neverIndexed: ReadonlySet<string> | undefined,
    ending: Ending,
  ): void {
    const { encoder } = this;
    encoder.begin();
    for (let n = 0; n < fields.length; n += 2) {
      const name = fields[n] ?? '';
      if (neverIndexed?.has(name)) encoder.neverIndexed(name, fields[n + 1] ?? '');
      else encoder.field(name, fields[n + 1] ?? '');
    }
    const block = encoder.end();
    this.writer.headers(id, block, ending);
    this.countUnread(block.length);
    this.wake();
  }

  /** Returns how many of these bytes the windows and the connection allow now. They count as sent. */
  protected takeWindow(stream: S, bytes: number): number {
    if (this.blocked) return 0;
    const size = Math.min(bytes, stream.window, this.window);
    if (size <= 0) return 0;
    stream.window -= size;
    this.window -= size;
    this.budget.earnBy(size);
    return size;
  }

  /** Ends a body without more bytes. */
  endData(id: number): void {
    this.writer.data(id, noBytes, 0, 0, 'end');
    this.wake();
  }

  /** Called when a stream has something to send and cannot. */
  await(stream: S): void {
    this.waiting.add(stream);
  }

  reset(stream: S, code: number): void {
    if (this.over) return;
    this.resets.add(stream.id);
    this.writer.rstStream(stream.id, code);
    this.wake();
  }

  /** Called when bytes of a body have been taken, so the peer may send more. */
  consumed(stream: S, bytes: number): void {
    if (this.over || !this.openStreams.has(stream.id)) return;
    stream.used += bytes;
    // The window is reopened once half of it is used.
    if (stream.used * 2 < this.role.streamWindow) return;
    stream.allowed += stream.used;
    this.writer.windowUpdate(stream.id, stream.used);
    stream.used = 0;
    this.wake();
  }

  /** Removes a stream that has ended. Returns false if it was removed before. */
  protected drop(stream: S): boolean {
    this.waiting.delete(stream);
    if (this.dataStream === stream) this.dataStream = undefined;
    return this.openStreams.delete(stream.id);
  }

  /** Makes everything written in one turn of the event loop leave together. */
  protected wake(): void {
    // With several streams, more is likely to come in this turn.
    this.writer.wake(this.openStreams.size > 1 ? 'at the end' : 'soon');
  }

  // --- bodies --------------------------------------------------------------------------------------------------

  onDataStart(id: number, size: number, ends: boolean): void {
    const { connectionWindow } = this.role;
    // All bytes that arrive reopen the connection's window, taken or not, so no stream holds up the others.
    this.used += size;
    if (this.used > connectionWindow) {
      this.onConnectionError(errorCode.flowControlError, "more than the connection's window");
      return;
    }
    if (this.used * 2 >= connectionWindow) {
      this.writer.windowUpdate(0, this.used);
      this.used = 0;
      this.wake();
    }
    const stream = this.openStreams.get(id);
    this.dataStream = undefined;
    this.dataEnds = ends;
    this.padding = size;
    this.hasPayload = false;
    if (stream === undefined) {
      if (this.isIdle(id)) {
        this.onConnectionError(errorCode.protocolError, 'DATA on a stream that was never opened');
      } else if (id <= this.lastStream && !this.resets.has(id)) {
        this.onConnectionError(errorCode.streamClosed, 'DATA on a closed stream');
      }
      return;
    }
    if (stream.halfClosed) {
      this.fail(stream, errorCode.streamClosed, 'DATA after the end of a message');
      return;
    }
    stream.allowed -= size;
    if (stream.allowed < 0) {
      this.fail(stream, errorCode.flowControlError, "more than the stream's window");
      return;
    }
    this.dataStream = stream;
  }

  onData(buffer: Buffer, start: number, end: number): void {
    const stream = this.dataStream;
    this.padding -= end - start;
    this.hasPayload = true;
    if (stream !== undefined && !stream.onBody(buffer, start, end)) {
      this.fail(stream, errorCode.protocolError, 'a body with more bytes than content-length says');
    }
  }

  onDataEnd(): void {
    const stream = this.dataStream;
    this.dataStream = undefined;
    if (!this.dataEnds && !this.hasPayload && !this.spend(frameCost.control)) return;
    if (stream === undefined) return;
    if (this.dataEnds) this.endMessage(stream, undefined);
    else if (this.padding > 0) this.consumed(stream, this.padding);
  }

  protected endMessage(stream: S, trailers: HeaderList | undefined): void {
    if (!stream.onEnd(trailers)) {
      this.fail(stream, errorCode.protocolError, 'a body with fewer bytes than content-length says');
    }
  }

  // --- control frames ------------------------------------------------------------------------------------------

  onPreface(): void {}

  abstract onHeaders(id: number, block: Buffer, start: number, end: number, ends: boolean): void;

  abstract onRstStream(id: number, code: number): void;

  abstract onGoAway(lastStreamId: number, code: number, debug: string): void;

  onSetting(id: number, value: number): void {
    // One frame may hold thousands of settings, each of which costs work for all streams.
    if (!this.spend(frameCost.control)) return;
    if (id === settingId.headerTableSize) this.encoder.setMaxTableSize(value);
    else if (id === settingId.maxFrameSize) this.writer.maxFrameSize = value;
    else if (id === settingId.initialWindowSize) this.changeWindows(value);
  }

  /** Called when a SETTINGS frame was read completely. */
  onSettingsEnd(): void {
    if (!this.spend(frameCost.control)) return;
    this.writer.settingsAck();
    this.acknowledged(frameHeaderSize);
  }

  private changeWindows(size: number): void {
    const change = size - this.peerStreamWindow;
    this.peerStreamWindow = size;
    for (const stream of this.openStreams.values()) {
      stream.window += change;
      if (stream.window > largestWindow) {
        this.onConnectionError(errorCode.flowControlError, 'a window over 2^31-1');
        return;
      }
    }
    this.opened = true;
  }

  onPing(payload: Buffer): void {
    if (!this.spend(frameCost.control)) return;
    this.writer.ping(payload, 'ack');
    this.acknowledged(frameHeaderSize + payload.length);
  }

  onSettingsAck(): void {
    this.spend(frameCost.control);
  }

  onPingAck(): void {
    this.spend(frameCost.control);
  }

  onWindowUpdate(id: number, increment: number): void {
    if (!this.spend(frameCost.control)) return;
    if (id === 0) {
      this.window += increment;
      if (this.window > largestWindow) {
        this.onConnectionError(errorCode.flowControlError, 'a window over 2^31-1');
        return;
      }
      this.opened = true;
      return;
    }
    if (this.isIdle(id)) {
      this.onConnectionError(errorCode.protocolError, 'WINDOW_UPDATE on a stream that was never opened');
      return;
    }
    const stream = this.openStreams.get(id);
    if (stream === undefined) return;
    stream.window += increment;
    if (stream.window > largestWindow) this.fail(stream, errorCode.flowControlError, 'a window over 2^31-1');
    else this.opened = true;
  }

  onIgnored(): void {
    this.spend(frameCost.control);
  }

  onStreamError(id: number, code: number, reason: string): void {
    const stream = this.openStreams.get(id);
    if (stream !== undefined) this.fail(stream, code, reason);
    else this.onErrorElsewhere(id, code, reason);
  }

  abstract onConnectionError(code: number, reason: string): void;

  // --- rules ---------------------------------------------------------------------------------------------------

  /** Called for a stream error on a stream that is not open. */
  protected abstract onErrorElsewhere(id: number, code: number, reason: string): void;

  /** Called when a stream was reset for what the peer did on it. */
  protected abstract onReset(stream: S, reason: string): void;

  /** Spends from the peer's budget. Ends the connection and returns false if that is exhausted. */
  protected spend(cost: number): boolean {
    if (this.budget.spend(cost, this.deadlines.now)) return true;
    this.onConnectionError(errorCode.enhanceYourCalm, 'too many frames that advance no request');
    return false;
  }

  /** Called after a reply to a control frame was written. Ends the connection if these pile up. */
  private acknowledged(bytes: number): void {
    this.countUnread(bytes);
    this.wake();
    if (this.isUnread) {
      this.onConnectionError(errorCode.enhanceYourCalm, 'too many unread acknowledgements');
    }
  }

  private countUnread(bytes: number): void {
    this.unread = this.blocked ? this.unread + bytes : 0;
  }

  protected isIdle(id: number): boolean {
    return (id > this.lastStream && id > this.lastIgnored) || id % 2 === 0;
  }

  /** Resets a stream for what the peer did on it. */
  fail(stream: S, code: number, reason: string): void {
    if (!this.spend(frameCost.reset)) return;
    this.reset(stream, code);
    this.onReset(stream, reason);
  }

  // --- sending what waited -------------------------------------------------------------------------------------

  private sendWaiting(): void {
    for (const stream of [...this.waiting]) {
      if (this.window <= 0 || this.blocked) return;
      this.send(stream);
    }
  }

  private send(stream: S): void {
    this.waiting.delete(stream);
    stream.sendPending();
    // Put after the others, so that each gets its turn.
    if (stream.waits) this.waiting.add(stream);
  }

  protected readonly onSocketDrain = (): void => {
    if (this.over) return;
    this.sendWaiting();
    for (const stream of [...this.openStreams.values()]) stream.onDrain();
  };

  abstract onDeadline(): void;
}
