// Trailers: which fields may follow a body (RFC 9110 section 6.5.1), whatever protocol brings them.
import { forwardingAlias } from './grammar.ts';

/** Fields that must not come late: they would change framing, routing or trust after the fact. */
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

/** Is a field of this lower-case name dropped from trailers? */
export function comesTooLate(key: string): boolean {
  return lateFields.has(key) || forwardingAlias.test(key);
}
