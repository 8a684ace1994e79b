// Priorities: how many entries there are of each priority, for the highest and the lowest of those that come and go.

/** Lower than any priority; a small integer, which stands in its object and not beside it. */
export const noPriority = -(2 ** 30);

/** The priorities of some entries. */
export class Priorities {
  /** Those that there are, the lowest first, and how many entries each has. */
  private readonly levels: number[] = [];
  private readonly counts: number[] = [];

  /** {@link noPriority}: there is none. */
  get highest(): number {
    return this.levels.at(-1) ?? noPriority;
  }

  /** {@link noPriority}: there is none. */
  get lowest(): number {
    return this.levels[0] ?? noPriority;
  }

  add(priority: number): void {
    const at = this.placeOf(priority);
    if (this.levels[at] === priority) this.counts[at] = (this.counts[at] ?? 0) + 1;
    else {
      this.levels.splice(at, 0, priority);
      this.counts.splice(at, 0, 1);
    }
  }

  /** Takes one away that was added. */
  remove(priority: number): void {
    const at = this.placeOf(priority);
    const left = (this.counts[at] ?? 0) - 1;
    if (left > 0) this.counts[at] = left;
    else {
      this.levels.splice(at, 1);
      this.counts.splice(at, 1);
    }
  }

  /** Where a priority is, or belongs. */
  private placeOf(priority: number): number {
    let from = 0;
    let to = this.levels.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if ((this.levels[middle] ?? 0) < priority) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}
