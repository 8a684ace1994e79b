// RefusalLog: logs refused clients, without letting a stranger fill the disk.
import type { Logger } from 'pino';
import type { Clock } from '../time/clock.ts';

/** The most lines in each span, and the length of a span in ms. */
const maxLines = 10;
const span = 10_000;

/** Logs the first refusals of each span, and at its end the number of the others. */
export class RefusalLog {
  private readonly log: Logger;
  private readonly clock: Clock;
  private count = 0;

  constructor(log: Logger, clock: Clock) {
    this.log = log;
    this.clock = clock;
  }

  note(facts: Readonly<Record<string, unknown>>, message: string): void {
    if (this.count === 0) this.clock.after(span, () => this.endSpan());
    if (++this.count <= maxLines) this.log.warn(facts, message);
  }

  private endSpan(): void {
    const leftOut = this.count - maxLines;
    this.count = 0;
    if (leftOut > 0) this.log.warn({ leftOut }, `${leftOut} more refusals were left out here`);
  }
}
