// ResetStreams: streams that were reset here of late, and on which more may come, as the peer did not know it yet.

/** How many streams are remembered that were reset here. */
const maxResets = 256;

/** Their numbers, the latest of them. */
export class ResetStreams {
  private readonly ids = new Set<number>();

  add(id: number): void {
    this.ids.add(id);
    if (this.ids.size <= maxResets) return;
    for (const oldest of this.ids) {
      this.ids.delete(oldest);
      return;
    }
  }

  has(id: number): boolean {
    return this.ids.has(id);
  }
}
