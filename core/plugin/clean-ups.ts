// The clean-ups that sides of plugins registered with `onClose`: run in reverse order, each within a bound, even if one fails.
import { toError } from '../errors.ts';
import type { Clock } from '../time/clock.ts';

type CleanUp = () => void | Promise<void>;

/** The longest that one clean-up may take, ms. */
const cleanUpTimeout = 10_000;

/** The clean-ups of one process for one config. */
export class CleanUps {
  private readonly list: { plugin: string; fn: CleanUp }[] = [];
  private readonly clock: Clock;
  private readonly report: (plugin: string, error: Error) => void;

  /** `report` receives each clean-up that fails or takes longer than 10 s. */
  constructor(clock: Clock, report: (plugin: string, error: Error) => void) {
    this.clock = clock;
    this.report = report;
  }

  add(plugin: string, fn: CleanUp): void {
    this.list.push({ plugin, fn });
  }

  /** Runs all clean-ups, last in first out. Never rejects; a second call does nothing. */
  async run(): Promise<void> {
    for (let entry = this.list.pop(); entry !== undefined; entry = this.list.pop()) {
      const { plugin, fn } = entry;
      const late = Promise.withResolvers<void>();
      const cancel = this.clock.after(cleanUpTimeout, () =>
        late.reject(new Error(`onClose took longer than ${cleanUpTimeout} ms; continuing without it`)),
      );
      try {
        await Promise.race([fn(), late.promise]);
      } catch (thrown) {
        this.report(plugin, toError(thrown));
      } finally {
        cancel();
      }
    }
  }
}
