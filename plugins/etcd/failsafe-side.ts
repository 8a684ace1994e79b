// FailsafeSide: what an election and failsafe know of each other.

/** A leadership that is held, as failsafe sees it. */
export interface HeldSession {
  /** The create revision of the key `leader`. */
  readonly revision: number;
  /** Nobody else acts before this, in monotonic ms. */
  readonly until: number;
  /** The same, by the word of etcd alone. */
  readonly etcdUntil: number;
  /** etcd has lost it, the promises of the others hold. */
  readonly isTakenAnew: boolean;
}

/** For how long the promises of all others hold. */
export interface PromisedTime {
  /** When the first of them was asked for, in monotonic ms. */
  readonly asked: number;
  /** Nobody else acts before this, in monotonic ms. */
  readonly until: number;
}

/** What keeps a leadership while etcd is away. */
export interface FailsafeSide {
  /** What this node has promised others. */
  readonly promises: { readonly holder: string | undefined };
  /** Since when this process is the one that promises for this node, monotonic ms; infinite: not yet. */
  readonly answersSince: number;
  /** Is a leadership held by promises alone, as etcd does not answer? */
  readonly isActive: boolean;
  /** What all others have promised; undefined: there is nobody to promise, or not all of them have. */
  readonly promised: PromisedTime | undefined;
  /** `again`: nobody led since this node did. */
  won(session: HeldSession, standing: { readonly again: boolean }): void;
  /** It is not needed now. */
  rest(): void;
  over(): void;
  /** Asks the others; calls `prolong` when all have promised. */
  ask(session: HeldSession, prolong: (promised: PromisedTime) => void): void;
}
