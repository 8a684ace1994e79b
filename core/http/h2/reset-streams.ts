// ResetStreams: streams that Weldr has reset recently: more may come on them, from before the peer knew.

/** How many reset streams are remembered. */
const maxResets = 256;

/** Their numbers. Older ones are forgotten: any of those may have been reset. */
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
