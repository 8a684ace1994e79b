// ChunkedReader: validates a chunked body (RFC 9112 section 7.1) as it passes, and keeps or strips its framing.

import type { HeaderList } from '../../request/headers.ts';
import { CR, hexValue, LF, tokenChar, valueChar } from '../exchange/grammar.ts';
import { comesTooLate } from '../exchange/trailers.ts';
import { worthReading } from './empty-line.ts';
import { FieldReader, incomplete } from './fields.ts';

/** Receives what a ChunkedReader hands on. Ranges are valid only during the call. */
export interface ChunkedSink {
  /** Bytes to pass on, with or without framing, as requested from the reader. */
  onChunkedBytes(buffer: Buffer, start: number, end: number): void;
  /** A size line to write instead of one that must not pass unchanged. */
  onChunkedLine(line: string): void;
  /**
   * The body is complete. If framing is kept and `trailers` is undefined, the last chunk has been passed on; otherwise the
   * sink must write it.
   */
  onChunkedEnd(trailers: HeaderList | undefined): void;
}

const atSize = 0;
const inPayload = 1;
const atPayloadCr = 2;
const atPayloadLf = 3;
const inTrailers = 4;
const done = 5;

const QUOTE = 0x22;
const SEMICOLON = 0x3b;
const EQUALS = 0x3d;
const BACKSLASH = 0x5c;

/** The most hex digits of a size: up to 2^48 bytes, which a number holds exactly and no body reaches. */
const maxSizeDigits = 12;
/** The most bytes of one size line, and of all extensions of a body, which are dropped and only cost time. */
const maxLine = 1024;
const maxExtensions = 16 * 1024;
const maxTrailers = 8 * 1024;
/** Fewer bytes than this are moved one by one, which is cheaper than a call. */
const shortMove = 48;

/** The form of an incomplete size line. */
const sizeLineStart = /^[0-9A-Fa-f]{1,12}(?:\r?$|;)/;

/** Reads one chunked body at a time. */
export class ChunkedReader {
  /** Why the body is malformed. */
  problem = '';
  /** Bytes of payload that the size lines have announced so far. */
  announced = 0;
  /** Whether a trailer tried to change the framing or end the connection. It is dropped in any case. */
  steered = false;
  private readonly sink: ChunkedSink;
  private framed = true;
  private state = atSize;
  private remaining = 0;
  /** An incomplete size line, or the trailers so far. */
  private held = '';
  /** How long `held` was when it was last read as trailers and found incomplete. */
  private seen = 0;
  /** The range of the buffer that this read has gathered to hand on. */
  private from = 0;
  private to = 0;
  private extensionBytes = 0;
  private hopNames: readonly string[] = [];
  private limit = Number.POSITIVE_INFINITY;

  constructor(sink: ChunkedSink) {
    this.sink = sink;
  }

  /**
   * Starts a body. `framing`: whether to hand on the chunks as received or only their payload. `hopNames`: the lower-case
   * names in Connection, which are dropped from the trailers too (RFC 9110 section 7.6.1). `limit`: how many bytes of payload
   * may be announced; more are refused before they arrive.
   */
  begin(
    framing: 'keep' | 'strip',
    hopNames: readonly string[],
    limit: number = Number.POSITIVE_INFINITY,
  ): void {
    this.limit = limit;
    this.hopNames = hopNames;
    this.framed = framing === 'keep';
    this.state = atSize;
    this.remaining = 0;
    this.held = '';
    this.seen = 0;
    this.extensionBytes = 0;
    this.announced = 0;
    this.steered = false;
    this.problem = '';
  }

  /** Lowers the limit that {@link begin} set. Must be called before the first byte is read. */
  allow(limit: number): void {
    this.limit = Math.min(this.limit, limit);
  }

  /** Hands on only the payload, whatever {@link begin} said. Must be called before the first byte is read. */
  strip(): void {
    this.framed = false;
  }

  get complete(): boolean {
    return this.state === done;
  }

