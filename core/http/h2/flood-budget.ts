// FloodBudget: how much a peer may cost by frames that advance no request (RFC 9113 section 10.5).

/** How much such frames take from the budget. */
export const frameCost = {
  /** A stream that a client cancels, or that is reset for what the peer sent: wasted work. */
  reset: 10,
  /**
   * PING, SETTINGS and their acknowledgements, PRIORITY, empty DATA, frames of unknown types, WINDOW_UPDATE, GOAWAY, heads on
   * streams that were reset, RST_STREAM from an upstream.
   */
  control: 1,
} as const;

/** The size of a budget. */
export interface FloodLimits {
  /** How much may be spent at once, and how much comes back each second. */
  readonly most: number;
  readonly perSecond: number;
}

/** How much a complete response earns. */
const perResponse = 20;
/** This many bytes of bodies earn 1: a peer that reads them reopens windows, once or twice per frame. */
const bytesForOne = 2_048;

/** How much DATA earns, however little: the peer may open two windows for it and send a PING. */
const perFrame = 4;

/** How much an upstream earns when Weldr resets a stream: its head, trailers and a reset may be on their way. */
const perCancel = 3;

/** The budget of one connection. */
export class FloodBudget {
  private readonly limits: FloodLimits;
  private left: number;
  private filledAt: number;

  /** `now`: the time by `Deadlines.now`, ms. */
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

  /** Called for a complete response. */
  earn(): void {
    this.left = Math.min(this.limits.most, this.left + perResponse);
  }

  /** Called when Weldr resets a stream to an upstream, mostly because a request was cancelled. */
  earnByCancel(): void {
    this.left = Math.min(this.limits.most, this.left + perCancel);
  }

  /** Called when DATA was sent, unless a client's window cut it short. */
  earnByFrame(): void {
    this.left = Math.min(this.limits.most, this.left + perFrame);
  }

  /** Called for bytes of bodies that were sent. */
  earnBy(bytes: number): void {
    this.left = Math.min(this.limits.most, this.left + bytes / bytesForOne);
  }
}
