// PeakLatency: the latency of an upstream, judged by its recent worst.

/**
 * A moving average that rises at once to each latency above it and falls with time towards those below it: "peak EWMA", as in
 * Finagle. It also falls without requests, so that a slow upstream is tried again. Times are ms of a monotonic clock.
 */
export class PeakLatency {
  private value = 0;
  private at: number;
  private readonly decayMs: number;

  /** @param decayMs the time in which it falls to 1/e of its value */
  constructor(decayMs: number, now: number) {
    this.decayMs = decayMs;
    this.at = now;
  }

  /** The value as of `now`, ms. */
  valueAt(now: number): number {
    return now <= this.at ? this.value : this.value * Math.exp((this.at - now) / this.decayMs);
  }

  observe(latency: number, now: number): void {
    const kept = now <= this.at ? 1 : Math.exp((this.at - now) / this.decayMs);
    this.value = latency > this.value * kept ? latency : this.value * kept + latency * (1 - kept);
    this.at = Math.max(this.at, now);
  }
}