  /**
   * Reads `buffer[start, end)`. Returns the index after the bytes of the body, or -1 if it is malformed (see
   * {@link problem}). Nothing malformed is handed on.
   */
  read(buffer: Buffer, start: number, end: number): number {
    let pos = start;
    this.from = start;
    this.to = start;
    while (pos < end) {
      switch (this.state) {
        case inPayload: {
          const take = Math.min(this.remaining, end - pos);
          this.gather(buffer, pos, pos + take);
          pos += take;
          this.remaining -= take;
          if (this.remaining === 0) this.state = atPayloadCr;
          break;
        }
        case atPayloadCr:
          if (buffer[pos] !== CR) return this.refuse(buffer, 'a chunk that does not end where it says');
          if (this.framed) this.gather(buffer, pos, pos + 1);
          pos++;
          this.state = atPayloadLf;
          break;
        case atPayloadLf:
          if (buffer[pos] !== LF) return this.refuse(buffer, 'a chunk that does not end where it says');
          if (this.framed) this.gather(buffer, pos, pos + 1);
          pos++;
          this.state = atSize;
          break;
        case atSize: {
          const next = this.held === '' ? this.readWholeChunks(buffer, pos, end) : pos;
          if (next > pos) {
            pos = next;
            break;
          }
          if (isLastChunk(buffer, pos, end) && this.held === '') {
            if (this.framed) this.gather(buffer, pos, pos + 5);
            pos += 5;
            this.state = done;
            this.handOn(buffer);
            this.sink.onChunkedEnd(undefined);
            return pos;
          }
          pos = this.readSizeLine(buffer, pos, end);
          if (pos < 0) return -1;
          break;
        }
        default:
          this.handOn(buffer);
          return this.readTrailers(buffer, pos, end);
      }
    }
    this.handOn(buffer);
    return pos;
  }

  /**
   * Adds `buffer[start, end)` to the one range that this read hands on. Gaps are closed within the buffer, so a read's cost
   * depends on its bytes, not on the number of its chunks.
   */
  private gather(buffer: Buffer, start: number, end: number): void {
    let { to } = this;
    if (to === start) {
      this.to = end;
    } else if (end - start < shortMove) {
      for (let pos = start; pos < end; pos++) buffer[to++] = buffer[pos] ?? 0;
      this.to = to;
    } else {
      buffer.copyWithin(to, start, end);
      this.to = to + end - start;
    }
  }

  private handOn(buffer: Buffer): void {
    const { from, to } = this;
    this.from = to;
    if (from < to) this.sink.onChunkedBytes(buffer, from, to);
  }

  /**
   * Reads chunks whose size lines have no extensions and a size above zero: all complete chunks, then the size line of one
   * more. Returns the index after them.
   */
  private readWholeChunks(buffer: Buffer, start: number, end: number): number {
    let pos = start;
    for (;;) {
      let at = pos;
      let size = 0;
      let digit = hexValue[buffer[at] ?? 0] ?? 255;
      while (digit !== 255 && at < end) {
        size = size * 16 + digit;
        digit = hexValue[buffer[++at] ?? 0] ?? 255;
      }
      if (size === 0 || at - pos > maxSizeDigits || at + 1 >= end || this.announced + size > this.limit)
        return pos;
      if (buffer[at] !== CR || buffer[at + 1] !== LF) return pos;
      at += 2;
      this.announced += size;
      const stop = at + size;
      if (stop + 2 > end || buffer[stop] !== CR || buffer[stop + 1] !== LF) {
        if (this.framed) this.gather(buffer, pos, at);
        this.remaining = size;
        this.state = inPayload;
        return at;
      }
      if (this.framed) this.gather(buffer, pos, stop + 2);
      else this.gather(buffer, at, stop);
      pos = stop + 2;
    }
  }

  /** Reads any size line, even in pieces: collects it up to its LF, checks it as a whole, and writes a new one. */
  private readSizeLine(buffer: Buffer, start: number, end: number): number {
    let pos = start;
    while (pos < end && buffer[pos] !== LF) pos++;
    const complete = pos < end;
    if (complete) pos++;
    const before = this.held.length;
    if (before + pos - start > maxLine) return this.refuse(buffer, 'a chunk size line over the limit');
    if (!complete) {
      this.held += buffer.toString('latin1', start, pos);
      return sizeLineStart.test(this.held) ? pos : this.refuse(buffer, 'a malformed chunk size line');
    }
    const line =
      before === 0 ? buffer : Buffer.from(this.held + buffer.toString('latin1', start, pos), 'latin1');
    const lineStart = before === 0 ? start : 0;
    const lineEnd = lineStart + before + pos - start;
    this.held = '';
    const digitsEnd = sizeEnd(line, lineStart);
    const extensionEnd = digitsEnd === lineStart ? -1 : extensionsEnd(line, digitsEnd);
    if (extensionEnd !== lineEnd - 2 || line[extensionEnd] !== CR) {
      return this.refuse(buffer, 'a malformed chunk size line');
    }
    this.extensionBytes += extensionEnd - digitsEnd;
    if (this.extensionBytes > maxExtensions) return this.refuse(buffer, 'chunk extensions over the limit');
    this.remaining = sizeOf(line, lineStart, digitsEnd);
    this.announced += this.remaining;
    if (this.announced > this.limit) return this.refuse(buffer, 'over the limit');
    this.state = this.remaining === 0 ? inTrailers : inPayload;
    if (!this.framed || this.remaining === 0) return pos;
    if (before === 0) {
      this.gather(buffer, start, digitsEnd);
      this.gather(buffer, extensionEnd, pos);
    } else {
      this.sink.onChunkedLine(`${this.remaining.toString(16)}\r\n`);
      this.from = pos;
      this.to = pos;
    }
    return pos;
  }

