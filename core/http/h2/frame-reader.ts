// FrameReader: turns a connection's bytes into frames (RFC 9113 sections 3.4, 4 and 6), however reads split them.
import { BlockCollector } from './block-collector.ts';
import { ControlFrames } from './control-frames.ts';
import type { FrameReceiver } from './frame-receiver.ts';
import { frameError } from './frame-rules.ts';
import {
  clientPreface,
  defaultMaxFrameSize,
  errorCode,
  frameFlag,
  frameHeaderSize,
  frameName,
  frameType,
} from './frames.ts';
import { streamNumber, wholeNumber } from './wire-numbers.ts';

export type { FrameReceiver } from './frame-receiver.ts';

// What is read next.
const atPreface = 0;
const atHeader = 1;
const atPadLength = 2;
const atPriorityFields = 3;
/** The fixed part of a frame without a field block or data, or one setting. */
const atFixedPart = 4;
const inData = 5;
const inBlock = 6;
const inDebugData = 7;
/** Padding, or the payload of a frame that is ignored. */
const inSkipped = 8;

const priorityBytes = 5;
const settingBytes = 6;
const goAwayBytes = 8;
/** How many bytes of GOAWAY's debug data are kept. */
const maxDebugBytes = 256;

/** Reads the frames of one connection. */
export class FrameReader {
  private readonly receiver: FrameReceiver;
  private readonly control: ControlFrames;
  private readonly maxFrameSize: number;
  private readonly block: BlockCollector;
  private hasStopped = false;
  private state = atPreface;
  /** Whether a frame has arrived. The first must be SETTINGS. */
  private begun = false;
  private type = 0;
  private flags = 0;
  private streamId = 0;
  /** Bytes of the payload that are still to come, not counting padding once its length is known. */
  private remaining = 0;
  private padding = 0;
  /** How many bytes are needed in one piece, and how many of them are held because a read ended within them. */
  private needed = frameHeaderSize;
  private heldBytes = 0;
  private readonly held = Buffer.alloc(frameHeaderSize);
  private lastStreamId = 0;
  private goAwayCode = 0;
  private debugData = '';
  private prefaceBytes = 0;

  /**
   * `role`: which side this is. A server reads the client's preface first. `maxFrameSize`: the announced
   * SETTINGS_MAX_FRAME_SIZE. `maxBlock`: the most bytes of an encoded field block. A larger one ends the connection.
   */
  constructor(
    receiver: FrameReceiver,
    role: 'server' | 'client',
    maxFrameSize: number = defaultMaxFrameSize,
    maxBlock: number = 64 * 1024,
  ) {
    this.receiver = receiver;
    this.control = new ControlFrames(receiver, role === 'server' ? 'client' : 'server');
    this.maxFrameSize = maxFrameSize;
    this.block = new BlockCollector(maxBlock);
    if (role === 'client') this.state = atHeader;
  }

  /** Whether a connection error or {@link stop} has ended reading. */
  get stopped(): boolean {
    return this.hasStopped;
  }

  /** Ends reading. May be called from within an event. */
  stop(): void {
    this.hasStopped = true;
    this.block.end();
  }

  /** Reads all of `buffer[start, end)` unless it is stopped. Does not keep the buffer. */
  read(buffer: Buffer, start: number, end: number): void {
    let pos = start;
    while (pos < end && !this.hasStopped) {
      switch (this.state) {
        case atPreface:
          pos = this.readPreface(buffer, pos, end);
          break;
        case inData:
          pos = this.readData(buffer, pos, end);
          break;
        case inBlock:
          pos = this.readBlock(buffer, pos, end);
          break;
        case inDebugData:
          pos = this.readDebugData(buffer, pos, end);
          break;
        case inSkipped:
          pos = this.skip(pos, end);
          break;
        default:
          pos = this.gather(buffer, pos, end);
      }
    }
  }

  private fail(code: number, reason: string): false {
    this.stop();
    this.receiver.onConnectionError(code, reason);
    return false;
  }

  /** Takes the bytes that are needed in one piece, in place if they have all arrived. */
  private gather(buffer: Buffer, start: number, end: number): number {
    const { needed, heldBytes } = this;
    if (heldBytes === 0 && end - start >= needed) {
      this.takePart(buffer, start);
      return start + needed;
    }
    const stop = Math.min(end, start + needed - heldBytes);
    for (let pos = start; pos < stop; pos++) this.held[this.heldBytes++] = buffer[pos] ?? 0;
    if (this.heldBytes === needed) {
      this.heldBytes = 0;
      this.takePart(this.held, 0);
    }
    return stop;
  }

