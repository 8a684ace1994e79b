// ResetStreams: the streams that Weldr reset recently. Frames that the peer sent before it knew may still arrive on them.

/** How many reset streams are remembered. */
const maxResets = 256;

/** Their identifiers. Older ones are forgotten, and any of those may have been reset. */
export class ResetStreams {
  private readonly ids = new Set<number>();
  /** Any stream up to this one may have been reset. */
  private forgotten = 0;

  add(id: number): void {
    this.ids.add(id);
    if (this.ids.size <= maxResets) return;
    for (const oldest of this.ids) {
      this.ids.delete(oldest);
      this.forgotten = Math.max(this.forgotten, oldest);
      return;
    }
  }

  has(id: number): boolean {
    return id <= this.forgotten || this.ids.has(id);
  }
}
