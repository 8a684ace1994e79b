// FloodBudget: what a peer may cost with frames that bring no request further (RFC 9113 section 10.5).

/** What such a frame takes from the budget. */
export const frameCost = {
  /** A stream that the peer gives up, or that is reset for what it sent: it began work for nothing. */
  reset: 10,
  /**
   * PING, SETTINGS and their acknowledgements, PRIORITY, an empty DATA, a frame of a type that is not known, WINDOW_UPDATE,
   * GOAWAY, a head of a stream that was reset.
   */
  control: 1,
} as const;

/** What the budget is filled from. */
export interface FloodLimits {
  /** All that may be spent at once, and what comes back each second. */
  readonly most: number;
  readonly perSecond: number;
}

/** What a response that is complete gives back. */
const perResponse = 20;
/** So many bytes of bodies give one back: who takes them opens windows again, once or twice a frame. */
const bytesForOne = 2_048;

/** What a frame of a body gives back, however small it is: the other end may open two windows for it, and send a PING. */
const perFrame = 4;

/** What a stream gives back that is given up: a head, trailers and a reset of it may be on their way. */
const perCancel = 3;

/** The budget of one connection. */
export class FloodBudget {
  private readonly limits: FloodLimits;
  private left: number;
  private filledAt: number;

  /** `now`: of the deadlines, ms. */
  constructor(now: number, limits: FloodLimits) {
    this.limits = limits;
    this.left = limits.most;
    this.filledAt = now;
  }

  /** False: the peer has gone too far. */
  spend(cost: number, now: number): boolean {
    if (this.left < cost) {
      const { most, perSecond } = this.limits;
      this.left = Math.min(most, this.left + ((now - this.filledAt) * perSecond) / 1000);
      this.filledAt = now;
    }
    this.left -= cost;
    return this.left >= 0;
  }

  /** A response is complete. */
  earn(): void {
    this.left = Math.min(this.limits.most, this.left + perResponse);
  }

  /** A stream is given up that did nothing wrong. */
  earnByCancel(): void {
    this.left = Math.min(this.limits.most, this.left + perCancel);
  }

  /** A frame of a body has left. */
  earnByFrame(): void {
    this.left = Math.min(this.limits.most, this.left + perFrame);
  }

  /** Bytes of a body have left. */
  earnBy(bytes: number): void {
    this.left = Math.min(this.limits.most, this.left + bytes / bytesForOne);
  }
}
