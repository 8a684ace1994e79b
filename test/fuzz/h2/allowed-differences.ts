// Where other HTTP/2 servers may differ from Weldr, and why: RFC 9113 leaves a choice, or one of the two is stricter.
import { frameFlag, frameType } from '../../../core/http/h2/frames.ts';
import { HpackDecoder } from '../../../core/http/h2/hpack-decoder.ts';
import type { ConnectionOutcome } from './connection-outcome.ts';
import type { ListedFrame } from './frame-list.ts';

/** Where two servers part: both connections were open before `frame`, and only one of them afterwards. */
export interface Parting {
  readonly frame: ListedFrame;
  /** All frames before it. */
  readonly before: readonly ListedFrame[];
  readonly who: 'weldr' | 'other';
  readonly ours: ConnectionOutcome;
  readonly theirs: ConnectionOutcome;
}

/** A stream that only one server has reset; both connections are open. */
export interface ResetAlone {
  readonly who: 'weldr' | 'other';
  readonly stream: number;
  /** All frames of the connection. */
  readonly frames: readonly ListedFrame[];
}

/** A rule that explains some differences. */
export interface Rule<Difference> {
  readonly why: string;
  readonly holds: (difference: Difference) => boolean;
}

const blockTypes: ReadonlySet<number> = new Set([frameType.headers, frameType.continuation]);
const has = ({ flags }: ListedFrame, flag: number): boolean => (flags & flag) !== 0;

/** Whether the client has ended or reset the stream. */
function isOver({ frame, before }: Parting): boolean {
  return before.some(
    other =>
      other.stream === frame.stream &&
      (other.type === frameType.rstStream ||
        ((other.type === frameType.data || other.type === frameType.headers) &&
          has(other, frameFlag.endStream))),
  );
}

const isZero = (payload: Buffer): boolean =>
  payload.length === 4 && (payload.readUInt32BE() & 0x7fffffff) === 0;

const largestStream = (frames: readonly ListedFrame[]): number =>
  Math.max(0, ...frames.filter(({ type }) => type === frameType.headers).map(({ stream }) => stream));

/** Whether a stream of a higher number was opened before it. */
function isLower(id: number, frames: readonly ListedFrame[]): boolean {
  const first = frames.findIndex(({ type, stream }) => type === frameType.headers && stream === id);
  return id < largestStream(first < 0 ? frames : frames.slice(0, first));
}

const isOpenBlock = (frame: ListedFrame | undefined): boolean =>
  frame !== undefined && blockTypes.has(frame.type) && !has(frame, frameFlag.endHeaders);

/** A frame type outside RFC 9113. */
const altSvc = 0xa;

const isCut = ({ payload, length }: ListedFrame): boolean => payload.length < length;

const dependsOnItself = (frame: ListedFrame): boolean => {
  const at = has(frame, frameFlag.padded) && frame.type === frameType.headers ? 1 : 0;
  const says =
    frame.type === frameType.priority || (frame.type === frameType.headers && has(frame, frameFlag.priority));
  return (
    says && frame.payload.length >= at + 4 && (frame.payload.readUInt32BE(at) & 0x7fffffff) === frame.stream
  );
};

const replacedSetting: Rule<Parting> = {
  why: 'a setting out of range, followed by another value for it: section 6.5.3 has settings processed in order',
  holds: ({ who, frame }) => who === 'weldr' && frame.type === frameType.settings && frame.length > 6,
};

const goodbye: Rule<Parting> = {
  why: 'a client that has sent GOAWAY: Weldr ends its connection when no stream is left, others read on or end it at once',
  holds: ({ frame, before }) => [frame, ...before].some(({ type }) => type === frameType.goAway),
};

