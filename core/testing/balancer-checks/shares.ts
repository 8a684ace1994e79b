// Shares: how many requests each upstream got, and the message when that is wrong.

/** How many requests each upstream got. */
export class Shares {
  private readonly counts = new Map<string, number>();
  private last = '';
  private run = 0;
  total = 0;
  /** The most requests in a row that one upstream got. */
  longestRun = 0;
  /** The requests that went where the previous one went. */
  repeats = 0;

  add(id: string): void {
    this.counts.set(id, this.of(id) + 1);
    this.total++;
    if (id === this.last) this.repeats++;
    this.run = id === this.last ? this.run + 1 : 1;
    this.last = id;
    this.longestRun = Math.max(this.longestRun, this.run);
  }

  of(id: string): number {
    return this.counts.get(id) ?? 0;
  }

  /** How many upstreams got any. */
  get size(): number {
    return this.counts.size;
  }

  /** For messages: `7 of 600 requests`. */
  describe(id: string): string {
    return `${this.of(id)} of ${this.total} requests`;
  }

  /** Throws unless each of the upstreams got a request. */
  expectAll(ids: readonly string[], when: string): void {
    for (const id of ids) {
      if (this.of(id) === 0) throw new Error(`${when} ${id} was never chosen, in ${this.total} requests`);
    }
  }

  /**
   * Throws unless these shares are within two fifths of each earlier one: over four standard deviations when an upstream gets
   * some 250 requests by chance, and less than what a lost count changes in a choice between two.
   */
  expectAlike(before: Shares, ids: readonly string[], when: string): void {
    this.expectNotStarved(before, ids, when);
    for (const id of ids) {
      if (this.of(id) <= before.of(id) * 1.4 + slack) continue;
      throw new Error(`${when} ${id} got ${this.describe(id)}, and ${before.describe(id)} before`);
    }
  }

  /** Throws if one of the upstreams gets far less than before, within what {@link expectAlike} allows. */
  expectNotStarved(before: Shares, ids: readonly string[], when: string): void {
    for (const id of ids) {
      if (this.of(id) >= before.of(id) * 0.6 - slack) continue;
      throw new Error(`${when} ${id} got only ${this.describe(id)}, and ${before.describe(id)} before`);
    }
  }
}

// For upstreams with few requests, as in a ring: whole requests.
const slack = 8;
