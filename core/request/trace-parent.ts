// traceparent: the field that carries the trace of a request (W3C Trace Context section 3.2).

const form = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const maxLength = 256;
const sampledFlag = 0x01;

/** The content of a `traceparent`: the trace, and the span that sent the request. */
export interface TraceParent {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  /** Whether the sender records its part of the trace. */
  readonly sampled: boolean;
}

/** Returns undefined for text that is not a traceparent. Later versions may be longer, version 00 may not. */
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