  private takePart(buffer: Buffer, at: number): void {
    switch (this.state) {
      case atHeader:
        this.takeHeader(buffer, at);
        break;
      case atPadLength:
        this.takePadLength(buffer[at] ?? 0);
        break;
      case atPriorityFields:
        this.takePriorityFields(streamNumber(buffer, at));
        break;
      default:
        this.remaining -= this.needed;
        this.takeFixedPart(buffer, at);
    }
  }

  private readPreface(buffer: Buffer, start: number, end: number): number {
    let pos = start;
    while (pos < end && this.prefaceBytes < clientPreface.length) {
      if (buffer[pos++] !== clientPreface[this.prefaceBytes++]) {
        this.fail(errorCode.protocolError, 'a client that does not begin with the HTTP/2 preface');
        return pos;
      }
    }
    if (this.prefaceBytes === clientPreface.length) {
      this.state = atHeader;
      this.receiver.onPreface();
    }
    return pos;
  }

  private takeHeader(buffer: Buffer, at: number): void {
    this.remaining = ((buffer[at] ?? 0) << 16) | ((buffer[at + 1] ?? 0) << 8) | (buffer[at + 2] ?? 0);
    this.type = buffer[at + 3] ?? 0;
    this.flags = buffer[at + 4] ?? 0;
    this.streamId = streamNumber(buffer, at + 5);
    this.padding = 0;
    if (!this.isExpected()) return;
    const error = frameError(this.type, this.flags, this.streamId, this.remaining);
    if (error === undefined) this.beginFrame();
    else if (error.ends === 'connection') this.fail(error.code, error.reason);
    else {
      this.receiver.onStreamError(this.streamId, error.code, error.reason);
      this.skipPayload();
    }
  }

  /** Returns whether this frame may follow those before it. If not, ends the connection. */
  private isExpected(): boolean {
    const { remaining, type } = this;
    if (!this.begun && (type !== frameType.settings || this.has(frameFlag.ack))) {
      return this.fail(errorCode.protocolError, `${frameName(type)} before the first SETTINGS`);
    }
    this.begun = true;
    if (remaining > this.maxFrameSize) {
      return this.fail(errorCode.frameSizeError, `a ${frameName(type)} frame of ${remaining} bytes`);
    }
    const open = this.block.streamId;
    if (open !== 0 && (type !== frameType.continuation || this.streamId !== open)) {
      return this.fail(errorCode.protocolError, `${frameName(type)} within a field block`);
    }
    if (open === 0 && type === frameType.continuation) {
      return this.fail(errorCode.protocolError, 'CONTINUATION without HEADERS before it');
    }
    return true;
  }

  private beginFrame(): void {
    switch (this.type) {
      case frameType.data:
        this.receiver.onDataStart(this.streamId, this.remaining, this.has(frameFlag.endStream));
        if (this.has(frameFlag.padded)) this.need(atPadLength, 1);
        else this.enterData();
        break;
      case frameType.headers:
        this.block.begin(this.streamId, this.has(frameFlag.endStream));
        if (this.has(frameFlag.padded)) this.need(atPadLength, 1);
        else this.enterPriorityFields();
        break;
      case frameType.continuation:
        this.beginContinuation();
        break;
      case frameType.settings:
        if (this.remaining > 0) this.need(atFixedPart, settingBytes);
        else this.endSettings();
        break;
      case frameType.goAway:
        this.need(atFixedPart, goAwayBytes);
        break;
      case frameType.priority:
      case frameType.rstStream:
      case frameType.ping:
      case frameType.windowUpdate:
        this.need(atFixedPart, this.remaining);
        break;
      default:
        this.receiver.onIgnored(this.type);
        this.skipPayload();
    }
  }

  private has(flag: number): boolean {
    return (this.flags & flag) !== 0;
  }

  /** Waits for a part of the payload that is needed in one piece. */
  private need(state: number, bytes: number): void {
    this.state = state;
    this.needed = bytes;
  }

  private beginContinuation(): void {
    const excess = this.block.countContinuation(this.remaining);
    if (excess === '') this.enterBlock();
    else this.fail(errorCode.enhanceYourCalm, `a field block of ${excess}`);
  }

  private takePadLength(padding: number): void {
    this.remaining--;
    this.padding = padding;
    this.remaining -= padding;
    const least = this.type === frameType.headers && this.has(frameFlag.priority) ? priorityBytes : 0;
    if (this.remaining < least) {
      this.fail(errorCode.protocolError, `more padding than a ${frameName(this.type)} frame can hold`);
    } else if (this.type === frameType.data) this.enterData();
    else this.enterPriorityFields();
  }