  private readTrailers(buffer: Buffer, start: number, end: number): number {
    const before = this.held.length;
    const take = Math.min(end - start, maxTrailers + 1 - before);
    this.held += buffer.toString('latin1', start, start + take);
    if (this.held.length <= maxTrailers && !worthReading(this.held, this.seen)) return start + take;
    this.seen = this.held.length;
    const reader = new FieldReader(64, 'trailers');
    const used = reader.read(this.held, 0);
    if (used === incomplete) {
      return this.held.length > maxTrailers ? this.refuse(buffer, 'trailers over the limit') : start + take;
    }
    if (used < 0) return this.refuse(buffer, `malformed trailers: ${reader.problem || 'too many'}`);
    this.state = done;
    this.held = '';
    const { contentLength, transferEncoding, connection } = reader;
    this.steered = contentLength !== undefined || transferEncoding !== undefined || connection !== '';
    this.sink.onChunkedEnd(passingTrailers(reader.headers, this.hopNames));
    return start + used - before;
  }

  /** Refuses the body. Hands on what came before: it is well-formed, and the other side may be waiting for it. */
  private refuse(buffer: Buffer, problem: string): -1 {
    this.handOn(buffer);
    this.problem = problem;
    return -1;
  }
}

/** Returns the index after the digits of a size at `start`; `start` itself if there are none or too many. */
function sizeEnd(line: Buffer, start: number): number {
  let pos = start;
  while (hexValue[line[pos] ?? 0] !== 255) pos++;
  return pos - start > maxSizeDigits ? start : pos;
}

function sizeOf(line: Buffer, start: number, end: number): number {
  let size = 0;
  for (let pos = start; pos < end; pos++) size = size * 16 + (hexValue[line[pos] ?? 0] ?? 0);
  return size;
}

/**
 * Returns the index after the extensions at `start` (RFC 9112 section 7.1.1); -1 if they are malformed. The white space that
 * RFC 9110 section 5.6.3 calls bad counts as malformed, because parsers disagree on where a line with it ends.
 */
function extensionsEnd(line: Buffer, start: number): number {
  let pos = start;
  while (line[pos] === SEMICOLON) {
    const name = pos + 1;
    pos = tokenEnd(line, name);
    if (pos === name) return -1;
    if (line[pos] !== EQUALS) continue;
    const value = pos + 1;
    pos = line[value] === QUOTE ? quotedEnd(line, value + 1) : tokenEnd(line, value);
    if (pos === value || pos < 0) return -1;
  }
  return pos;
}

function tokenEnd(line: Buffer, start: number): number {
  let pos = start;
  while (tokenChar[line[pos] ?? 0] === 1) pos++;
  return pos;
}

/** Returns the index after the closing quote of the string at `start`; -1 if there is none. */
function quotedEnd(line: Buffer, start: number): number {
  let pos = start;
  for (let c = line[pos] ?? 0; valueChar[c] === 1; c = line[++pos] ?? 0) {
    if (c === QUOTE) return pos + 1;
    if (c === BACKSLASH && valueChar[line[++pos] ?? 0] !== 1) return -1;
  }
  return -1;
}

/** Returns whether this is `0 CRLF CRLF`, the end of nearly every chunked body. */
function isLastChunk(buffer: Buffer, pos: number, end: number): boolean {
  return (
    end - pos >= 5 &&
    buffer[pos] === 0x30 &&
    buffer[pos + 1] === CR &&
    buffer[pos + 2] === LF &&
    buffer[pos + 3] === CR &&
    buffer[pos + 4] === LF
  );
}

function passingTrailers(trailers: HeaderList, hopNames: readonly string[]): HeaderList {
  for (const key of [...trailers.keys]) {
    if (comesTooLate(key) || hopNames.includes(key)) trailers.delete(key);
  }
  return trailers;
}
