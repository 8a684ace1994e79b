// TraceContext: the place of a request in a trace that goes over many services (W3C Trace Context).

/** The place of a request in a trace, as a plugin has said it by `ctx.joinTrace`. */
export interface TraceContext {
  /** The trace: 32 hexadecimal digits. */
  readonly traceId: string;
  /** Is the request's part of the trace recorded? */
  readonly sampled: boolean;
  /**
   * Has the client begun the trace, and is it believed? If not, the client's `traceparent` and `tracestate` reach no upstream, in no
   * spelling and not behind the body.
   */
  readonly continued: boolean;
  /** What upstreams are told as `traceparent`; undefined: what the client has sent. */
  readonly traceparent?: string | undefined;
}
