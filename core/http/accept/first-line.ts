// FirstLine: which protocol the first bytes of a client without TLS are, where a listener speaks two (RFC 9113 section 3.3).
import { CR, LF, SP, tokenChar } from '../exchange/grammar.ts';
import { clientPreface } from '../h2/frames.ts';

/** Of `PRI `, which no request of HTTP/1.1 begins with (RFC 9113 section 11.6). */
const reserved = clientPreface.subarray(0, 4);
/** Empty lines before a request line that HTTP/1.1 skips. */
const leadingLines = 2;
/** What has not shown itself to be a request line by then, is none. */
const longestDoubt = 512;

/**
 * The protocol; undefined: more bytes decide. What is neither is HTTP/2 with an invalid preface, and ended as that
 * (section 3.4). A request line with a mistake is HTTP/1.1 all the same, which has an answer for it.
 */
export function protocolOf(bytes: Buffer): 'h2' | 'http/1.1' | undefined {
  const seen = bytes.subarray(0, reserved.length);
  if (seen.equals(reserved.subarray(0, seen.length))) return seen.length < reserved.length ? undefined : 'h2';
  const start = lineStart(bytes);
  let pos = start;
  while (tokenChar[bytes[pos] ?? 0] === 1) pos++;
  if (pos >= bytes.length) return pos - start > longestDoubt ? 'h2' : undefined;
  if (bytes[pos] !== SP || pos === start) return 'h2';
  const target = pos + 1;
  if (target >= bytes.length) return undefined;
  // So most requests begin: nothing else has to come.
  if (bytes[target] === 0x2f) return 'http/1.1';
  const lineEnd = bytes.indexOf(LF, target);
  const rest = bytes.toString('latin1', target, lineEnd < 0 ? bytes.length : lineEnd);
  if (/^(?:https?:\/\/|\S* HTTP\/)/i.test(rest)) return 'http/1.1';
  return lineEnd >= 0 || rest.length > longestDoubt ? 'h2' : undefined;
}

/** Behind the empty lines that may come before a request. */
function lineStart(bytes: Buffer): number {
  let start = 0;
  while (start < leadingLines * 2 && bytes[start] === CR && (bytes[start + 1] ?? LF) === LF) start += 2;
  return Math.min(start, bytes.length);
}
