// TraceContext: the place of a request in a trace that goes over many services (W3C Trace Context).

/** The place of a request in a trace, as a plugin has said it by `ctx.joinTrace`. */
export interface TraceContext {
  /** The trace: 32 hexadecimal digits. */
  readonly traceId: string;
  /** Is the request's part of the trace recorded? */
  readonly sampled: boolean;
  /**
   * What upstreams are told as `traceparent`, in place of all spellings of what came; undefined: what the client says of its trace
   * passes as it came.
   */
  readonly traceparent: string | undefined;
  /** Is it the client's trace, so that the client's `tracestate` passes beside another `traceparent`? */
  readonly continued: boolean;
}