/** Where only one of Weldr and nghttp2, as Node uses it, may end a connection. */
export const nodePartings: readonly Rule<Parting>[] = [
  {
    why: 'frames after the end of a stream: section 5.1 requires a stream error, nghttp2 ends the connection',
    holds: parting => parting.who === 'other' && parting.theirs.died === 'STREAM_CLOSED' && isOver(parting),
  },
  {
    why: 'frames on a stream that its client has reset: section 5.1 allows a connection error',
    holds: parting => parting.who === 'weldr' && parting.ours.died === 'STREAM_CLOSED' && isOver(parting),
  },
  {
    why: 'a stream that is closed because one of a higher number was opened: section 5.1.1 requires a connection error',
    holds: ({ who, frame, before }) => who === 'weldr' && isLower(frame.stream, [...before, frame]),
  },
  {
    why: 'an acknowledgement of a PING that was never sent: Node ends the connection, section 6.7 says nothing',
    holds: ({ who, frame, before }) =>
      who === 'other' &&
      [frame, ...before].some(other => other.type === frameType.ping && has(other, frameFlag.ack)),
  },
  {
    why: 'nghttp2 ends the connection for what sections 6.9, 6.9.1 and 8.1.1 call a stream error (an increment of 0, a window over 2^31-1, a body of another length)',
    holds: ({ who, frame, ours }) => who === 'other' && ours.resets.has(frame.stream),
  },
  {
    why: 'many CONTINUATION frames, or empty ones: Weldr ends such a connection',
    holds: ({ who, ours, frame }) =>
      who === 'weldr' && ours.died === 'ENHANCE_YOUR_CALM' && frame.type === frameType.continuation,
  },
  {
    why: 'PRIORITY on stream 0: section 6.3 requires a connection error',
    holds: ({ who, frame }) => who === 'weldr' && frame.type === frameType.priority && frame.stream === 0,
  },
  {
    why: 'PRIORITY that makes a stream depend on itself: an error in RFC 7540, no longer in RFC 9113',
    holds: ({ frame }) => dependsOnItself(frame),
  },
  {
    why: 'a damaged field block: nghttp2 reads it as it arrives, Weldr once it is complete',
    holds: ({ who, theirs, frame }) =>
      who === 'other' &&
      theirs.died === 'COMPRESSION_ERROR' &&
      blockTypes.has(frame.type) &&
      (!has(frame, frameFlag.endHeaders) || isCut(frame)),
  },
  {
    why: 'over two size updates in a row, or an integer of over six bytes: RFC 7541 leaves the limit to each side',
    holds: ({ who, ours, frame }) =>
      who === 'weldr' && ours.died === 'COMPRESSION_ERROR' && blockTypes.has(frame.type),
  },
  {
    why: 'a cut frame: Weldr checks its header, nghttp2 its fixed part once that is complete, except for DATA',
    holds: ({ who, frame }) => who === 'weldr' && frame.type !== frameType.data && isCut(frame),
  },
  {
    why: 'Weldr checks frames even on a stream that was reset: sections 6.1 and 6.2',
    holds: parting =>
      parting.who === 'weldr' && (parting.theirs.resets.has(parting.frame.stream) || isOver(parting)),
  },
  {
    why: 'more acknowledgements of SETTINGS than there were SETTINGS: nghttp2 ends the connection, section 6.5 says nothing',
    holds: ({ who, frame }) =>
      who === 'other' && frame.type === frameType.settings && has(frame, frameFlag.ack),
  },
  {
    why: 'over 32 settings in one frame: nghttp2 ends the connection, Weldr counts them',
    holds: ({ who, frame }) => who === 'other' && frame.type === frameType.settings && frame.length > 32 * 6,
  },
  replacedSetting,
  goodbye,
  {
    why: 'a CONTINUATION frame over the limit: section 4.2 requires a connection error',
    holds: ({ who, frame }) =>
      who === 'weldr' && frame.type === frameType.continuation && frame.length > 16_384,
  },
];

type Fields = readonly (readonly [name: string, value: string])[];

/** The field sections of a stream. Those of other streams are decoded too, because all share a table. */
function sectionsOf(stream: number, frames: readonly ListedFrame[]): Fields[] {
  const blocks: { readonly stream: number; bytes: Buffer }[] = [];
  for (const frame of frames) {
    const last = blocks.at(-1);
    if (frame.type === frameType.headers) blocks.push({ stream: frame.stream, bytes: fragmentOf(frame) });
    else if (frame.type === frameType.continuation && last !== undefined)
      last.bytes = Buffer.concat([last.bytes, fragmentOf(frame)]);
  }
  const decoder = new HpackDecoder();
  return blocks.flatMap(block => {
    const fields: [string, string][] = [];
    decoder.decode(block.bytes, 0, block.bytes.length, { onField: (...field) => void fields.push(field) });
    return block.stream === stream ? [fields] : [];
  });
}

function fragmentOf(frame: ListedFrame): Buffer {
  if (frame.type === frameType.continuation) return frame.payload;
  const padding = has(frame, frameFlag.padded) ? 1 : 0;
  const start = padding + (has(frame, frameFlag.priority) ? 5 : 0);
  return frame.payload.subarray(start, frame.length - (padding === 0 ? 0 : (frame.payload[0] ?? 0)));
}

