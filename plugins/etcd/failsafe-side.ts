// FailsafeSide: the interface between an election and failsafe.

/** A leadership, as failsafe sees it. */
export interface HeldSession {
  /** The create revision of the key `leader`. */
  readonly revision: number;
  /** No other node acts before this, monotonic ms. */
  readonly until: number;
  /** The value of `until` that etcd alone has confirmed. */
  readonly etcdUntil: number;
  /** Whether etcd has lost it, while the promises of the others hold. */
  readonly isRetaken: boolean;
}

/** The time for which the promises of all others hold. */
export interface PromisedTime {
  /** When the first of them was requested, monotonic ms. */
  readonly asked: number;
  /** No other node acts before this, monotonic ms. */
  readonly until: number;
}

/** What keeps a leadership while etcd is away. */
export interface FailsafeSide {
  /** What this node has promised to others. */
  readonly promises: { readonly holder: string | undefined };
  /** Since when this process makes the promises of this node, monotonic ms; infinite: not yet. */
  readonly answersSince: number;
  /** Whether a leadership is held by promises alone, because etcd does not answer. */
  readonly isActive: boolean;
  /** What all others have promised; undefined: there are no others, or not all have promised. */
  readonly promised: PromisedTime | undefined;
  /** The leadership was won; `again`: no other node led since this one did. */
  won(session: HeldSession, standing: { readonly again: boolean }): void;
  /** etcd has confirmed the leadership: promises are not needed now. */
  rest(): void;
  /** The leadership is over. */
  over(): void;
  /** Asks the others; calls `prolong` when all have promised. */
  ask(session: HeldSession, prolong: (promised: PromisedTime) => void): void;
}
