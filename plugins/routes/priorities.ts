// Priorities: the number of entries of each priority, from which the highest and the lowest are known as entries come and go.

/** Lower than any priority; a small integer, which V8 stores within the object. */
export const noPriority = -(2 ** 30);

/** The priorities of some entries. */
export class Priorities {
  /** The priorities in use, lowest first, and the number of entries of each. */
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

  /** Removes one that was added. */
  remove(priority: number): void {
    const at = this.placeOf(priority);
    const left = (this.counts[at] ?? 0) - 1;
    if (left > 0) this.counts[at] = left;
    else {
      this.levels.splice(at, 1);
      this.counts.splice(at, 1);
    }
  }

  /** The index of a priority, or where it belongs. */
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
