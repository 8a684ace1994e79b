// ResetStreams: streams that were reset here of late, and on which more may come, as the peer did not know it yet.

/** How many streams are remembered that were reset here. */
const maxResets = 256;

/** Their numbers. Older ones are forgotten, and any of them may have been reset. */
export class ResetStreams {
  private readonly ids = new Set<number>();
  /** All up to this one may have been reset. */
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
