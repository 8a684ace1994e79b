// PathPattern: a pattern of a config, matched against paths in normal form.

import { RequestPath } from './path.ts';
import { decodeUnreserved } from './path-normal-form.ts';

/**
 * The longest path, in characters, that a regular expression is tried on; a longer one is refused. This bounds what a
 * backtracking expression can cost, but does not make it cheap: `(a+)+$` remains a mistake of the config's author.
 */
export const maxForRegExp = 8 * 1024;

/** A compiled pattern. */
export interface PathPattern {
  /** Returns whether `text`, up to `end`, matches. The text is in normal form. */
  matches(text: string, end: number): boolean;
}

/** Compiles a pattern that {@link patternProblem} found valid. */
export function compilePattern(pattern: string | RegExp): PathPattern {
  if (pattern instanceof RegExp) return new Expression(pattern);
  const { segments, isPrefix } = segmentsOf(pattern);
  if (segments.some(isParameter)) return new Segments(segments, isPrefix);
  return isPrefix ? new Prefix(segments) : new Exact(segments);
}

/** The mistake in a pattern, in a sentence that names it and the remedy; undefined: none. */
export function patternProblem(pattern: unknown): string | undefined {
  if (pattern instanceof RegExp) return undefined;
  if (typeof pattern !== 'string') return 'expected a path such as "/api/*"';
  const quoted = JSON.stringify(pattern);
  if (pattern.length > 2048) return 'a path pattern is longer than 2048 characters: write a shorter one';
  if (!pattern.startsWith('/'))
    return `the path ${quoted} does not begin with "/": write ${suggestSlash(pattern)}`;
  if (/[?#]/.test(pattern)) return `the path ${quoted} holds ? or #: name parameters under "query"`;
  const path = pattern.endsWith('/*') ? pattern.slice(0, -1) : pattern;
  if (path.includes('*')) return starProblem(pattern, quoted);
  const segments = path.split('/');
  if (segments.some(segment => segment.startsWith(':') && !isParameter(segment))) {
    return `the path ${quoted} has a parameter without a name: write one such as ":id"`;
  }
  const text = decodeUnreserved(encodeText(path));
  if (new RequestPath(text.replace(/%(?:20|[89A-F][0-9A-F])/g, '_')).plainEnd >= 0) return undefined;
  return `the path ${quoted} could be read in more than one way: write it without "//", "\\", ";", dots at a segment's end and encoded characters other than spaces and letters`;
}

function suggestSlash(pattern: string): string {
  return JSON.stringify(`/${pattern === '*' ? '*' : pattern.replace(/^\.?\/*/, '')}`);
}

function starProblem(pattern: string, quoted: string): string {
  const prefix = pattern.slice(0, pattern.indexOf('*')).replace(/\/?$/, '/*');
  return `the path ${quoted} has a * that is not its last segment: write ${JSON.stringify(prefix)} for everything below, or ":name" for one segment`;
}

/** Returns whether a segment of a pattern stands for any one segment, as `:id` does. */
export function isParameter(segment: string): boolean {
  return /^:[a-z_]\w*$/i.test(segment);
}

/** What a request would percent-encode: everything but visible ASCII. */
function encodeText(text: string): string {
  return text.replace(/[^\x21-\x7e]+/g, encodeURIComponent);
}

/** A pattern's segments in normal form, with their case: none for `/*`, an empty one for `/`, `a` for `/a/*`. */
export function segmentsOf(pattern: string): { segments: string[]; isPrefix: boolean } {
  const isPrefix = pattern.endsWith('/*');
  const path = isPrefix ? pattern.slice(0, -2) : pattern.replace(/\/$/, '');
  const lower = path.replace(/[\u0080-\uffff]+/g, part => part.normalize('NFKC').toLowerCase());
  return { segments: decodeUnreserved(encodeText(lower)).split('/').slice(1), isPrefix };
}

function fold(segments: readonly string[]): string {
  return segments.map(segment => `/${segment.toLowerCase()}`).join('');
}

/** Returns whether `text` continues with `folded` at `start`, whatever the case of ASCII letters. */
function startsWithFolded(text: string, start: number, folded: string): boolean {
  for (let i = 0; i < folded.length; i++) {
    let code = text.charCodeAt(start + i);
    if (code >= 0x41 && code <= 0x5a) code |= 0x20;
    if (code !== folded.charCodeAt(i)) return false;
  }
  return true;
}

const slash = 0x2f;

/** `/login`: it and `/login/`. */
class Exact implements PathPattern {
  private readonly path: string;

  constructor(segments: readonly string[]) {
    this.path = fold(segments);
  }

  matches(text: string, end: number): boolean {
    const { path } = this;
    const rest = end - path.length;
    if (rest !== 0 && (rest !== 1 || text.charCodeAt(end - 1) !== slash)) return false;
    return startsWithFolded(text, 0, path);
  }
}

/** `/api/*`: `/api` and all below it; `/*`: everything, `*` included. */
class Prefix implements PathPattern {
  private readonly path: string;

  constructor(segments: readonly string[]) {
    this.path = fold(segments);
  }

  matches(text: string, end: number): boolean {
    const { path } = this;
    if (path === '') return true;
    if (end < path.length || (end > path.length && text.charCodeAt(path.length) !== slash)) return false;
    return startsWithFolded(text, 0, path);
  }
}

/** `/users/:id`, `/users/:id/*`: a parameter matches one segment that is not empty. */
class Segments implements PathPattern {
  /** Undefined for a parameter. */
  private readonly segments: readonly (string | undefined)[];
  private readonly isPrefix: boolean;

  constructor(segments: readonly string[], isPrefix: boolean) {
    this.segments = segments.map(segment => (isParameter(segment) ? undefined : fold([segment])));
    this.isPrefix = isPrefix;
  }

  matches(text: string, end: number): boolean {
    let at = 0;
    for (const segment of this.segments) {
      if (at >= end) return false;
      const slashAt = text.indexOf('/', at + 1);
      const next = slashAt < 0 || slashAt > end ? end : slashAt;
      if (segment === undefined ? next - at < 2 : !isSegment(text, at, next, segment)) return false;
      at = next;
    }
    return this.isPrefix || at === end || (at === end - 1 && text.charCodeAt(at) === slash);
  }
}

function isSegment(text: string, start: number, end: number, folded: string): boolean {
  return end - start === folded.length && startsWithFolded(text, start, folded);
}

/** A regular expression, tried on the whole normal form; its flags decide about case. */
class Expression implements PathPattern {
  private readonly expression: RegExp;

  constructor(expression: RegExp) {
    // With g or y an expression would start where the last request's match ended.
    this.expression = new RegExp(expression.source, expression.flags.replace(/[gy]/g, ''));
  }

  matches(text: string, end: number): boolean {
    return this.expression.test(end === text.length ? text : text.slice(0, end));
  }
}
