// ChunkedReader: validates a chunked body (RFC 9112 section 7.1) while it passes, in its own framing or without it.

import type { HeaderList } from '../../request/headers.ts';
import { CR, forwardingAlias, hexValue, LF } from '../exchange/grammar.ts';
import { FieldReader, incomplete } from './fields.ts';

/** What a ChunkedReader hands on. Ranges are valid during the call only. */
export interface ChunkedSink {
  /** Bytes to pass on: with framing or payload only, as the reader was told. */
  onChunkedBytes(buffer: Buffer, start: number, end: number): void;
  /** A size line to write in place of one that cannot pass as it came. */
  onChunkedLine(line: string): void;
  /**
   * The body is complete. With framing, the last chunk was passed on already when `trailers` is undefined, and is
   * the sink's to write when there are some.
   */
  onChunkedEnd(trailers: HeaderList | undefined): void;
}

const atSize = 0;
const inPayload = 1;
const atPayloadCr = 2;
const atPayloadLf = 3;
const inTrailers = 4;
const done = 5;

/** Hex digits of a size: 2^48 bytes, exact in a number and more than anybody sends. */
const maxSizeDigits = 12;
/** Bytes of one size line, and of all extensions of a body: they are dropped, so they only cost. */
const maxLine = 1024;
const maxExtensions = 16 * 1024;
const maxTrailers = 8 * 1024;

/**
 * What a size line that has not ended yet may look like. The white space that RFC 9110 section 5.6.3 calls bad is
 * refused around extensions, as parsers differ in where a line with it ends.
 */
const sizeLineStart = /^[0-9A-Fa-f]{1,12}(?:\r?$|;)/;
const sizeLine =
  /^([0-9A-Fa-f]{1,12})((?:;[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:=(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+|"(?:[\t !#-[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"))?)*)\r\n$/;

/** Fields that must not come late: they would change framing, routing or trust after the fact. */
const refusedTrailers: ReadonlySet<string> = new Set([
  'content-length',
  'transfer-encoding',
  'host',
  'connection',
  'upgrade',
  'te',
  'trailer',
  'authorization',
  'cookie',
  'set-cookie',
  'expect',
  'via',
  'max-forwards',
  'content-encoding',
  'content-type',
  'content-range',
  'forwarded',
]);

/** Reads one chunked body at a time. */
export class ChunkedReader {
  /** Why the body is malformed. */
  problem = '';
  /** Bytes of payload that the size lines so far have announced. */
  announced = 0;
  /** Did a trailer claim to frame the body anew, or to end the connection? It is dropped in any case. */
  steered = false;
  private readonly sink: ChunkedSink;
  private framed = true;
  private state = atSize;
  private remaining = 0;
  /** A size line that cannot be judged yet, or the trailers so far. */
  private held = '';
  private extensionBytes = 0;
  private hopNames: readonly string[] = [];
  private limit = Number.POSITIVE_INFINITY;

  constructor(sink: ChunkedSink) {
    this.sink = sink;
  }

  /**
   * Begins a body. `framing`: hand on chunks as they came, or their payload alone. `hopNames`: what Connection names,
   * in lower case, and thereby drops from the trailers too (RFC 9110 section 7.6.1). `limit`: bytes of payload that may
   * be announced; more are refused before they come.
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
    this.extensionBytes = 0;
    this.announced = 0;
    this.steered = false;
    this.problem = '';
  }

  /** Hands on the payload alone, whatever {@link begin} said; to be called before the first byte is read. */
  strip(): void {
    this.framed = false;
  }

  get complete(): boolean {
    return this.state === done;
  }

