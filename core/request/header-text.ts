// Header text: finds single fields in header lines that are still text, without parsing them.

const colon = 0x3a;
const hyphen = 0x2d;

/**
 * How names are compared: `exact` except for case, or `folded`, as CGI reads `X-User`, `X_User` and `X.User` as one.
 */
export type NameMatch = 'exact' | 'folded';

/**
 * The position of a field's first line; -1: there is none. `text`: lines of `Name: value` CRLF; `key`: the name in lower
 * case, for `folded` with hyphens only; `from`: the start of a line.
 */
export function lineOf(text: string, key: string, match: NameMatch, from = 0): number {
  const { length } = key;
  for (let pos = from; pos < text.length; ) {
    if (text.charCodeAt(pos + length) === colon && isNamed(text, pos, key, match)) return pos;
    const end = text.indexOf('\r\n', pos);
    if (end < 0) break;
    pos = end + 2;
  }
  return -1;
}

/** The value of the line that begins at `pos`, whose name has this length. */
export function valueAt(text: string, pos: number, nameLength: number): string {
  return text.slice(pos + nameLength + 2, text.indexOf('\r\n', pos + nameLength));
}

function isNamed(text: string, pos: number, key: string, match: NameMatch): boolean {
  for (let i = 0; i < key.length; i++) {
    const code = text.charCodeAt(pos + i);
    const wanted = key.charCodeAt(i);
    if (code === wanted) continue;
    const isCapital = code >= 0x41 && code <= 0x5a && code + 0x20 === wanted;
    const isFolded = match === 'folded' && wanted === hyphen && (code === 0x5f || code === 0x2e);
    if (!isCapital && !isFolded) return false;
  }
  return true;
}
