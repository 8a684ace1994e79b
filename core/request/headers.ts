// HeaderList: field lines in order, kept as text until single fields are read.

import { hopByHop, isFieldValue } from '../grammar/field-value.ts';
import { isAuthority } from '../grammar/request-line.ts';
import { anyName, type FieldName, fieldName, markOf } from './field-name.ts';
import { lineOf, valueAt } from './header-text.ts';

export { hopByHop, isFieldValue, isToken } from '../grammar/field-value.ts';

/** Who may edit a list, and how. */
const open = 0;
const hostGuarded = 1;
const frozen = 2;
type Writing = typeof open | typeof hostGuarded | typeof frozen;

/** The most look-ups in the text; further ones parse it. */
const maxTextLooks = 4;

/** A list in its parts: three parallel arrays. */
interface Parts {
  readonly names: string[];
  readonly keys: string[];
  readonly values: string[];
}

/**
 * Field lines in the order received, names compared without case (RFC 9110 section 5.1), lines of one name never merged
 * or reordered (section 5.3). Plugins use the methods. A list stays text until it is edited or more than a few fields are
 * read.
 */
export class HeaderList {
  /** The lines as they are sent, `Name: value` CRLF each; stale once there are parts. */
  #text = '';
  /** The marks of all names in the text. */
  #marks = 0;
  #parts: Parts | undefined = undefined;
  #writing: Writing = open;
  #touched = false;
  #neverIndexed: Set<string> | undefined = undefined;
  #looks = 0;
  /** Names that were set or deleted, each followed by a line end. */
  #settled = '';

  get length(): number {
    return this.#split().keys.length;
  }

  /** Names as they were received; a copy. */
  get names(): readonly string[] {
    return this.#split().names.slice();
  }

  /** The same names in lower case; a copy. */
  get keys(): readonly string[] {
    return this.#split().keys.slice();
  }

  /** Values without surrounding white space, in the order of the names; a copy. */
  get values(): readonly string[] {
    return this.#split().values.slice();
  }

  /** @internal Whether it was edited with `append`, `set` or `delete`. */
  get edited(): boolean {
    return this.#touched;
  }

  /**
   * @internal Names in lower case, pseudo-fields included, whose values must not enter an HTTP/2 header table on any hop
   * (RFC 7541 section 6.2.3); undefined: none.
   */
  get neverIndexed(): ReadonlySet<string> | undefined {
    return this.#neverIndexed;
  }

  /** @internal Notes that a field of this name, in lower case, arrived as never indexed. */
  keepFromTables(key: string): void {
    this.#neverIndexed ??= new Set();
    this.#neverIndexed.add(key);
  }

  /** @internal Refuses all later edits, except those of the wire. Returns the list. */
  freeze(): this {
    this.#writing = frozen;
    return this;
  }

  /** @internal An editable copy of the lines; cheap while the list is text. */
  clone(): HeaderList {
    const parts = this.#parts;
    const copy = new HeaderList();
    // Only the wire adds to it, before any copy is made.
    copy.#neverIndexed = this.#neverIndexed;
    copy.#marks = this.#marks;
    if (parts === undefined) copy.#text = this.#text;
    else copy.#parts = { names: parts.names.slice(), keys: parts.keys.slice(), values: parts.values.slice() };
    copy.#settled = this.#settled;
    return copy;
  }

  /**
   * @internal The names, in lower case, that were set or deleted: a late field with one of them is not a plugin's.
   */
  get settled(): readonly string[] {
    return this.#settled === '' ? [] : this.#settled.slice(0, -1).split('\n');
  }

  /**
   * @internal Makes it the list of an outgoing request, whose Host can be replaced, but neither doubled nor removed.
   */
  guardHost(): this {
    this.#writing = hostGuarded;
    return this;
  }

