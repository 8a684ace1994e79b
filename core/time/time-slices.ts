// TimeSlices: splits long work, so that it does not block the event loop.

/** The longest that work runs before the event loop gets a turn, ms. */
const slice = 8;

/** The slices of one piece of work. */
export class TimeSlices {
  private began = performance.now();

  /** Gives the event loop a turn when a slice is used up. Call it often: it costs nothing until then. */
  async pause(): Promise<void> {
    if (performance.now() - this.began < slice) return;
    await new Promise(resolve => setImmediate(resolve));
    this.began = performance.now();
  }
}
