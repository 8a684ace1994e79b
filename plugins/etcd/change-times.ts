// ChangeTimes: when a node learned of the newest changes, so that another node is not reported as behind because of a
// change that is younger than its last report.
import type { Clock } from '../../core/time/clock.ts';

/** Changes that come closer together count as known since the first of them, ms. */
const apart = 250;
/** The furthest that `before` looks back, ms. */
const keptFor = 10_000;

interface Moment {
  revision: number;
  readonly at: number;
}

/** The newest revisions of the last seconds. */
export class ChangeTimes {
  private readonly clock: Clock;
  private moments: Moment[] = [];

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** The newest revision; 0: none. */
  get newest(): number {
    return this.moments.at(-1)?.revision ?? 0;
  }

  /** Records that this node now knows of a change with this revision. */
  saw(revision: number): void {
    const at = this.clock.monotonic();
    const last = this.moments.at(-1);
    if (last !== undefined && revision <= last.revision) return;
    if (last !== undefined && at - last.at < apart) {
      last.revision = revision;
      return;
    }
    const old = this.moments.filter(moment => moment.at < at - keptFor).length;
    // The newest of the old ones is kept: it is what was known at that time.
    this.moments = [...this.moments.slice(Math.max(0, old - 1)), { revision, at }];
  }

  /** Forgets everything: etcd holds another history. */
  clear(): void {
    this.moments = [];
  }

  /** Returns the newest revision that was known this long ago, ms, at most 10 s; 0: none was. */
  before(ms: number): number {
    const then = this.clock.monotonic() - ms;
    return this.moments.findLast(({ at }) => at <= then)?.revision ?? 0;
  }
}
