// PeakLatency: how long an upstream takes, by its recent worst.

/**
 * An average of latencies that rises at once to each that is above it, and falls towards those below it with time: "peak EWMA",
 * as Finagle has it. Without requests it falls too, so that who was slow is asked again. Times are ms of a monotonic clock.
 */
export class PeakLatency {
  private value = 0;
  private at: number;
  private readonly decayMs: number;
  private isKnown = false;

  /** `decayMs`: in this time it falls to 1/e of where it was. */
  constructor(decayMs: number, now: number) {
    this.decayMs = decayMs;
    this.at = now;
  }

  /** Was anything observed? */
  get known(): boolean {
    return this.isKnown;
  }

  /** What it has fallen to at `now`, ms. */
  valueAt(now: number): number {
    return now <= this.at ? this.value : this.value * Math.exp((this.at - now) / this.decayMs);
  }

  observe(latency: number, now: number): void {
    this.isKnown = true;
    const kept = now <= this.at ? 1 : Math.exp((this.at - now) / this.decayMs);
    this.value = latency > this.value * kept ? latency : this.value * kept + latency * (1 - kept);
    this.at = Math.max(this.at, now);
  }
}
