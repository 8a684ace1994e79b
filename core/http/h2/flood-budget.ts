// FloodBudget: what a client may cost with frames that bring no request further (RFC 9113 section 10.5).

/** What such a frame takes from the budget. */
export const frameCost = {
  /** A stream that the client gives up, or that is reset for what it sent: it began work for nothing. */
  reset: 10,
  /** PING, SETTINGS, PRIORITY, an empty DATA, a frame of a type that is not known, a WINDOW_UPDATE. */
  control: 1,
} as const;

/** All that may be spent at once, and what comes back each second. */
const most = 2_000;
const perSecond = 400;
/** What a response that has left gives back. */
const perResponse = 20;
/** So many bytes of bodies give one back: who takes them opens windows again, once or twice a frame. */
const bytesForOne = 2_048;

/** The budget of one connection. */
export class FloodBudget {
  private left = most;
  private filledAt: number;

  /** `now`: of the deadlines, ms. */
  constructor(now: number) {
    this.filledAt = now;
  }

  /** False: the client has gone too far. */
  spend(cost: number, now: number): boolean {
    if (this.left < cost) {
      this.left = Math.min(most, this.left + ((now - this.filledAt) * perSecond) / 1000);
      this.filledAt = now;
    }
    this.left -= cost;
    return this.left >= 0;
  }

  /** A response has left. */
  earn(): void {
    this.left = Math.min(most, this.left + perResponse);
  }

  /** Bytes of a body have left. */
  earnBy(bytes: number): void {
    this.left = Math.min(most, this.left + bytes / bytesForOne);
  }
}
