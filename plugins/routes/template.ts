// Template: the target of a redirect or a rewrite, with captures that are encoded for the place where they are inserted.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: how captures are written in templates of routes
import type { Captures } from './captures.ts';

/** A parsed template. */
export interface Template {
  readonly path: readonly TemplatePart[];
  /** With its `?`; empty: the request's query is kept. */
  readonly query: readonly TemplatePart[];
  /** With its `#`. */
  readonly fragment: readonly TemplatePart[];
}

/** Literal text, or the name of a capture. */
export type TemplatePart = { readonly text: string } | { readonly capture: string };

const token = /\$(?:\$|(\d)|\{(\w+)\})|[^$]+|\$/g;

/** Returns what is wrong with the text of a template; undefined: nothing. */
export function templateProblem(text: string): string | undefined {
  if (text.length > 2048) return 'it is longer than 2048 characters: write a shorter one';
  if (/[^\x21-\x7e]|[\\"<>]/.test(text)) {
    return 'it has a character that is not allowed in a URL: write it encoded, such as %20 for a space';
  }
  if (/%(?![0-9A-Fa-f]{2})/.test(text)) return 'it has a % without two hexadecimal digits: write %25';
  if ([...text.matchAll(token)].some(([found]) => found === '$')) {
    return '$ must be followed by a number or {name}: write $1 or ${id}, and $$ for the character itself';
  }
  return undefined;
}

/** Parses a text that {@link templateProblem} finds no problem with. */
export function parseTemplate(text: string): Template {
  const [, path = '', query = '', fragment = ''] = /^([^?#]*)(\?[^#]*)?(#.*)?$/.exec(text) ?? [];
  return { path: partsOf(path), query: partsOf(query), fragment: partsOf(fragment) };
}

/** Returns the names of the captures in a template. */
export function capturesIn({ path, query, fragment }: Template): string[] {
  return [...path, ...query, ...fragment].flatMap(part => ('capture' in part ? [part.capture] : []));
}

/** Returns the path of a template with its captures, which need no encoding: they are parts of a path. */
export function fillPath({ path }: Template, captures: Captures): string {
  return fill(path, captures, value => value);
}

/** Returns the query with its `?`, or that of the request; `query`: the request's, without `?`. */
export function fillQuery({ query: template }: Template, captures: Captures, query: string): string {
  if (template.length > 0) return fill(template, captures, encodeValue);
  return query === '' ? '' : `?${query}`;
}

/** Returns the fragment with its `#`; empty: there is none. */
export function fillFragment({ fragment }: Template, captures: Captures): string {
  return fill(fragment, captures, encodeValue);
}

function fill(parts: readonly TemplatePart[], captures: Captures, encode: (value: string) => string): string {
  let text = '';
  for (const part of parts) text += 'text' in part ? part.text : encode(captures[part.capture] ?? '');
  return text;
}

/**
 * Encodes what a path may contain but would end a value in a query: `&`, `+`, `;` and the like. Encoded characters stay
 * encoded.
 */
function encodeValue(value: string): string {
  return value.replace(/[^A-Za-z0-9\-._~/%]/g, char => {
    const code = char.charCodeAt(0).toString(16).toUpperCase();
    return `%${code.padStart(2, '0')}`;
  });
}

function partsOf(text: string): TemplatePart[] {
  return [...text.matchAll(token)].map(([found, number, name]) => {
    const capture = number ?? name;
    return capture === undefined ? { text: found === '$$' ? '$' : found } : { capture };
  });
}
