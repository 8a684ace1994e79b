// LatencyHistogram: durations in a fixed number of buckets, which get wider as times get longer.

const smallestMs = 0.1;
const bucketsAnOctave = 4;
// 20 doublings from 0.1 ms to 105 s; longer times count as 105 s.
const bucketCount = 20 * bucketsAnOctave + 1;

/** Counts as they are sent: `[bucket, count, bucket, count…]`, without empty buckets. */
export type LatencyCounts = number[];

/** A histogram on a logarithmic scale: quantiles are true to within 9 %, from 0.1 ms to 105 s. */
export class LatencyHistogram {
  private readonly counts = new Float64Array(bucketCount);
  private total = 0;

  record(ms: number): void {
    const bucket = ms <= smallestMs ? 0 : Math.ceil(Math.log2(ms / smallestMs) * bucketsAnOctave);
    const at = Math.min(bucket, bucketCount - 1);
    this.counts[at] = (this.counts[at] ?? 0) + 1;
    this.total += 1;
  }

  add(counts: LatencyCounts): void {
    for (let i = 0; i + 1 < counts.length; i += 2) {
      const bucket = counts[i] ?? 0;
      const count = counts[i + 1] ?? 0;
      if (bucket >= bucketCount) continue;
      this.counts[bucket] = (this.counts[bucket] ?? 0) + count;
      this.total += count;
    }
  }

  /** Adds the counts of another histogram. */
  addAll(other: LatencyHistogram): void {
    for (const [bucket, count] of other.counts.entries()) {
      if (count > 0) this.counts[bucket] = (this.counts[bucket] ?? 0) + count;
    }
    this.total += other.total;
  }

  /** Returns the counts since the last call. */
  take(): LatencyCounts {
    const taken: LatencyCounts = [];
    if (this.total === 0) return taken;
    for (const [bucket, count] of this.counts.entries()) if (count > 0) taken.push(bucket, count);
    this.counts.fill(0);
    this.total = 0;
    return taken;
  }

  /** How many times were recorded. */
  get count(): number {
    return this.total;
  }

  /** The sum of all times, ms. Each counts as the middle of its bucket, so that recording need not add. */
  get sum(): number {
    if (this.total === 0) return 0;
    let sum = 0;
    for (let bucket = 0; bucket < bucketCount; bucket++) sum += (this.counts[bucket] ?? 0) * middleOf(bucket);
    return Number(sum.toFixed(3));
  }

  /** The time in ms below which this part (0 to 1) of all times stayed; null when nothing was recorded. */
  quantile(part: number): number | null {
    if (this.total === 0) return null;
    let left = part * this.total;
    for (const [bucket, count] of this.counts.entries()) {
      left -= count;
      if (left <= 1e-9 && count > 0) return middleOf(bucket);
    }
    return middleOf(bucketCount - 1);
  }
}

/** The geometric middles of all buckets, to three digits. */
const middles = Array.from({ length: bucketCount }, (_, bucket) =>
  Number((smallestMs * 2 ** ((bucket - 0.5) / bucketsAnOctave)).toPrecision(3)),
);

function middleOf(bucket: number): number {
  return middles[bucket] ?? 0;
}
