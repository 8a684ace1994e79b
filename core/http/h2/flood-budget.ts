// FloodBudget: how much a peer may cost by frames that advance no request (RFC 9113 section 10.5).

/** How much such a frame takes from the budget. */
export const frameCost = {
  /** A stream that the peer cancels, or that is reset for what it sent: work for nothing. */
  reset: 10,
  /**
   * PING, SETTINGS and their acknowledgements, PRIORITY, an empty DATA, a frame of an unknown type, WINDOW_UPDATE, GOAWAY, a
   * head of a stream that was reset.
   */
  control: 1,
} as const;

/** The size of a budget. */
export interface FloodLimits {
  /** How much may be spent at once, and how much comes back each second. */
  readonly most: number;
  readonly perSecond: number;
}

/** How much a complete response gives back. */
const perResponse = 20;
/** This many bytes of bodies give one back: a peer that takes them opens windows again, once or twice a frame. */
const bytesForOne = 2_048;

/** How much a frame of a body gives back, however small: the other end may open two windows for it, and send a PING. */
const perFrame = 4;

/** How much a cancelled stream gives back: its head, trailers and a reset may be on their way. */
const perCancel = 3;

/** The budget of one connection. */
export class FloodBudget {
  private readonly limits: FloodLimits;
  private left: number;
  private filledAt: number;

  /** `now`: the time of the deadlines, ms. */
  constructor(now: number, limits: FloodLimits) {
    this.limits = limits;
    this.left = limits.most;
    this.filledAt = now;
  }

  /** Returns false if the budget is exhausted. */
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

  /** A stream that did nothing wrong is cancelled. */
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
