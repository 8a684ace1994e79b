// Message framing: where a body ends (RFC 9112 section 6), read as strictly as the RFC allows.

import { isToken } from '../../grammar/token.ts';
import { SP, TAB, ZERO } from '../exchange/grammar.ts';
import type { FieldReader } from './fields.ts';

/** Body lengths that are not byte counts. */
export const chunked = -1;
export const untilClose = -2;

/** The most digits of a Content-Length that is exact as a number. */
const maxLengthDigits = 15;

/** What is wrong with a framing, and whether it is merely unsupported. */
export interface FramingProblem {
  readonly detail: string;
  readonly unsupported: boolean;
}

const problem = (detail: string, unsupported = false): FramingProblem => ({ detail, unsupported });

/**
 * Returns the body length that a message announces: bytes, {@link chunked}, or `fallback` if it announces none. Returns a
 * problem if it is malformed or not supported.
 */
export function bodyLength(fields: FieldReader, minor: number, fallback: number): number | FramingProblem {
  const { contentLength, transferEncoding } = fields;
  if (transferEncoding !== undefined) {
    if (contentLength !== undefined) return problem('Content-Length together with Transfer-Encoding');
    if (minor === 0) return problem('Transfer-Encoding in an HTTP/1.0 message');
    if (transferEncoding.toLowerCase() === 'chunked') return chunked;
    return problem('a Transfer-Encoding other than chunked', isForeignCoding(transferEncoding));
  }
  if (contentLength === undefined) return fallback;
  const length = readLength(contentLength);
  return length < 0 ? problem('a malformed Content-Length') : length;
}

/** Parses a Content-Length, which must consist of digits; -1 if it is malformed. */
function readLength(text: string): number {
  if (text.length === 0 || text.length > maxLengthDigits) return -1;
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - ZERO;
    if (digit < 0 || digit > 9) return -1;
    length = length * 10 + digit;
  }
  return length;
}

/**
 * Returns whether it is a well-formed list whose only `chunked` comes last. Its framing is clear, but the other codings are
 * not supported.
 */
function isForeignCoding(value: string): boolean {
  const codings = listElements(value.toLowerCase());
  return codings.every(isToken) && codings.indexOf('chunked') === codings.length - 1;
}

/**
 * Returns the elements of a comma-separated list (RFC 9110 section 5.6.1), including empty ones. Trimmed by hand: a regular
 * expression that matches blanks before a comma takes quadratic time if there is no comma.
 */
export function listElements(value: string): string[] {
  return value.split(',').map(withoutBlanks);
}

function withoutBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isBlank(c: number): boolean {
  return c === SP || c === TAB;
}

/** The most names that are accepted, because each is looked up among all fields. */
const maxOptions = 64;

/** Returns the options of a Connection field, in lower case; undefined if it is malformed. */
export function connectionOptions(value: string): readonly string[] | undefined {
  const options = listElements(value.toLowerCase());
  const wellFormed =
    options.length <= maxOptions && options.every(option => option === '' || isToken(option));
  return wellFormed ? options : undefined;
}

// Fields that Connection cannot remove: those for framing and routing, those that Weldr sets, and those of a trusted proxy.
const kept: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'date',
  'via',
  'expect',
  'max-forwards',
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-forwarded-port',
]);

/** Removes the fields that Connection names (RFC 9110 section 7.6.1), except those in {@link kept}. */
export function dropNamedFields(fields: FieldReader, options: readonly string[]): void {
  fields.hopNames = options;
  for (const option of options) {
    if (option !== '' && option !== 'close' && option !== 'keep-alive' && !kept.has(option)) {
      fields.headers.delete(option);
    }
  }
}
