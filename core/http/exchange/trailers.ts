// Trailers: which fields may follow a body (RFC 9110 section 6.5.1), in any protocol.
import { forwardingAlias } from './grammar.ts';

/** Fields that must not come as trailers: they would change framing, routing or trust after the fact. */
const lateFields: ReadonlySet<string> = new Set([
  'content-length',
  'transfer-encoding',
  'host',
  'connection',
  'upgrade',
  'te',
  'trailer',
  'authorization',
  'cookie',
  'set-cookie',
  'expect',
  'via',
  'max-forwards',
  'content-encoding',
  'content-type',
  'content-range',
  'forwarded',
  'traceparent',
  'tracestate',
]);

/** Returns whether a field with this lower-case name must be dropped from trailers. */
export function comesTooLate(key: string): boolean {
  return lateFields.has(key) || forwardingAlias.test(key);
}
