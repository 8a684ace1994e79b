// Tokens (RFC 9110 section 5.6.2): what methods, field names, codings and the names of cookies are made of.

const tchar = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]";

/** A whole text that is a token. */
export const token = new RegExp(`^${tchar}+$`);

/** The name of a cookie, of a length that every browser takes. */
export const cookieName = new RegExp(`^${tchar}{1,64}$`);

/** A protocol of an Upgrade field, such as `websocket` or `HTTP/2.0`. */
export const protocolName = new RegExp(`^${tchar}+(?:/${tchar}+)?$`);

export function isToken(text: string): boolean {
  return token.test(text);
}
