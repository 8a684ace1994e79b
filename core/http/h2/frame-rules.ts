// The rules that a frame's header alone can break (RFC 9113 section 6): the streams that a type may be on, and its size.
import { errorCode, frameFlag, frameName, frameType } from './frames.ts';

/** What is wrong with a frame, and whether it ends its stream or the connection. */
export interface FrameError {
  readonly code: number;
  readonly reason: string;
  readonly ends: 'stream' | 'connection';
}

interface Rule {
  /** Even streams are pushed ones (section 5.1.1), which are not used. Only their priority is harmless. */
  readonly on: 'connection' | 'odd streams' | 'connection and odd streams' | 'streams';
  readonly least: number;
  readonly most: number;
}

const any = Number.POSITIVE_INFINITY;

const rules: Readonly<Record<number, Rule>> = {
  [frameType.data]: { on: 'odd streams', least: 0, most: any },
  [frameType.headers]: { on: 'odd streams', least: 0, most: any },
  [frameType.priority]: { on: 'streams', least: 5, most: 5 },
  [frameType.rstStream]: { on: 'odd streams', least: 4, most: 4 },
  [frameType.settings]: { on: 'connection', least: 0, most: any },
  [frameType.ping]: { on: 'connection', least: 8, most: 8 },
  [frameType.goAway]: { on: 'connection', least: 8, most: any },
  [frameType.windowUpdate]: { on: 'connection and odd streams', least: 4, most: 4 },
};

/** Returns what is wrong with a frame that has this header; undefined if nothing is, or its type is unknown. */
export function frameError(
  type: number,
  flags: number,
  streamId: number,
  length: number,
): FrameError | undefined {
  if (type === frameType.pushPromise) {
    return {
      code: errorCode.protocolError,
      reason: 'PUSH_PROMISE, which is not allowed',
      ends: 'connection',
    };
  }
  const rule = rules[type];
  if (rule === undefined) return undefined;
  if (!isOnRightStream(rule, streamId)) {
    const reason = `${frameName(type)} on stream ${streamId}`;
    return { code: errorCode.protocolError, reason, ends: 'connection' };
  }
  if (isOfRightSize(rule, type, flags, length)) return undefined;
  const reason = `a ${frameName(type)} frame of ${length} bytes`;
  const ends = type === frameType.priority ? 'stream' : 'connection';
  return { code: errorCode.frameSizeError, reason, ends };
}

function isOnRightStream(rule: Rule, streamId: number): boolean {
  switch (rule.on) {
    case 'odd streams':
      return (streamId & 1) === 1;
    case 'connection':
      return streamId === 0;
    case 'streams':
      return streamId !== 0;
    default:
      return streamId === 0 || (streamId & 1) === 1;
  }
}

function isOfRightSize(rule: Rule, type: number, flags: number, length: number): boolean {
  switch (type) {
    case frameType.settings:
      return (flags & frameFlag.ack) === 0 ? length % 6 === 0 : length === 0;
    case frameType.data:
    case frameType.headers:
      return length >= leastPayload(type, flags);
    default:
      return length >= rule.least && length <= rule.most;
  }
}

/** The least bytes that the flags of DATA and HEADERS require. */
function leastPayload(type: number, flags: number): number {
  const padLength = (flags & frameFlag.padded) === 0 ? 0 : 1;
  return type === frameType.headers && (flags & frameFlag.priority) !== 0 ? padLength + 5 : padLength;
}
