// HeadLimits: how large the head of a message may be.

/** Limits of a head, in bytes and lines. */
export interface HeadLimits {
  readonly requestLine: number;
  readonly headers: number;
  readonly headerCount: number;
}
