// Field sections of HTTP/1.1: one strict reader of header and trailer lines for both directions.

import { markOf } from '../../request/field-name.ts';
import { field, fieldKind } from '../exchange/field-names.ts';
import {
  FieldNotes,
  isAlias,
  isListed,
  type malformed,
  mayBeAlias,
  tooMany,
} from '../exchange/field-notes.ts';
import { COLON, CR, LF, SP, TAB, tokenChar, valueChar } from '../exchange/grammar.ts';

export { malformed, tooMany } from '../exchange/field-notes.ts';

/** Returned if not all lines have arrived. */
export const incomplete = -1;

/** Reads field lines into `headers` as text, and notes what controls the wire. */
export class FieldReader extends FieldNotes {
  /**
   * Reads from `text[start]` past the empty line. Returns the index after it, or `incomplete`, `malformed` (see
   * {@link problem}) or `tooMany`.
   */
  read(text: string, start: number): number {
    this.reset();
    const { maxCount } = this;
    const end = text.length;
    let lines = '';
    // Lines that pass are in `lines` up to `runStart`; those from `runStart` to `runEnd` pass unchanged.
    let runStart = start;
    let runEnd = start;
    let count = 0;
    let marks = 0;
    let pos = start;
    for (;;) {
      if (pos >= end) return incomplete;
      let c = text.charCodeAt(pos);
      if (c === CR) {
        if (pos + 1 >= end) return incomplete;
        if (text.charCodeAt(pos + 1) !== LF) return this.refuse('a bare CR');
        this.headers.pushLines(lines + text.slice(runStart, runEnd), marks);
        return pos + 2;
      }
      if (count >= maxCount) return tooMany;
      const nameStart = pos;
      const first = c;
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
          // The RFC counts it as white space, but some parsers then see no coding.
          return this.refuse('a tab beside a transfer coding');
        }
        if (!this.note(kind, text.slice(valueStart, valueEnd))) {
          return this.refuse(`${text.slice(nameStart, nameEnd)} comes twice`);
        }
        passes = isListed[kind] === 1;
      } else if (mayBeAlias(text, nameStart) && isAlias(text.slice(nameStart, nameEnd))) {
        this.hasForwarding = true;
      }
      const isVerbatim =
        text.charCodeAt(nameEnd + 1) === SP && valueStart === nameEnd + 2 && valueEnd === pos;
      pos += 2;
      if (passes) {
        count++;
        marks |= markOf(nameEnd - nameStart, first);
      }
      if (passes && isVerbatim) {
        runEnd = pos;
        continue;
      }
      lines += text.slice(runStart, runEnd);
      if (passes) lines += `${text.slice(nameStart, nameEnd)}: ${text.slice(valueStart, valueEnd)}\r\n`;
      runStart = pos;
      runEnd = pos;
    }
  }

  private refuseName(c: number, empty: boolean): typeof malformed {
    if (empty && (c === SP || c === TAB))
      return this.refuse('a line that begins with white space (obs-fold)');
    if (empty && c === COLON) return this.refuse('an empty field name');
    if (c === SP || c === TAB) return this.refuse('white space before the colon');
    if (c === LF || c === CR) return this.refuse(c === LF ? 'a bare LF' : 'a line without a colon');
    return this.refuse('an invalid character in a field name');
  }

  private refuseValue(c: number): typeof malformed {
    return this.refuse(c === LF ? 'a bare LF' : 'a control character in a field value');
  }
}

function isBlank(c: number): boolean {
  return c === SP || c === TAB;
}
