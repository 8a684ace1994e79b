// Field sections: the strict reader of header and trailer lines that both directions share.
import { HeaderList } from '../../request/headers.ts';
import { COLON, CR, forwardingAlias, LF, SP, TAB, tokenChar, valueChar } from '../exchange/grammar.ts';
import { type FieldKind, field, fieldKind } from './field-names.ts';

const noNames: readonly string[] = [];

/** Outcomes of reading a part of a message: an index after it, or one of these. */
export const incomplete = -1;
export const malformed = -2;
export const tooMany = -3;

/**
 * Reads field lines into `headers`, as text, and notes what steers the wire. Hop-by-hop fields are noted, not listed;
 * framing fields are noted and listed nowhere, as the wire writes them anew. One reader serves all messages of a
 * process, one at a time.
 */
export class FieldReader {
  headers = new HeaderList();
  /** Why it is malformed, for the log. */
  problem = '';
  /** Values of all Connection lines, comma-joined, as sent; '' for none. */
  connection = '';
  /** Names that Connection lists, in lower case: their fields concern this hop only, trailers too. */
  hopNames: readonly string[] = noNames;
  /** Value of Content-Length; undefined for none. */
  contentLength: string | undefined = undefined;
  transferEncoding: string | undefined = undefined;
  host: string | undefined = undefined;
  expect: string | undefined = undefined;
  upgrade: string | undefined = undefined;
  keepAlive: string | undefined = undefined;
  maxForwards: string | undefined = undefined;
  via = '';
  hasDate = false;
  /** Did an X-Forwarded-* or Forwarded line come? */
  hasForwarding = false;
  private readonly maxCount: number;
  private readonly ofResponse: boolean;

  /** `message`: what the section belongs to; fields that only steer requests are plain ones in a response. */
  constructor(maxCount: number, message: 'request' | 'response' | 'trailers') {
    this.maxCount = maxCount;
    this.ofResponse = message === 'response';
  }

  /**
   * Reads from `text[pos]` to behind the empty line. Answers the index there, or `incomplete`, `malformed`
   * (see {@link problem}) or `tooMany`.
   */
  read(text: string, start: number): number {
    this.reset();
    const { maxCount } = this;
    const end = text.length;
    let lines = '';
    // Up to here all lines that pass are in `lines`; those from `runStart` to `runEnd` pass as they are.
    let runStart = start;
    let runEnd = start;
    let count = 0;
    let pos = start;
    for (;;) {
      if (pos >= end) return incomplete;
      let c = text.charCodeAt(pos);
      if (c === CR) {
        if (pos + 1 >= end) return incomplete;
        if (text.charCodeAt(pos + 1) !== LF) return this.refuse('a bare CR');
        this.headers.pushLines(lines + text.slice(runStart, runEnd));
        return pos + 2;
      }
      if (count >= maxCount) return tooMany;
      const nameStart = pos;
      let hash = 0;
      while (tokenChar[c] === 1) {
        hash = (hash * 31 + (c | 0x20)) | 0;
        c = text.charCodeAt(++pos);
      }
      if (pos >= end) return incomplete;
      if (c !== COLON || pos === nameStart) return this.refuseName(c, pos === nameStart);
      const nameEnd = pos;
      c = text.charCodeAt(++pos);
      while (c === SP || c === TAB) c = text.charCodeAt(++pos);
      const valueStart = pos;
      while (valueChar[c] === 1) c = text.charCodeAt(++pos);
      if (pos + 1 >= end) {
        if (pos < end && c !== CR) return this.refuseValue(c);
        return incomplete;
      }
      if (c !== CR) return this.refuseValue(c);
      if (text.charCodeAt(pos + 1) !== LF) return this.refuse('a bare CR in a field value');
      let valueEnd = pos;
      while (valueEnd > valueStart && isBlank(text.charCodeAt(valueEnd - 1))) valueEnd--;
      const kind = fieldKind(text, nameStart, nameEnd, hash);
      let passes = true;
      if (kind !== field.plain) {
        if (kind === field.transferEncoding && text.slice(nameEnd, pos).includes('\t')) {
          // White space to the RFC, but not to every parser: some then read no coding at all.
          return this.refuse('a tab beside a transfer coding');
        }
        if (!this.note(kind, text.slice(valueStart, valueEnd))) {
          return this.refuse(`${text.slice(nameStart, nameEnd)} comes twice`);
        }
        passes = isListed[kind] === 1;
      } else if (mayBeAlias(text, nameStart) && isAlias(text.slice(nameStart, nameEnd))) {
        this.hasForwarding = true;
      }
      const asItIs = text.charCodeAt(nameEnd + 1) === SP && valueStart === nameEnd + 2 && valueEnd === pos;
      pos += 2;
      if (passes) count++;
      if (passes && asItIs) {
        runEnd = pos;
        continue;
      }
      lines += text.slice(runStart, runEnd);
      if (passes) lines += `${text.slice(nameStart, nameEnd)}: ${text.slice(valueStart, valueEnd)}\r\n`;
      runStart = pos;
      runEnd = pos;
    }
  }