const fieldName = /^:?[!#$%&'*+.^_`|~\da-z-]+$/;
const fieldValue = /^(?:[!-~\x80-\xff](?:[ -~\t\x80-\xff]*[!-~\x80-\xff])?)?$/;

/** Whether a field section contains what Weldr's grammar excludes and other servers accept. */
function isOutsideGrammar(stream: number, frames: readonly ListedFrame[]): boolean {
  const [head = [], ...trailers] = sectionsOf(stream, frames);
  const said = (name: string): string | undefined => head.find(([known]) => known === name)?.[1];
  const [authority, host, path = ''] = [said(':authority'), said('host'), said(':path')];
  return (
    said(':method') === 'CONNECT' ||
    !/^[!#$%&'*+.^_`|~\w-]+$/.test(said(':method') ?? '') ||
    !/^\w(?:[\w.~-]*[\w.])?(?::\d*)?$/.test(authority ?? host ?? '') ||
    (host !== undefined && host !== authority) ||
    (!/^\/[!$-;=@-[\]-~]*(?:\?[!$-;=?-~]*)?$/.test(path) &&
      !(path === '*' && said(':method') === 'OPTIONS')) ||
    !/^https?$/.test(said(':scheme') ?? '') ||
    [...head, ...trailers.flat()].some(([name, value]) => !fieldName.test(name) || !fieldValue.test(value))
  );
}

/** Where only one of Weldr and nghttp2 may reset a stream. */
export const nodeResets: readonly Rule<ResetAlone>[] = [
  {
    why: 'Weldr refuses a request that HTTP/1.1 cannot express, that names two hosts or requests a tunnel',
    holds: ({ who, stream, frames }) => who === 'weldr' && isOutsideGrammar(stream, frames),
  },
  {
    why: 'PRIORITY that makes a stream depend on itself: an error in RFC 7540, no longer in RFC 9113',
    holds: ({ who, stream, frames }) =>
      who === 'weldr' && frames.some(frame => frame.stream === stream && dependsOnItself(frame)),
  },
  {
    why: 'nghttp2 checks fields before their section is complete',
    holds: ({ who, stream, frames }) => {
      const last = frames.filter(frame => blockTypes.has(frame.type)).at(-1);
      if (who === 'weldr' || last === undefined || last.stream !== stream) return false;
      return !has(last, frameFlag.endHeaders) || isCut(last);
    },
  },
  {
    why: 'WINDOW_UPDATE of 0 on a stream that is over: section 6.9 requires a stream error',
    holds: ({ who, stream, frames }) =>
      who === 'weldr' &&
      frames.some(
        frame => frame.stream === stream && frame.type === frameType.windowUpdate && isZero(frame.payload),
      ),
  },
];

const isSettings = (frame: ListedFrame): boolean =>
  frame.type === frameType.settings && !has(frame, frameFlag.ack);

/** Whether a HEADERS frame holds only padding. */
function isAllPadding(frame: ListedFrame): boolean {
  return frame.type === frameType.headers && has(frame, frameFlag.padded) && fragmentOf(frame).length === 0;
}

/** Whether a field block begins with three updates of the table's size, each of one byte. */
const hasManyUpdates = (frame: ListedFrame): boolean => {
  const block = fragmentOf(frame).subarray(0, 3);
  return block.length === 3 && block.every(byte => byte >= 0x20 && byte < 0x3f);
};

/** Where only one of Weldr and python3-h2 may end a connection. */
export const pythonPartings: readonly Rule<Parting>[] = [
  {
    why: 'Weldr ignores the window of a stream that it has reset; in python3-h2 it overflows and ends the connection',
    holds: ({ who, frame, ours, theirs }) =>
      who === 'other' &&
      theirs.died === 'FLOW_CONTROL_ERROR' &&
      (frame.type === frameType.settings || frame.type === frameType.windowUpdate) &&
      ours.resets.size > 0,
  },
  {
    why: 'python3-h2 ends the connection for what RFC 9113 calls a stream error',
    holds: ({ who, frame, ours }) => who === 'other' && ours.resets.has(frame.stream),
  },
  {
    why: 'frames on a stream that is over: section 5.1 allows a connection error',
    holds: parting => parting.who === 'weldr' && parting.ours.died === 'STREAM_CLOSED' && isOver(parting),
  },
  {
    why: 'a first frame that is not SETTINGS: section 3.4 requires a connection error',
    holds: ({ who, frame, before }) => who === 'weldr' && !isSettings(before[0] ?? frame),
  },
  {
    why: 'WINDOW_UPDATE of 0 on a stream that is over: section 5.1 requires ignoring it for a while',
    holds: parting =>
      parting.who === 'other' &&
      parting.frame.type === frameType.windowUpdate &&
      isZero(parting.frame.payload) &&
      isOver(parting),
  },
  {
    why: 'PRIORITY that makes a stream depend on itself: an error in RFC 7540, no longer in RFC 9113',
    holds: ({ frame }) => dependsOnItself(frame),
  },
  {
    why: 'the reserved bit of an increment: section 6.9 requires ignoring it',
    holds: ({ who, frame }) =>
      who === 'other' && frame.type === frameType.windowUpdate && (frame.payload[0] ?? 0) >= 0x80,
  },
  {
    why: 'padding that fills a HEADERS frame: section 6.2 allows it',
    holds: ({ who, frame }) => who === 'other' && isAllPadding(frame),
  },
  {
    why: 'python3-h2 checks a frame when it is complete',
    holds: ({ who, frame }) => who === 'weldr' && isCut(frame),
  },
  {
    why: 'python3-h2 checks a field section when it is complete',
    holds: ({ who, frame }) =>
      who === 'weldr' &&
      (blockTypes.has(frame.type) || frame.type === frameType.pushPromise) &&
      !has(frame, frameFlag.endHeaders),
  },
  replacedSetting,
  goodbye,
  {
    why: 'an ALTSVC frame (RFC 7838), whose length python3-h2 checks and Weldr ignores',
    holds: ({ who, frame }) => who === 'other' && frame.type === altSvc,
  },
  {
    why: 'CONTINUATION without HEADERS before it, on a stream that is over: section 6.10 requires a connection error',
    holds: ({ who, frame, before }) =>
      who === 'weldr' && frame.type === frameType.continuation && !isOpenBlock(before.at(-1)),
  },
  {
    why: 'RST_STREAM or DATA on a stream that was never opened: section 5.1 requires a connection error',
    holds: ({ who, frame, before }) =>
      who === 'weldr' &&
      (frame.type === frameType.rstStream || frame.type === frameType.data) &&
      !before.some(({ type, stream }) => type === frameType.headers && stream === frame.stream),
  },
  {
    why: 'many CONTINUATION frames, or empty ones: Weldr ends such a connection',
    holds: ({ who, ours, frame }) =>
      who === 'weldr' && ours.died === 'ENHANCE_YOUR_CALM' && frame.type === frameType.continuation,
  },
  {
    why: 'over two size updates in a row: RFC 7541 section 4.2 needs no third; python3-h2 accepts it on a stream that is over',
    holds: ({ who, ours, frame }) =>
      who === 'weldr' &&
      ours.died === 'COMPRESSION_ERROR' &&
      blockTypes.has(frame.type) &&
      hasManyUpdates(frame),
  },
];

function hasWrongLength(stream: number, frames: readonly ListedFrame[]): boolean {
  const [head = []] = sectionsOf(stream, frames);
  const lengths = head.filter(([name]) => name === 'content-length').map(([, value]) => value);
  const endsWithFields = frames.some(
    frame => frame.stream === stream && frame.type === frameType.headers && has(frame, frameFlag.endStream),
  );
  return (
    lengths.length > 1 || lengths.some(length => !/^\d+$/.test(length) || (length !== '0' && endsWithFields))
  );
}

/** Where only one of Weldr and python3-h2 may reset a stream. */
export const pythonResets: readonly Rule<ResetAlone>[] = [
  {
    why: 'a content-length that no body can have: section 8.1.1; python3-h2 compares it only at the end of DATA',
    holds: ({ who, stream, frames }) => who === 'weldr' && hasWrongLength(stream, frames),
  },
  {
    why: 'Weldr refuses a request that HTTP/1.1 cannot express, that names two hosts or requests a tunnel',
    holds: ({ who, stream, frames }) => who === 'weldr' && isOutsideGrammar(stream, frames),
  },
  {
    why: 'python3-h2 checks a frame when it is complete',
    holds: ({ who, stream, frames }) =>
      who === 'weldr' && frames.at(-1)?.stream === stream && frames.some(isCut),
  },
];
