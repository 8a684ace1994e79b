// TokenBuckets: a token bucket for each of a bounded number of keys.

interface Bucket {
  tokens: number;
  /** When `tokens` was computed, ms. */
  at: number;
}

/**
 * Each key has a bucket that holds up to `burst` tokens and gets `rate` of them a second; a request takes one. Keys
 * live in two generations: when the young one is full it becomes the old one, whose keys are forgotten unless they
 * come again before the next change. So there are never more than `keys` of them, and the ones that go have been
 * quiet for at least as long as it took half as many others to come.
 */
export class TokenBuckets {
  private readonly perMs: number;
  private readonly burst: number;
  private readonly generation: number;
  private young = new Map<string, Bucket>();
  private old = new Map<string, Bucket>();

  /** @param rate tokens a second. @param burst the most a bucket holds, 1 or more. @param keys the most buckets */
  constructor(rate: number, burst: number, keys: number) {
    this.perMs = rate / 1000;
    this.burst = burst;
    this.generation = Math.max(1, Math.floor(keys / 2));
  }

  get size(): number {
    return this.young.size + this.old.size;
  }

  /** Takes a token of this key: 0, or the ms until there is one. `now`: ms of a monotonic clock. */
  take(key: string, now: number): number {
    const bucket = this.bucketOf(key, now);
    bucket.tokens = Math.min(this.burst, bucket.tokens + Math.max(0, now - bucket.at) * this.perMs);
    bucket.at = now;
    if (bucket.tokens < 1) return (1 - bucket.tokens) / this.perMs;
    bucket.tokens--;
    return 0;
  }

  private bucketOf(key: string, now: number): Bucket {
    const known = this.young.get(key);
    if (known !== undefined) return known;
    const earlier = this.old.get(key);
    if (this.young.size >= this.generation) {
      this.old = this.young;
      this.young = new Map();
    } else {
      this.old.delete(key);
    }
    const bucket = earlier ?? { tokens: this.burst, at: now };
    this.young.set(key, bucket);
    return bucket;
  }
}
