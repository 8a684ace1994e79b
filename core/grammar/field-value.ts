// The grammar of field values, and the fields that concern only one connection.

export { isToken } from './token.ts';

// A value may hold visible characters, obs-text, SP and HTAB (RFC 9110 section 5.5), one latin1 character per byte.
const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Returns whether a text is a field value: it has no control character, and nothing above latin1. */
export function isFieldValue(text: string): boolean {
  return fieldValue.test(text);
}

/**
 * Fields that concern one connection only (RFC 9110 section 7.6.1), in lower case. They are never forwarded; the wire
 * itself writes those that the next connection needs.
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
