// Header text: finds single fields in field lines that are still the text which was read, without taking it apart.

const colon = 0x3a;
const hyphen = 0x2d;

/** How names are compared: `exact` but for case, or `folded`: as CGI makes one variable of `X-User`, `X_User` and `X.User`. */
export type NameMatch = 'exact' | 'folded';

/**
 * Where the first line of a field begins; -1: there is none. `text`: lines of `Name: value` CRLF; `key`: the name in lower
 * case, for `folded` with hyphens alone; `from`: where a line begins.
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

/** The value of the line that begins at `pos`, of a name of this length. */
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
