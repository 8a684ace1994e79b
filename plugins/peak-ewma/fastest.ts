// Fastest: chooses by latency and requests in flight.
import type { Pool, Upstream } from '../../core/pool/pool.ts';
import { WeightedDraw } from '../../core/pool/weighted-draw.ts';
import { PeakLatency } from './peak-latency.ts';

/** Chooses the cheaper of two upstreams drawn by weight. The cost is the latency times what would be in flight. */
export class Fastest {
  private readonly draw: WeightedDraw;
  private readonly decayMs: number;
  private readonly latencies = new WeakMap<Upstream, PeakLatency>();

  /** @param random returns a number from 0 to below 1; default `Math.random` */
  constructor(pool: Pool, decayMs: number, random?: () => number) {
    this.draw = new WeightedDraw(pool, random);
    this.decayMs = decayMs;
  }

  /** Returns one that is not in `tried`; any if all were tried; undefined if there is none. */
  choose(tried: readonly Upstream[], now: number): Upstream | undefined {
    const { draw } = this;
    const one = draw.nextUntried(tried);
    if (one === undefined) return draw.next();
    const other = draw.nextUntried(tried, one);
    return other === undefined || this.costOf(one, now) <= this.costOf(other, now) ? one : other;
  }

  /** Records that a request took `latency` ms, or at least that long. */
  observe(upstream: Upstream, latency: number, now: number): void {
    let known = this.latencies.get(upstream);
    if (known === undefined) {
      known = new PeakLatency(this.decayMs, now);
      this.latencies.set(upstream, known);
    }
    known.observe(latency, now);
  }

  /** The latency as of now, ms; 0: unknown. */
  latencyOf(upstream: Upstream, now: number): number {
    return this.latencies.get(upstream)?.valueAt(now) ?? 0;
  }

  /** An unknown upstream costs nothing for its first request, and more than any other until that has been answered. */
  private costOf(upstream: Upstream, now: number): number {
    const latency = this.latencies.get(upstream);
    if (latency === undefined) return upstream.inFlight === 0 ? 0 : Number.MAX_VALUE;
    return (latency.valueAt(now) + 1e-3) * (upstream.inFlight / upstream.weight + 1);
  }
}
