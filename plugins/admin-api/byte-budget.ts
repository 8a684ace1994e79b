// ByteBudget: the memory that requests and responses of the admin API may hold together.

/**
 * Counts held bytes against a limit. A single holder may have any size, so that a large export works.
 */
export class ByteBudget {
  private readonly limit: number;
  private held = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  get isSpent(): boolean {
    return this.held >= this.limit;
  }

  /** Holds these bytes; false: there is no room besides what others hold. */
  hold(bytes: number): boolean {
    if (this.held > 0 && this.held + bytes > this.limit) return false;
    this.held += bytes;
    return true;
  }

  release(bytes: number): void {
    this.held -= bytes;
  }
}