  private reset(): void {
    this.headers = new HeaderList();
    this.problem = '';
    this.connection = '';
    this.hopNames = noNames;
    this.contentLength = undefined;
    this.transferEncoding = undefined;
    this.host = undefined;
    this.expect = undefined;
    this.upgrade = undefined;
    this.keepAlive = undefined;
    this.maxForwards = undefined;
    this.via = '';
    this.hasDate = false;
    this.hasForwarding = false;
  }

  /** Takes a field that steers the wire; false: it may come once only, and was there. */
  private note(kind: FieldKind, value: string): boolean {
    switch (kind) {
      case field.connection:
        this.connection = this.connection === '' ? value : `${this.connection},${value}`;
        return true;
      case field.contentLength:
        if (this.contentLength !== undefined) return false;
        this.contentLength = value;
        return true;
      case field.transferEncoding:
        if (this.transferEncoding !== undefined) return false;
        this.transferEncoding = value;
        return true;
      case field.host:
        if (this.ofResponse) return true;
        if (this.host !== undefined) return false;
        this.host = value;
        return true;
      case field.expect:
        if (this.ofResponse) return true;
        if (this.expect !== undefined) return false;
        this.expect = value;
        return true;
      case field.upgrade:
        this.upgrade = this.upgrade === undefined ? value : `${this.upgrade},${value}`;
        return true;
      case field.keepAlive:
        this.keepAlive = value;
        return true;
      case field.forwarding:
        this.hasForwarding = true;
        return true;
      case field.date:
        this.hasDate = true;
        return true;
      case field.via:
        this.via = this.via === '' ? value : `${this.via},${value}`;
        return true;
      case field.maxForwards:
        if (this.ofResponse) return true;
        if (this.maxForwards !== undefined) return false;
        this.maxForwards = value;
        return true;
      default:
        return true;
    }
  }

  private refuse(problem: string): typeof malformed {
    this.problem = problem;
    return malformed;
  }

  private refuseName(c: number, empty: boolean): typeof malformed {
    if (empty && (c === SP || c === TAB))
      return this.refuse('a line that begins with white space (obs-fold)');
    if (empty && c === COLON) return this.refuse('an empty field name');
    if (c === SP || c === TAB) return this.refuse('white space before the colon');
    if (c === LF || c === CR) return this.refuse(c === LF ? 'a bare LF' : 'a line without a colon');
    return this.refuse('a character that no field name has');
  }

  private refuseValue(c: number): typeof malformed {
    return this.refuse(c === LF ? 'a bare LF' : 'a control character in a field value');
  }
}

/** By kind: 1 for fields that are listed, and so forwarded; the wire writes the others anew, or drops them. */
const isListed = new Uint8Array(Object.keys(field).length);
for (const kind of [
  field.plain,
  field.host,
  field.expect,
  field.forwarding,
  field.date,
  field.via,
  field.maxForwards,
]) {
  isListed[kind] = 1;
}

/** Could the name that begins here be a {@link forwardingAlias}? Few others are looked at then. */
function mayBeAlias(text: string, start: number): boolean {
  const c = text.charCodeAt(start) | 0x20;
  return c === 0x66 || (c === 0x78 && (text.charCodeAt(start + 2) | 0x20) === 0x66);
}

function isAlias(name: string): boolean {
  return forwardingAlias.test(name.toLowerCase());
}

function isBlank(c: number): boolean {
  return c === SP || c === TAB;
}
