// RequestBody: reads the JSON body of an admin request, bounded in size and depth, whatever its Content-Type says.
import type { IncomingMessage } from 'node:http';
import { WeldrError } from '../../core/errors.ts';

/** The deepest nesting of arrays and objects. */
const maxDepth = 32;
/** A body over the limit is read and dropped up to this size, bytes, so that the client can read the response. */
const maxDropped = 1024 * 1024;

/**
 * Resolves with the parsed body; undefined if there is none. Throws BODY_TOO_LARGE over `maxBytes`, and INPUT_INVALID for
 * anything but JSON in UTF-8. `hold` is called with the bytes that are kept, and may throw. The Content-Type is ignored, because
 * curl's `-d` claims to send a form.
 */
export async function readBody(
  request: IncomingMessage,
  maxBytes: number,
  hold: (bytes: number) => void,
): Promise<unknown> {
  const pieces: Buffer[] = [];
  let length =
    Number(request.headers['content-length'] ?? 0) > maxBytes + maxDropped ? Number.POSITIVE_INFINITY : 0;
  if (length === 0) {
    for await (const piece of request as AsyncIterable<Buffer>) {
      length += piece.length;
      if (length <= maxBytes) {
        hold(piece.length);
        pieces.push(piece);
      } else if (length > maxBytes + maxDropped) break;
    }
  }
  if (length > maxBytes) {
    throw new WeldrError('BODY_TOO_LARGE', `the body may have at most ${maxBytes} bytes`);
  }
  return length === 0 ? undefined : parseJson(Buffer.concat(pieces));
}

function parseJson(bytes: Buffer): unknown {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (thrown) {
    const why = thrown instanceof SyntaxError ? thrown.message : 'it is not UTF-8';
    throw new WeldrError('INPUT_INVALID', `the body is not JSON: ${why}`);
  }
  if (isDeeper(value, maxDepth)) {
    throw new WeldrError('INPUT_INVALID', `the body is nested deeper than ${maxDepth} levels`);
  }
  return value;
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some(inner => isDeeper(inner, levels - 1));
}
