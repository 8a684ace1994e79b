// CountedOutput: reports how many log lines were lost, once its reader takes lines again.
import type { Clock } from '../time/clock.ts';
import type { LogOutput } from './log-output.ts';

/** The pause after a report, ms. */
const pause = 10_000;

/** What a CountedOutput reports to, and its clock. */
export interface CountedOutputOptions {
  readonly clock: Pick<Clock, 'monotonic'>;
  /** Logs that this many lines were lost. */
  tell(lost: number): void;
}

/** An output that counts the lines it loses. */
export class CountedOutput {
  private readonly output: Pick<LogOutput, 'write'>;
  private readonly options: CountedOutputOptions;
  /** Lines that were lost since the start. */
  dropped = 0;
  private lost = 0;
  private silentUntil = 0;

  constructor(output: Pick<LogOutput, 'write'>, options: CountedOutputOptions) {
    this.output = output;
    this.options = options;
  }

  /** Writes whole lines; false: they are lost. */
  write(lines: string): boolean {
    if (!this.output.write(lines)) {
      const count = lines.split('\n').length - 1;
      this.dropped += count;
      this.lost += count;
      return false;
    }
    if (this.lost > 0) this.tell();
    return true;
  }

  private tell(): void {
    const now = this.options.clock.monotonic();
    if (now < this.silentUntil) return;
    const { lost } = this;
    this.lost = 0;
    this.silentUntil = now + pause;
    this.options.tell(lost);
  }
}
