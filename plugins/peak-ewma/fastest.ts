// Fastest: chooses by latency, with what is in flight counted in.
import type { Pool, Upstream } from '../../core/pool/pool.ts';
import { WeightedDraw } from '../../core/pool/weighted-draw.ts';
import { PeakLatency } from './peak-latency.ts';

/** The cheaper one of two upstreams that were drawn by weight, cost being latency times what would be in flight. */
export class Fastest {
  private readonly draw: WeightedDraw;
  private readonly decayMs: number;
  private readonly latencies = new WeakMap<Upstream, PeakLatency>();

  /** `random`: numbers from 0 to below 1; default `Math.random`. */
  constructor(pool: Pool, decayMs: number, random?: () => number) {
    this.draw = new WeightedDraw(pool, random);
    this.decayMs = decayMs;
  }

  /** One that is not among `tried`; when all were tried, any. Undefined: there is none. */
  choose(tried: readonly Upstream[], now: number): Upstream | undefined {
    const { draw } = this;
    const one = draw.nextUntried(tried);
    if (one === undefined) return draw.next();
    const other = draw.nextUntried(tried, one);
    return other === undefined || this.costOf(one, now) <= this.costOf(other, now) ? one : other;
  }

  /** A request to it took so long, or longer than so long. */
  observe(upstream: Upstream, latency: number, now: number): void {
    let known = this.latencies.get(upstream);
    if (known === undefined) {
      known = new PeakLatency(this.decayMs, now);
      this.latencies.set(upstream, known);
    }
    known.observe(latency, now);
  }

  /** What it has fallen to, ms; 0: nothing is known. */
  latencyOf(upstream: Upstream, now: number): number {
    return this.latencies.get(upstream)?.valueAt(now) ?? 0;
  }

  /** Of one that is not known it costs nothing to ask once, and more than any other until that has answered. */
  private costOf(upstream: Upstream, now: number): number {
    const latency = this.latencies.get(upstream);
    if (latency === undefined) return upstream.inFlight === 0 ? 0 : Number.MAX_VALUE;
    return (latency.valueAt(now) + 1e-3) * (upstream.inFlight / upstream.weight + 1);
  }
}
