// TraceContext: the place of a request in a distributed trace (W3C Trace Context).

/** The place of a request in a trace, as a plugin set it with `ctx.joinTrace`. */
export interface TraceContext {
  /** The trace: 32 hexadecimal digits. */
  readonly traceId: string;
  /** Whether the request's part of the trace is recorded. */
  readonly sampled: boolean;
  /**
   * The `traceparent` for upstreams, replacing all spellings of what was received; undefined: the client's trace fields pass
   * unchanged.
   */
  readonly traceparent: string | undefined;
  /** Whether it is the client's trace. If so, the client's `tracestate` passes beside another `traceparent`. */
  readonly continued: boolean;
}
