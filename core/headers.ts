// The header list: field lines in their order, and the rules of which ones may pass a proxy.

/**
 * Field lines in the order received, names compared without case (RFC 9110 section 5.1), lines of one name never
 * merged or reordered (section 5.3). The three arrays run in parallel; the wire fills them, plugins use the methods.
 */
export class HeaderList {
  /** Names as they were received. */
  readonly names: string[] = [];
  /** The same names in lower case. */
  readonly keys: string[] = [];
  /** Values without surrounding white space. */
  readonly values: string[] = [];

  get length(): number {
    return this.keys.length;
  }

  /** The first value of a field, or undefined. `name` in any case. */
  get(name: string): string | undefined {
    const at = this.keys.indexOf(name.toLowerCase());
    return at < 0 ? undefined : this.values[at];
  }

  /** All values of a field, in their order; an empty array when there is none. */
  getAll(name: string): string[] {
    const key = name.toLowerCase();
    return this.values.filter((_, i) => this.keys[i] === key);
  }

  has(name: string): boolean {
    return this.keys.includes(name.toLowerCase());
  }

  /**
   * Adds a line at the end. Throws a TypeError for a name that is no token or a value with control characters
   * (RFC 9110 section 5.5), so that no value which a plugin copies can inject a line.
   */
  append(name: string, value: string): void {
    if (!isToken(name)) throw new TypeError(`not a header name: ${JSON.stringify(name)}`);
    if (!isFieldValue(value)) throw new TypeError(`not a value for ${name}: ${JSON.stringify(value)}`);
    this.push(name, name.toLowerCase(), value);
  }

  /** Replaces all lines of a name by one, at the place of the first. Throws like {@link append}. */
  set(name: string, value: string): void {
    const at = this.keys.indexOf(name.toLowerCase());
    if (at < 0) {
      this.append(name, value);
      return;
    }
    if (!isFieldValue(value)) throw new TypeError(`not a value for ${name}: ${JSON.stringify(value)}`);
    this.values[at] = value;
    this.deleteFrom(at + 1, name.toLowerCase());
  }

  /** Removes all lines of a name; true if there was one. */
  delete(name: string): boolean {
    return this.deleteFrom(0, name.toLowerCase());
  }

  /** For the wire: adds a line that the caller has checked already, `key` in lower case. */
  push(name: string, key: string, value: string): void {
    this.names.push(name);
    this.keys.push(key);
    this.values.push(value);
  }

  /** Name and value of each line, in order. */
  *[Symbol.iterator](): Generator<[name: string, value: string]> {
    for (let i = 0; i < this.keys.length; i++) yield [this.names[i] ?? '', this.values[i] ?? ''];
  }

  private deleteFrom(start: number, key: string): boolean {
    let kept = start;
    for (let i = start; i < this.keys.length; i++) {
      if (this.keys[i] === key) continue;
      if (kept !== i) {
        this.names[kept] = this.names[i] ?? '';
        this.keys[kept] = this.keys[i] ?? '';
        this.values[kept] = this.values[i] ?? '';
      }
      kept++;
    }
    if (kept === this.keys.length) return false;
    this.names.length = kept;
    this.keys.length = kept;
    this.values.length = kept;
    return true;
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