  /** The first value of a field, or undefined. `name` in any case. */
  get(name: string): string | undefined {
    const { key, mark } = fieldName(name);
    if (this.#lacks(mark)) return undefined;
    if (this.#looksAtText()) {
      const line = lineOf(this.#text, key, 'exact');
      return line < 0 ? undefined : valueAt(this.#text, line, key.length);
    }
    const { keys, values } = this.#split();
    const at = keys.indexOf(key);
    return at < 0 ? undefined : values[at];
  }

  /** The value of a field that occurs once; undefined: there is none, or several. */
  getOnly(name: string): string | undefined {
    const { key, mark } = fieldName(name);
    if (this.#lacks(mark)) return undefined;
    if (this.#looksAtText()) {
      const line = lineOf(this.#text, key, 'exact');
      if (line < 0) return undefined;
      const next = this.#text.indexOf('\r\n', line) + 2;
      if (lineOf(this.#text, key, 'exact', next) >= 0) return undefined;
      return valueAt(this.#text, line, key.length);
    }
    const { keys, values } = this.#split();
    const at = keys.indexOf(key);
    return at < 0 || keys.includes(key, at + 1) ? undefined : values[at];
  }

  /** All values of a field, in their order; an empty array when there is none. */
  getAll(name: string): string[] {
    const { key, mark } = fieldName(name);
    if (this.#lacks(mark)) return [];
    const { keys, values } = this.#split();
    return values.filter((_, i) => keys[i] === key);
  }

  has(name: string): boolean {
    const { key, mark } = fieldName(name);
    if (this.#lacks(mark)) return false;
    return this.#looksAtText() ? lineOf(this.#text, key, 'exact') >= 0 : this.#split().keys.includes(key);
  }

  /**
   * Adds a line at the end. Throws a TypeError for a name that is not a token or a value with control characters (RFC
   * 9110 section 5.5), so a value that a plugin copies cannot inject a line.
   */
  append(name: string, value: string): void {
    const field = checkedName(name);
    const { key } = field;
    checkValue(name, value);
    this.#beforeEdit(field, 'append');
    if (key === 'date' && this.has(key)) {
      // A response has one Date (RFC 9110 section 6.6.1).
      this.set(name, value);
      return;
    }
    // Text is sent unchanged, so it must not hold what the wire leaves out.
    if (writtenByWire.has(key)) this.#split();
    this.push(name, key, value);
  }

  /** Replaces all lines of a name by one, at the place of the first. Throws like {@link append}. */
  set(name: string, value: string): void {
    const field = checkedName(name);
    const { key, mark } = field;
    checkValue(name, value);
    this.#beforeEdit(field, 'set');
    if (key === 'host' && this.#writing === hostGuarded && !isAuthority(value)) {
      throw new TypeError(`not a host: ${JSON.stringify(value)}`);
    }
    if (this.#parts === undefined && !writtenByWire.has(key)) {
      if (this.#lacks(mark) || (this.#looksAtText() && lineOf(this.#text, key, 'exact') < 0)) {
        this.#addLine(field, value);
        return;
      }
    }
    const { keys, values } = this.#split();
    const at = keys.indexOf(key);
    if (at < 0) {
      this.push(name, key, value);
      return;
    }
    values[at] = value;
    this.#deleteFrom(at + 1, key);
  }

  /** Removes all lines of a name; true if there was one. */
  delete(name: string): boolean {
    const field = checkedName(name);
    this.#beforeEdit(field, 'delete');
    return !this.#lacks(field.mark) && this.#deleteFrom(0, field.key);
  }

  /** @internal Returns whether there is a field that CGI would take for this one. `key`: in lower case, with hyphens only. */
  hasSpellingOf(key: string): boolean {
    if (this.#lacks(fieldName(key).foldedMark)) return false;
    if (this.#looksAtText()) return lineOf(this.#text, key, 'folded') >= 0;
    return this.#split().keys.some(each => isSpelling(each, key));
  }

  /** @internal The values of all fields that {@link hasSpellingOf} finds, in their order. */
  valuesOfSpellings(key: string): string[] {
    const { keys, values } = this.#split();
    return values.filter((_, i) => isSpelling(keys[i] ?? '', key));
  }

  /** @internal Removes all fields that {@link hasSpellingOf} finds. */
  deleteSpellingsOf(key: string): void {
    // Even when there is none, so that the trailers cannot bring one either.
    if (this.#writing !== frozen) this.#settled += `${key}\n`;
    if (this.#parts !== undefined) {
      for (const each of this.keys) if (isSpelling(each, key)) this.delete(each);
      return;
    }
    for (let at = lineOf(this.#text, key, 'folded'); at >= 0; at = lineOf(this.#text, key, 'folded')) {
      this.#beforeEdit(fieldName(key), 'delete');
      this.#text = this.#text.slice(0, at) + this.#text.slice(this.#text.indexOf('\r\n', at) + 2);
    }
  }

  /** For the wire: adds a line that the caller has checked already, `key` in lower case. */
  push(name: string, key: string, value: string): void {
    this.#marks |= markOf(key.length, key.charCodeAt(0));
    const parts = this.#parts;
    if (parts === undefined) {
      this.#text += `${name}: ${value}\r\n`;
      return;
    }
    parts.names.push(name);
    parts.keys.push(key);
    parts.values.push(value);
  }

  /**
   * For the wire: adds checked lines, `Name: value` CRLF each, none of them one that the wire writes itself. `marks`: those of
   * their names, see {@link markOf}.
   */
  pushLines(lines: string, marks = anyName): void {
    this.#marks |= marks;
    if (this.#parts === undefined) this.#text += lines;
    else splitLines(lines, this.#parts);
  }

  /** For the wire: the lines as they are sent, without those of the name `except`, in lower case. */
  toLines(except = ''): string {
    if (this.#parts === undefined && except === '') return this.#text;
    const { names, keys, values } = this.#split();
    let text = '';
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] ?? '';
      if (key !== except && !writtenByWire.has(key)) text += `${names[i]}: ${values[i]}\r\n`;
    }
    return text;
  }

  /** Name and value of each line, in order. */
  *[Symbol.iterator](): Generator<[name: string, value: string]> {
    const { names, values } = this.#split();
    for (let i = 0; i < names.length; i++) yield [names[i] ?? '', values[i] ?? ''];
  }

  /** Returns whether there is certainly no field with this mark. */
  #lacks(mark: number): boolean {
    return (this.#marks & mark) === 0;
  }

  #addLine({ start, mark }: FieldName, value: string): void {
    this.#marks |= mark;
    this.#text += `${start}${value}\r\n`;
  }

  /** Returns whether the text is still searched, rather than parsed. Each call counts as a look. */
  #looksAtText(): boolean {
    return this.#parts === undefined && ++this.#looks <= maxTextLooks;
  }

  #beforeEdit({ key, keyLine }: FieldName, how: 'append' | 'set' | 'delete'): void {
    if (this.#writing === frozen) {
      throw new TypeError('this header list cannot be edited: it was received, is shared, or has left');
    }
    if (this.#writing === hostGuarded && key === 'host' && how !== 'set') {
      throw new TypeError(`a request has one Host: set ctx.outgoing.host instead of ${how}('Host')`);
    }
    this.#touched = true;
    if (how !== 'append') this.#settled += keyLine;
  }

  #split(): Parts {
    if (this.#parts !== undefined) return this.#parts;
    const parts: Parts = { names: [], keys: [], values: [] };
    splitLines(this.#text, parts);
    this.#text = '';
    this.#parts = parts;
    return parts;
  }

  #deleteFrom(start: number, key: string): boolean {
    const { names, keys, values } = this.#split();
    let kept = start;
    for (let i = start; i < keys.length; i++) {
      if (keys[i] === key) continue;
      if (kept !== i) {
        names[kept] = names[i] ?? '';
        keys[kept] = keys[i] ?? '';
        values[kept] = values[i] ?? '';
      }
      kept++;
    }
    if (kept === keys.length) return false;
    names.length = kept;
    keys.length = kept;
    values.length = kept;
    return true;
  }
}

Object.freeze(HeaderList.prototype);

function splitLines(text: string, into: Parts): void {
  let pos = 0;
  while (pos < text.length) {
    const colon = text.indexOf(':', pos);
    const end = text.indexOf('\r\n', colon);
    const name = text.slice(pos, colon);
    into.names.push(name);
    into.keys.push(name.toLowerCase());
    into.values.push(text.slice(colon + 2, end));
    pos = end + 2;
  }
}

function isSpelling(name: string, key: string): boolean {
  return name.length === key.length && name.replace(/[._]/g, '-') === key;
}

function checkedName(name: string): FieldName {
  const field = typeof name === 'string' ? fieldName(name) : undefined;
  if (field?.isToken !== true) throw new TypeError(`not a header name: ${show(name)}`);
  return field;
}

function checkValue(name: string, value: string): void {
  if (typeof value !== 'string' || !isFieldValue(value)) {
    throw new TypeError(`not a value for ${name}: ${show(value)}`);
  }
}

function show(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

/** Fields that the wire writes itself. */
const writtenByWire: ReadonlySet<string> = new Set([...hopByHop, 'content-length']);
