// ControlFrames: interprets frames that consist of a few numbers (RFC 9113 sections 6.3 to 6.5, 6.7 and 6.9).
import type { FrameReceiver } from './frame-receiver.ts';
import type { FrameError } from './frame-rules.ts';
import { errorCode, frameFlag, frameType, settingName } from './frames.ts';
import { isKnownSetting, settingError } from './setting-ranges.ts';
import { streamNumber, wholeNumber } from './wire-numbers.ts';

const pingBytes = 8;
/** Holds the payload of a PING while it is handed on. */
const opaque = Buffer.alloc(pingBytes);

/** Hands on one connection's control frames. Its methods return an error that ends the connection, or undefined. */
export class ControlFrames {
  private readonly receiver: FrameReceiver;
  private readonly sender: 'client' | 'server';

  constructor(receiver: FrameReceiver, sender: 'client' | 'server') {
    this.receiver = receiver;
    this.sender = sender;
  }

  /** Takes a PING, RST_STREAM, WINDOW_UPDATE or PRIORITY frame with its payload at `buffer[at]`. */
  take(type: number, flags: number, streamId: number, buffer: Buffer, at: number): FrameError | undefined {
    const { receiver } = this;
    switch (type) {
      case frameType.ping:
        buffer.copy(opaque, 0, at, at + pingBytes);
        if ((flags & frameFlag.ack) === 0) receiver.onPing(opaque);
        else receiver.onPingAck(opaque);
        return undefined;
      case frameType.rstStream:
        receiver.onRstStream(streamId, wholeNumber(buffer, at));
        return undefined;
      case frameType.windowUpdate:
        return this.takeIncrement(streamId, streamNumber(buffer, at));
      default:
        if (streamNumber(buffer, at) === streamId) this.refuseDependency(streamId);
        else receiver.onIgnored(type);
        return undefined;
    }
  }

  /** Takes one setting. */
  takeSetting(buffer: Buffer, at: number): FrameError | undefined {
    const id = ((buffer[at] ?? 0) << 8) | (buffer[at + 1] ?? 0);
    const value = wholeNumber(buffer, at + 2);
    const code = settingError(id, value, this.sender);
    if (code !== errorCode.noError)
      return { code, reason: `${settingName(id)} of ${value}`, ends: 'connection' };
    if (isKnownSetting(id)) this.receiver.onSetting(id, value);
    return undefined;
  }

  /** Resets a stream that depends on itself (RFC 7540 section 5.3.1; RFC 9113 only deprecates priorities). */
  refuseDependency(streamId: number): void {
    this.receiver.onStreamError(streamId, errorCode.protocolError, 'a stream that depends on itself');
  }

  private takeIncrement(streamId: number, increment: number): FrameError | undefined {
    const reason = 'WINDOW_UPDATE of 0';
    if (increment > 0) this.receiver.onWindowUpdate(streamId, increment);
    else if (streamId === 0) return { code: errorCode.protocolError, reason, ends: 'connection' };
    else this.receiver.onStreamError(streamId, errorCode.protocolError, reason);
    return undefined;
  }
}
