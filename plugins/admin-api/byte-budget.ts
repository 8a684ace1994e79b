// ByteBudget: the memory that requests and answers of the admin API may hold together.

/**
 * Counts bytes that are held against a limit. One that is alone may be of any size, so that a large export works.
 */
export class ByteBudget {
  private readonly limit: number;
  private held = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Is there no room for anything more? */
  get isSpent(): boolean {
    return this.held >= this.limit;
  }

  /** Holds these bytes; false: there is no room beside what others hold. */
  hold(bytes: number): boolean {
    if (this.held > 0 && this.held + bytes > this.limit) return false;
    this.held += bytes;
    return true;
  }

  release(bytes: number): void {
    this.held -= bytes;
  }
}