  /**
   * Reads `buffer[start, end)`: answers the index behind what belongs to the body, or -1 when it is malformed
   * (see {@link problem}); nothing malformed is handed on.
   */
  read(buffer: Buffer, start: number, end: number): number {
    let pos = start;
    // Framed bytes from here to `pos` are fine and not handed on yet.
    let pending = start;
    while (pos < end) {
      switch (this.state) {
        case inPayload: {
          const take = Math.min(this.remaining, end - pos);
          if (!this.framed) this.sink.onChunkedBytes(buffer, pos, pos + take);
          pos += take;
          this.remaining -= take;
          if (this.remaining === 0) this.state = atPayloadCr;
          break;
        }
        case atPayloadCr:
          if (buffer[pos++] !== CR) return this.refuse('a chunk that does not end where it says');
          this.state = atPayloadLf;
          break;
        case atPayloadLf:
          if (buffer[pos++] !== LF) return this.refuse('a chunk that does not end where it says');
          this.state = atSize;
          break;
        case atSize: {
          const next = this.held === '' ? this.readPlainSize(buffer, pos, end) : 0;
          if (next > 0) {
            pos = next;
            break;
          }
          if (isLastChunk(buffer, pos, end) && this.held === '') {
            pos += 5;
            this.state = done;
            if (this.framed) this.sink.onChunkedBytes(buffer, pending, pos);
            this.sink.onChunkedEnd(undefined);
            return pos;
          }
          this.flush(buffer, pending, pos);
          pos = this.readSizeLine(buffer, pos, end);
          if (pos < 0) return -1;
          pending = pos;
          break;
        }
        default:
          pos = this.readTrailers(buffer, pos, end);
          if (pos < 0 || this.state === done) return pos;
          pending = pos;
      }
    }
    this.flush(buffer, pending, pos);
    return pos;
  }

  private flush(buffer: Buffer, pending: number, pos: number): void {
    if (this.framed && pending < pos) this.sink.onChunkedBytes(buffer, pending, pos);
  }

  /** A size above zero with nothing but CRLF behind it, all there: the index after it; else 0. */
  private readPlainSize(buffer: Buffer, start: number, end: number): number {
    let pos = start;
    let size = 0;
    let digit = hexValue[buffer[pos] ?? 0] ?? 255;
    while (digit !== 255 && pos < end) {
      size = size * 16 + digit;
      digit = hexValue[buffer[++pos] ?? 0] ?? 255;
    }
    const digits = pos - start;
    if (size === 0 || digits > maxSizeDigits || pos + 1 >= end || this.announced + size > this.limit)
      return 0;
    if (buffer[pos] !== CR || buffer[pos + 1] !== LF) return 0;
    this.remaining = size;
    this.announced += size;
    this.state = inPayload;
    return pos + 2;
  }

  /** Any size line, also one in pieces: collected up to its LF, judged as a whole, written anew. */
  private readSizeLine(buffer: Buffer, start: number, end: number): number {
    let pos = start;
    while (pos < end && buffer[pos] !== LF) pos++;
    const complete = pos < end;
    if (complete) pos++;
    if (this.held.length + pos - start > maxLine) return this.refuse('a chunk size line over the limit');
    this.held += buffer.toString('latin1', start, pos);
    if (!complete) return sizeLineStart.test(this.held) ? pos : this.refuse('a malformed chunk size line');
    const match = sizeLine.exec(this.held);
    if (match === null) return this.refuse('a malformed chunk size line');
    this.held = '';
    const [, digits = '', extension = ''] = match;
    this.extensionBytes += extension.length;
    if (this.extensionBytes > maxExtensions) return this.refuse('chunk extensions over the limit');
    this.remaining = Number.parseInt(digits, 16);
    this.announced += this.remaining;
    if (this.announced > this.limit) return this.refuse('over the limit');
    this.state = this.remaining === 0 ? inTrailers : inPayload;
    if (this.framed && this.remaining > 0) this.sink.onChunkedLine(`${this.remaining.toString(16)}\r\n`);
    return pos;
  }

  private readTrailers(buffer: Buffer, start: number, end: number): number {
    const before = this.held.length;
    const take = Math.min(end - start, maxTrailers + 1 - before);
    this.held += buffer.toString('latin1', start, start + take);
    const reader = new FieldReader(64);
    const used = reader.read(this.held, 0);
    if (used === incomplete) {
      return this.held.length > maxTrailers ? this.refuse('trailers over the limit') : start + take;
    }
    if (used < 0) return this.refuse(`malformed trailers: ${reader.problem || 'too many'}`);
    this.state = done;
    this.held = '';
    const { contentLength, transferEncoding, connection } = reader;
    this.steered = contentLength !== undefined || transferEncoding !== undefined || connection !== '';
    this.sink.onChunkedEnd(passingTrailers(reader.headers, this.hopNames));
    return start + used - before;
  }

  private refuse(problem: string): -1 {
    this.problem = problem;
    return -1;
  }
}

/** `0 CRLF CRLF`: the end that nearly every chunked body has. */
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
    if (refusedTrailers.has(key) || hopNames.includes(key) || forwardingAlias.test(key)) trailers.delete(key);
  }
  return trailers;
}
