// The grammar of a request's first line and its Host, for all protocols.
import { isToken } from './field-value.ts';

// One registered name, IPv4 address or bracketed IPv6 address, and a port, which may be empty. Stricter than RFC 3986:
// no sub-delims and no percent-encoding, which two parsers could read as different hosts.
const authority = /^(?:[a-z0-9_](?:[a-z0-9._~-]*[a-z0-9_.])?|\[[0-9a-f:.]*:[0-9a-f:.]*\])(?::(\d{0,5}))?$/i;

/** A name of 255 characters and a port; longer ones would only take time to match. */
const maxAuthority = 261;

/** Returns whether a text is a host, with or without a port, that can mean only one thing. */
export function isAuthority(text: string): boolean {
  const match = text.length > maxAuthority ? null : authority.exec(text);
  // No name has an empty label: some servers read `shop.example..` as `shop.example`, others do not.
  if (match === null || text.includes('..')) return false;
  return match[1] === undefined || Number(match[1]) <= 65535;
}

/** Returns whether a text is a method that Weldr proxies: a token (RFC 9110 section 9.1) other than CONNECT. */
export function isMethod(text: string): boolean {
  return text.length <= 32 && isToken(text) && text !== 'CONNECT';
}

/**
 * The characters of a request target, as a table over one latin1 character. Wider than RFC 3986, because browsers send
 * `|`, `^` or `{` unencoded; never `#`, which parsers read differently, nor a double quote or angle bracket.
 */
const targetChar = Uint8Array.from({ length: 256 }, (_, code) =>
  /[!$-;=?-[\]-~]/.test(String.fromCharCode(code)) ? 1 : 0,
);

const BACKSLASH = 0x5c;

/**
 * The end of a target that begins at `text[start]`: the index of the first character that it may not hold. The query of an
 * origin-form may hold a backslash, which browsers send unencoded there (WHATWG URL, the query state) and all servers read
 * alike; in a path some read it as a slash.
 */
export function targetEnd(text: string, start: number): number {
  let pos = start;
  while (targetChar[text.charCodeAt(pos)] === 1) pos++;
  if (text.charCodeAt(pos) !== BACKSLASH || text.charCodeAt(start) !== 0x2f) return pos;
  const query = text.indexOf('?', start);
  if (query < 0 || query > pos) return pos;
  while (targetChar[text.charCodeAt(pos)] === 1 || text.charCodeAt(pos) === BACKSLASH) pos++;
  return pos;
}

/** Returns whether a text is a target in origin-form, or `*` (RFC 9112 section 3.2). */
export function isTarget(text: string): boolean {
  if (text.charCodeAt(0) !== 0x2f) return text === '*';
  return targetEnd(text, 0) === text.length;
}
