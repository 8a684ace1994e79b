// RequestTrace: a request's part of a trace: its span, the parent span, and the spans of its attempts.
import type { TraceContext } from '../../core/request/trace-context.ts';

/** An attempt as it was sent. */
export interface SentAttempt {
  readonly spanId: string;
  readonly method: string;
  /** Path and query. */
  readonly target: string;
}

/** The record that one instance of the plugin keeps of a request. */
export class RequestTrace implements TraceContext {
  readonly traceId: string;
  readonly sampled: boolean;
  readonly continued: boolean;
  readonly traceparent: string | undefined;
  /** The span of the client that sent the request; empty: the request begins the trace. */
  readonly parentId: string;
  /** The span of the request; empty if none is recorded. */
  readonly spanId: string;
  /** By the number of the attempt; undefined: it was never sent. */
  attempts: (SentAttempt | undefined)[] | undefined = undefined;
  /** The instance that keeps it; there may be several. */
  readonly owner: object;

  private constructor(
    owner: object,
    traceId: string,
    spanId: string,
    parentId: string,
    sampled: boolean,
    traceparent: string | undefined,
  ) {
    this.owner = owner;
    this.traceId = traceId;
    this.spanId = spanId;
    this.parentId = parentId;
    this.sampled = sampled;
    this.continued = parentId !== '';
    this.traceparent = traceparent;
  }

  /** Begins a new trace. */
  static begin(owner: object, traceId: string, spanId: string, sampled: boolean): RequestTrace {
    const traceparent = sampled ? traceParent(traceId, spanId) : `00-${traceId}-${spanId}-00`;
    return new RequestTrace(owner, traceId, spanId, '', sampled, traceparent);
  }

  /** Continues a client's trace, whose span is the parent of the request's. */
  static continue(owner: object, traceId: string, spanId: string, parentId: string): RequestTrace {
    return new RequestTrace(owner, traceId, spanId, parentId, true, traceParent(traceId, spanId));
  }

  /** Passes on a client's unrecorded trace unchanged, because there is no span in between. */
  static pass(owner: object, traceId: string, parentId: string): RequestTrace {
    return new RequestTrace(owner, traceId, '', parentId, false, undefined);
  }
}

/** Returns the `traceparent` of a recorded trace; `spanId` is the parent of the upstream's span. */
export function traceParent(traceId: string, spanId: string): string {
  return `00-${traceId}-${spanId}-01`;
}
