// traceparent: the field by which a request tells the trace that it belongs to, as W3C Trace Context section 3.2 has it.

const form = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const maxLength = 256;
const sampledFlag = 0x01;

/** What a `traceparent` says: the trace, and the span in it that the request was sent by. */
export interface TraceParent {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  /** Does who sent it record its part of the trace? */
  readonly sampled: boolean;
}

/** Undefined: what came is no traceparent. Later versions may be longer, version 00 may not. */
export function parseTraceParent(text: string): TraceParent | undefined {
  if (text.length > maxLength) return undefined;
  const [, version, traceId, spanId, flags, more] = form.exec(text) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  if (version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  if (isZero(traceId) || isZero(spanId)) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & sampledFlag) !== 0 };
}

function isZero(digits: string): boolean {
  return /^0+$/.test(digits);
}
