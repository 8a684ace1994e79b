// TimeSlices: long work of a process that has more urgent things to do, in parts that do not hold them up.

/** How long work goes on before others have their turn, ms. */
const slice = 8;

/** Of one piece of work. */
export class TimeSlices {
  private began = performance.now();

  /** Has others have their turn when a slice is used up; await it often, as it costs nothing until then. */
  async pause(): Promise<void> {
    if (performance.now() - this.began < slice) return;
    await new Promise(resolve => setImmediate(resolve));
    this.began = performance.now();
  }
}
