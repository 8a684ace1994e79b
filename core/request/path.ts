// RequestPath: the path of a request's target in the form that matchers read, and in the forms that an upstream might read
// instead.
import { decodeUnreserved, removeDotSegments } from './path-normal-form.ts';
import { lenientReadings, maxReadings } from './path-readings.ts';

const slash = 0x2f;
const dot = 0x2e;
const question = 0x3f;

/** Characters with one meaning everywhere; dots and slashes depend on their neighbours. */
const plainChar = Uint8Array.from({ length: 128 }, (_, code) =>
  /[A-Za-z0-9\-._~!$&'()*+,=:@/|^`{}[\]]/.test(String.fromCharCode(code)) ? 1 : 0,
);

/**
 * The path of a target in its normal form (RFC 3986 section 6.2.2): unreserved characters decoded, hexadecimal digits in
 * upper case, dot segments removed, without the query. `%2F`, `%5C`, `;` and `//` stay as they are, as does a `%` without
 * two digits after it. `*` stays `*`.
 *
 * @param target origin-form or `*` (RFC 9112 section 3.2)
 * @example normalisePath('/a/%2e%2e/%7eb%2fc?d') // '/~b%2Fc'
 */
export function normalisePath(target: string): string {
  const end = plainEnd(target);
  if (end >= 0) return end === target.length ? target : target.slice(0, end);
  return removeDotSegments(decodeUnreserved(target.slice(0, pathEnd(target))));
}

/**
 * A request's path, read when a matcher first asks and kept for the next one. Most paths are plain: every server reads
 * them the same way, and they are compared in place. One object may serve request after request.
 */
export class RequestPath {
  private target = '/';
  /** The end of a plain path; -1: it is not plain. */
  private end = 1;
  private scanned = true;
  private forms: readonly string[] | undefined = undefined;
  private why: string | undefined = undefined;

  constructor(target = '/') {
    this.read(target);
  }

  /** Takes another target, in origin-form or `*`. */
  read(target: string): void {
    this.target = target;
    this.scanned = false;
    this.forms = undefined;
    this.why = undefined;
  }

  /** The target as received. */
  get text(): string {
    return this.target;
  }

  /** The end of the path in {@link text} when it is plain; -1 when it is not. */
  get plainEnd(): number {
    if (!this.scanned) {
      this.end = plainEnd(this.target);
      this.scanned = true;
    }
    return this.end;
  }

  /** The normal form: see {@link normalisePath}. */
  get normal(): string {
    const end = this.plainEnd;
    return end >= 0 ? this.target.slice(0, end) : (this.readings[0] ?? '');
  }

  /** For a path that is not plain: the normal form, and how else upstreams could read it. */
  get readings(): readonly string[] {
    this.forms ??= this.findReadings();
    return this.forms;
  }

  /** Why the path cannot be judged under any pattern; undefined: it can. */
  get problem(): string | undefined {
    if (this.plainEnd < 0) this.forms ??= this.findReadings();
    return this.why;
  }

  /** What follows the first `?`, as received; empty when there is none. */
  get query(): string {
    const at = this.target.indexOf('?');
    return at < 0 ? '' : this.target.slice(at + 1);
  }

  private findReadings(): readonly string[] {
    const path = this.target.slice(0, pathEnd(this.target));
    const decoded = decodeUnreserved(path);
    const normal = removeDotSegments(decoded);
    this.why = problemOf(path);
    if (this.why !== undefined) return [normal];
    const others = lenientReadings(decoded);
    if (others !== undefined && others.length < maxReadings) {
      return [normal, ...others.filter(reading => reading !== normal)];
    }
    this.why = 'it can be read in too many ways';
    return [normal];
  }
}

/** The end of the path of a plain target; -1: it is not plain. */
function plainEnd(target: string): number {
  const { length } = target;
  if (target.charCodeAt(0) !== slash) return target === '*' ? 1 : -1;
  let before = 0;
  for (let i = 0; i < length; i++) {
    const code = target.charCodeAt(i);
    if (code === slash) {
      // "//", and segments that are dots or end with one, which some file systems drop.
      if (before === slash || before === dot) return -1;
    } else if (code === question) {
      return before === dot ? -1 : i;
    } else if (plainChar[code] !== 1) {
      return -1;
    }
    before = code;
  }
  return before === dot ? -1 : length;
}

function pathEnd(target: string): number {
  const at = target.indexOf('?');
  return at < 0 ? target.length : at;
}

/** What makes a path ambiguous under every pattern. */
function problemOf(path: string): string | undefined {
  if (!path.startsWith('/')) return 'it does not begin with /';
  if (/[^\x21-\x7e]|#/.test(path)) return 'it holds a character that no path may hold';
  if (/%(?![0-9a-f]{2})/i.test(path)) return 'it has a % without two hexadecimal digits';
  if (path.includes('%00')) return 'it holds %00';
  return undefined;
}
