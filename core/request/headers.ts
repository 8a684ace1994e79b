// The header list: field lines in their order, and the rules of which ones may pass a proxy.

/** A list in its parts: three arrays that run in parallel. */
interface Parts {
  readonly names: string[];
  readonly keys: string[];
  readonly values: string[];
}

/**
 * Field lines in the order received, names compared without case (RFC 9110 section 5.1), lines of one name never
 * merged or reordered (section 5.3). Plugins use the methods. A list that nobody looks into stays the text that it
 * was read as: it is taken apart when the first single field is asked for.
 */
export class HeaderList {
  /** The lines as they are sent, `Name: value` CRLF each; stale once there are parts. */
  private text = '';
  private parts: Parts | undefined = undefined;

  get length(): number {
    return this.split().keys.length;
  }

  /** Names as they were received. */
  get names(): readonly string[] {
    return this.split().names;
  }

  /** The same names in lower case. */
  get keys(): readonly string[] {
    return this.split().keys;
  }

  /** Values without surrounding white space, in the order of the names. */
  get values(): readonly string[] {
    return this.split().values;
  }

  /** The first value of a field, or undefined. `name` in any case. */
  get(name: string): string | undefined {
    const { keys, values } = this.split();
    const at = keys.indexOf(name.toLowerCase());
    return at < 0 ? undefined : values[at];
  }

  /** All values of a field, in their order; an empty array when there is none. */
  getAll(name: string): string[] {
    const { keys, values } = this.split();
    const key = name.toLowerCase();
    return values.filter((_, i) => keys[i] === key);
  }

  has(name: string): boolean {
    return this.split().keys.includes(name.toLowerCase());
  }

  /**
   * Adds a line at the end. Throws a TypeError for a name that is no token or a value with control characters
   * (RFC 9110 section 5.5), so that no value which a plugin copies can inject a line.
   */
  append(name: string, value: string): void {
    if (!isToken(name)) throw new TypeError(`not a header name: ${JSON.stringify(name)}`);
    if (!isFieldValue(value)) throw new TypeError(`not a value for ${name}: ${JSON.stringify(value)}`);
    const key = name.toLowerCase();
    // A text is sent as it is, so what the wire must leave out cannot stand in one.
    if (writtenByWire.has(key)) this.split();
    this.push(name, key, value);
  }

  /** Replaces all lines of a name by one, at the place of the first. Throws like {@link append}. */
  set(name: string, value: string): void {
    const { keys, values } = this.split();
    const at = keys.indexOf(name.toLowerCase());
    if (at < 0) {
      this.append(name, value);
      return;
    }
    if (!isFieldValue(value)) throw new TypeError(`not a value for ${name}: ${JSON.stringify(value)}`);
    values[at] = value;
    this.deleteFrom(at + 1, name.toLowerCase());
  }

  /** Removes all lines of a name; true if there was one. */
  delete(name: string): boolean {
    return this.deleteFrom(0, name.toLowerCase());
  }

  /** For the wire: adds a line that the caller has checked already, `key` in lower case. */
  push(name: string, key: string, value: string): void {
    const { parts } = this;
    if (parts === undefined) {
      this.text += `${name}: ${value}\r\n`;
      return;
    }
    parts.names.push(name);
    parts.keys.push(key);
    parts.values.push(value);
  }

  /** For the wire: adds checked lines, `Name: value` CRLF each, none of them one that the wire writes itself. */
  pushLines(lines: string): void {
    if (this.parts === undefined) this.text += lines;
    else splitLines(lines, this.parts);
  }

  /** For the wire: the lines as they are sent, without those of the name `except`, in lower case. */
  toLines(except = ''): string {
    if (this.parts === undefined && except === '') return this.text;
    const { names, keys, values } = this.split();
    let text = '';
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] ?? '';
      if (key !== except && !writtenByWire.has(key)) text += `${names[i]}: ${values[i]}\r\n`;
    }
    return text;
  }

  /** Name and value of each line, in order. */
  *[Symbol.iterator](): Generator<[name: string, value: string]> {
    const { names, values } = this.split();
    for (let i = 0; i < names.length; i++) yield [names[i] ?? '', values[i] ?? ''];
  }

  private split(): Parts {
    if (this.parts !== undefined) return this.parts;
    const parts: Parts = { names: [], keys: [], values: [] };
    splitLines(this.text, parts);
    this.text = '';
    this.parts = parts;
    return parts;
  }

  private deleteFrom(start: number, key: string): boolean {
    const { names, keys, values } = this.split();
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

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// A value may hold visible characters, obs-text, SP and HTAB (RFC 9110 section 5.5); one latin1 character a byte.
const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Is it a token (RFC 9110 section 5.6.2), as methods and field names are? */
export function isToken(text: string): boolean {
  return token.test(text);
}

/** May it be sent as a field value: no control character, nothing above latin1? */
export function isFieldValue(text: string): boolean {
  return fieldValue.test(text);
}

/**
 * Fields that concern one connection only (RFC 9110 section 7.6.1), in lower case. Never forwarded; what of them is
 * needed on the next connection the wire makes anew.
 */
export const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);

/** Written by the wire itself, whatever a list says. */
const writtenByWire: ReadonlySet<string> = new Set([...hopByHop, 'content-length']);
