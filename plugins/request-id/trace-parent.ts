// traceparent: the trace that a request belongs to, as W3C Trace Context section 3.2 has it.

const form = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$/;
const maxLength = 256;

/** The id of the trace; undefined: what came is no traceparent. Later versions may be longer, version 00 may not. */
export function traceIdOf(traceparent: string): string | undefined {
  if (traceparent.length > maxLength) return undefined;
  const [, version, traceId, parentId, more] = form.exec(traceparent) ?? [];
  if (traceId === undefined || version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  return isZero(traceId) || isZero(parentId ?? '') ? undefined : traceId;
}

function isZero(digits: string): boolean {
  return /^0+$/.test(digits);
}