  private takePriorityFields(dependency: number): void {
    this.remaining -= priorityBytes;
    this.block.selfDependent = dependency === this.streamId;
    this.enterBlock();
  }

  private enterPriorityFields(): void {
    if (this.has(frameFlag.priority)) this.need(atPriorityFields, priorityBytes);
    else this.enterBlock();
  }

  private enterData(): void {
    this.state = inData;
    if (this.remaining === 0) this.endPayload();
  }

  private enterBlock(): void {
    const { block, remaining } = this;
    this.state = inBlock;
    if (!block.hasRoomFor(remaining)) this.fail(errorCode.enhanceYourCalm, 'a field block over the limit');
    else if (remaining === 0) this.endFragment(block.bytes, 0, block.length);
  }

  private readData(buffer: Buffer, start: number, end: number): number {
    const stop = Math.min(end, start + this.remaining);
    this.remaining -= stop - start;
    this.receiver.onData(buffer, start, stop);
    if (this.remaining === 0) this.endPayload();
    return stop;
  }

  private readBlock(buffer: Buffer, start: number, end: number): number {
    const { block } = this;
    const stop = Math.min(end, start + this.remaining);
    this.remaining -= stop - start;
    if (this.remaining === 0 && block.length === 0 && this.has(frameFlag.endHeaders)) {
      this.endFragment(buffer, start, stop);
    } else {
      block.add(buffer, start, stop);
      if (this.remaining === 0) this.endFragment(block.bytes, 0, block.length);
    }
    return stop;
  }

  /** Ends a fragment, and with END_HEADERS the block, which is `bytes[start, end)`. */
  private endFragment(bytes: Buffer, start: number, end: number): void {
    if (this.has(frameFlag.endHeaders)) {
      const { block, receiver } = this;
      const { streamId, endStream, selfDependent } = block;
      block.end();
      receiver.onHeaders(streamId, bytes, start, end, endStream);
      if (selfDependent && !this.hasStopped) this.control.refuseDependency(streamId);
    }
    this.endPayload();
  }

  private endPayload(): void {
    if (this.padding > 0) {
      this.state = inSkipped;
      this.remaining = this.padding;
      this.padding = 0;
    } else this.endFrame();
  }

  private endFrame(): void {
    this.state = atHeader;
    this.needed = frameHeaderSize;
    if (this.type === frameType.data && !this.hasStopped) this.receiver.onDataEnd();
  }

  private skip(start: number, end: number): number {
    const stop = Math.min(end, start + this.remaining);
    this.remaining -= stop - start;
    if (this.remaining === 0) this.endFrame();
    return stop;
  }

  private skipPayload(): void {
    this.state = inSkipped;
    if (this.remaining === 0) this.endFrame();
  }

  private takeFixedPart(buffer: Buffer, at: number): void {
    if (this.type === frameType.goAway) {
      this.takeGoAway(buffer, at);
      return;
    }
    const isSetting = this.type === frameType.settings;
    const error = isSetting
      ? this.control.takeSetting(buffer, at)
      : this.control.take(this.type, this.flags, this.streamId, buffer, at);
    if (error !== undefined) this.fail(error.code, error.reason);
    else if (!isSetting) this.endFrame();
    else if (this.remaining === 0) this.endSettings();
  }

  private endSettings(): void {
    if (!this.hasStopped) {
      if (this.has(frameFlag.ack)) this.receiver.onSettingsAck();
      else this.receiver.onSettingsEnd();
    }
    this.endFrame();
  }

  private takeGoAway(buffer: Buffer, at: number): void {
    this.lastStreamId = streamNumber(buffer, at);
    this.goAwayCode = wholeNumber(buffer, at + 4);
    this.debugData = '';
    if (this.remaining === 0) this.endGoAway();
    else this.state = inDebugData;
  }

  private readDebugData(buffer: Buffer, start: number, end: number): number {
    const stop = Math.min(end, start + this.remaining);
    const kept = Math.min(stop, start + maxDebugBytes - this.debugData.length);
    this.debugData += buffer.toString('latin1', start, kept);
    this.remaining -= stop - start;
    if (this.remaining === 0) this.endGoAway();
    return stop;
  }

  private endGoAway(): void {
    this.receiver.onGoAway(this.lastStreamId, this.goAwayCode, this.debugData);
    this.debugData = '';
    this.endFrame();
  }
}
