// The one grammar that all protocols share: tables of allowed characters, indexed by byte or latin1 code, and special names.
import { isToken } from '../../grammar/token.ts';

function table(accepts: (code: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, code) => (accepts(code) ? 1 : 0));
}

/** tchar (RFC 9110 section 5.6.2): the characters of methods and field names. */
export const tokenChar = table(c => isToken(String.fromCharCode(c)));

/** The characters of field values: visible ones, obs-text, SP, HTAB (RFC 9110 section 5.5). */
export const valueChar = table(c => c === 0x09 || (c >= 0x20 && c !== 0x7f));

/** The value of a hexadecimal digit, or 255. */
export const hexValue = Uint8Array.from({ length: 256 }, (_, code) => {
  const value = Number.parseInt(String.fromCharCode(code), 16);
  return Number.isNaN(value) ? 255 : value;
});

/** Names that CGI-like origins read as X-Forwarded-*: `X_Forwarded_For`, `X.Forwarded.Host`. */
export const forwardingAlias = /^(?:x[._-]forwarded[._-]|forwarded[._])/;

/**
 * Returns whether these bytes begin a TLS handshake, in a record of any version (RFC 8446 section 5.1). No HTTP message
 * begins with them.
 */
export function beginsTls(first: number | undefined, second: number | undefined): boolean {
  return first === 0x16 && second === 0x03;
}

export const TAB = 0x09;
export const LF = 0x0a;
export const CR = 0x0d;
export const SP = 0x20;
export const ZERO = 0x30;
export const COLON = 0x3a;
