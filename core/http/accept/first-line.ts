// FirstLine: tells from a client's first bytes which protocol it speaks, for listeners that take both without TLS (RFC 9113
// section 3.3).
import { beginsTls, CR, LF, SP, tokenChar } from '../exchange/grammar.ts';
import { clientPreface } from '../h2/frames.ts';

/** `PRI `, which begins no HTTP/1.1 request (RFC 9113 section 11.6). */
const reserved = clientPreface.subarray(0, 4);
/** HTTP/1.1 skips this many empty lines before a request line. */
const leadingLines = 2;
/** A request line must be recognizable as one within this many bytes. */
const longestDoubt = 512;

/**
 * Returns the protocol; undefined if more bytes are needed. Bytes of neither protocol count as HTTP/2 with an invalid preface,
 * which ends the connection (section 3.4). A malformed request line is HTTP/1.1, which responds to it. So is a TLS handshake:
 * many TLS clients recognize the response and report that the server speaks plain HTTP.
 */
export function protocolOf(bytes: Buffer): 'h2' | 'http/1.1' | undefined {
  if (beginsTls(bytes[0], bytes[1])) return 'http/1.1';
  const seen = bytes.subarray(0, reserved.length);
  if (seen.equals(reserved.subarray(0, seen.length))) return seen.length < reserved.length ? undefined : 'h2';
  const start = lineStart(bytes);
  let pos = start;
  while (tokenChar[bytes[pos] ?? 0] === 1) pos++;
  if (pos >= bytes.length) return pos - start > longestDoubt ? 'h2' : undefined;
  if (bytes[pos] !== SP || pos === start) return 'h2';
  const target = pos + 1;
  if (target >= bytes.length) return undefined;
  // Most requests begin like this and need no further check.
  if (bytes[target] === 0x2f) return 'http/1.1';
  const lineEnd = bytes.indexOf(LF, target);
  const rest = bytes.toString('latin1', target, lineEnd < 0 ? bytes.length : lineEnd);
  if (/^(?:https?:\/\/|\S* HTTP\/)/i.test(rest)) return 'http/1.1';
  return lineEnd >= 0 || rest.length > longestDoubt ? 'h2' : undefined;
}

/** The index after the empty lines that may precede a request. */
function lineStart(bytes: Buffer): number {
  let start = 0;
  while (start < leadingLines * 2 && bytes[start] === CR && (bytes[start + 1] ?? LF) === LF) start += 2;
  return Math.min(start, bytes.length);
}
