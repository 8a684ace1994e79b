// Readings: what upstreams make of a path that is not plain. Each rule is something that a server, framework or file system
// in use does; a reading is the result of any of them, in any order and number.
import { decodeUnreserved, removeDotSegments } from './path-normal-form.ts';

/** The most readings of one path, the normal form included: a set of readings is a number with that many bits. */
export const maxReadings = 30;

/** The most work for one path: forms on the way, and their characters together. */
const maxForms = 64;
const maxCharacters = 32 * 1024;

/** Changes a path as some software does. Forms hold decoded bytes, one per character. */
type Rule = (path: string) => string;

const rules: readonly Rule[] = [
  path => removeDotSegments(decodeUnreserved(path)),
  // nginx, Go and many others merge slashes.
  path => path.replace(/\/{2,}/g, '/'),
  // Windows, and the URLs of browsers and Node.
  path => path.replaceAll('\\', '/'),
  path => path.replace(/%2f/gi, '/'),
  path => path.replace(/%5c/gi, '\\'),
  // Software that decodes; twice for %25.
  path => path.replace(/%[0-9a-f]{2}/gi, decodeByte),
  // IIS: %u002f.
  path => path.replace(/%u([0-9a-f]{4})/gi, decodeUnicodeEscape),
  // Servlet containers drop the parameters of a segment, or all from the first on.
  path => path.replace(/;[^/]*/g, ''),
  path => cutAt(path, /;/),
  path => cutAt(path, /[?#\0]/),
  // Control characters are dropped.
  path => path.replace(/[^ -~\x80-\xff]/g, ''),
  // Windows ignores dots and spaces at the end of a name, many others spaces around it.
  path => path.replace(/([^/. ])[. ]+(?=\/|$)/g, '$1'),
  path => path.replace(/(?<! ) +(?=\/|$)|(?<=\/) +/g, ''),
  foldUnicode,
  dropInvalidBytes,
  // A URL relative to a scheme: new URL('//any/login', base).
  path => path.replace(/^\/{2,}[^/]*/, ''),
];

/**
 * The readings of a path in which unreserved characters are already decoded, each once, with and without dot segments.
 * Undefined when there are too many to look at.
 */
export function lenientReadings(path: string): string[] | undefined {
  const forms = new Set([path]);
  let characters = path.length;
  // A set also iterates over what is added during the loop.
  for (const form of forms) {
    for (const rule of rules) {
      const next = rule(form);
      if (next === form || forms.has(next)) continue;
      characters += next.length;
      if (forms.size >= maxForms || characters > maxCharacters) return undefined;
      forms.add(next);
    }
  }
  const readings = new Set<string>();
  for (const form of forms) {
    const decoded = decodeUnreserved(form);
    readings.add(encode(removeDotSegments(decoded)));
    // Routers that take a path as it is, such as Express, see the dots.
    readings.add(encode(decoded));
  }
  return [...readings];
}

/** Encodes as the normal form does, so that patterns can be compared. */
function encode(path: string): string {
  const encoded = path.replace(/[^\x21-\x7e]|["#<>?\\]|%(?![0-9a-f]{2})/gi, encodeByte);
  return encoded.startsWith('/') ? encoded : `/${encoded}`;
}

/** `%00` to `%FF`. */
const triplets = Array.from(
  { length: 256 },
  (_, code) => `%${code.toString(16).toUpperCase().padStart(2, '0')}`,
);
const bytes: ReadonlyMap<string, string> = new Map(triplets.map((t, code) => [t, String.fromCharCode(code)]));

function encodeByte(char: string): string {
  return triplets[char.charCodeAt(0)] ?? '';
}

function decodeByte(triplet: string): string {
  return bytes.get(triplet) ?? bytes.get(triplet.toUpperCase()) ?? triplet;
}

function decodeUnicodeEscape(_escape: string, digits: string): string {
  return toBytes(String.fromCharCode(Number.parseInt(digits, 16)));
}

function cutAt(path: string, end: RegExp): string {
  const at = path.search(end);
  return at < 0 ? path : path.slice(0, at);
}

function toBytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** Compatible characters become one, in lower case: a full-width `ｌ` or a `K` for Kelvin. */
function foldUnicode(path: string): string {
  if (!/[\x80-\xff]/.test(path)) return path;
  const text = decodeLeniently(path).normalize('NFKC');
  return toBytes(text.replace(/[\u0080-\uffff]+/g, part => part.toLowerCase()));
}

/** UTF-8 as careless decoders read it: overlong (`%C0%AF` for `/`), and as latin1 when it is invalid. */
function decodeLeniently(path: string): string {
  return path.replace(
    /[\xc0-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf7][\x80-\xbf]{3}/g,
    decodeSequence,
  );
}

function decodeSequence(sequence: string): string {
  let code = sequence.charCodeAt(0) & (0xff >> (sequence.length + 1));
  for (let i = 1; i < sequence.length; i++) code = (code << 6) | (sequence.charCodeAt(i) & 0x3f);
  return code > 0x10ffff ? '' : String.fromCodePoint(code);
}

/** Drops bytes that are not UTF-8, as lossy decoders do. */
function dropInvalidBytes(path: string): string {
  if (!/[\x80-\xff]/.test(path)) return path;
  return toBytes(Buffer.from(path, 'latin1').toString('utf8').replaceAll('\ufffd', ''));
}
