// The clean-ups of one side: last in, first out, once.

/** Collects what `onClose` is given and runs it backwards. */
export class CleanUps {
  private readonly list: (() => void | Promise<void>)[] = [];

  add(fn: () => void | Promise<void>): void {
    this.list.push(fn);
  }

  /** Runs all of them, also when one fails; throws what failed first. A second call does nothing. */
  async run(): Promise<void> {
    const failures: unknown[] = [];
    for (let fn = this.list.pop(); fn !== undefined; fn = this.list.pop()) {
      try {
        await fn();
      } catch (thrown) {
        failures.push(thrown);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
