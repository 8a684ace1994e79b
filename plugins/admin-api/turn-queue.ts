// TurnQueue: whose turn it is, over all connections of the admin API, so that a crowd leaves time and memory for others.

/** What is done within one turn of the event loop, ms. */
const turnTime = 5;
/** Before a request whose caller did not wait for the answer before it, ms: at least, for so many bytes of that answer, at most. */
const aheadPause = 1;
const bytesInPause = 16 * 1024;
const longestPause = 100;

/**
 * Why a step is due: `new` callers have had no answer yet, and go before all others. `ahead`: the caller sent more
 * before it had its answer; such requests are served one in a millisecond, those of all callers together, and fewer where
 * the answers are large.
 */
export type Due = 'new' | 'later' | 'ahead';

/** Who waits for a turn. */
interface Caller {
  readonly destroyed: boolean;
}

interface Step {
  readonly caller: Caller;
  readonly run: () => void;
  /** What comes before it, ms. */
  readonly pause: number;
}

/** Runs steps in their order; those of callers who have left are dropped. */
export class TurnQueue {
  private readonly fresh: Step[] = [];
  private readonly later: Step[] = [];
  private readonly ahead: Step[] = [];
  private scheduled = false;
  private timer: NodeJS.Timeout | undefined = undefined;

  /** `bytes`: of the answer that the caller got last. */
  add(caller: Caller, run: () => void, due: Due, bytes: number): void {
    const step = { caller, run, pause: Math.min(longestPause, aheadPause + bytes / bytesInPause) };
    if (due === 'ahead') {
      this.ahead.push(step);
      this.waitForAhead();
    } else {
      (due === 'new' ? this.fresh : this.later).push(step);
      this.schedule();
    }
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(this.run);
  }

  private readonly run = (): void => {
    this.scheduled = false;
    const until = performance.now() + turnTime;
    do {
      const step = this.fresh.shift() ?? this.later.shift();
      if (step === undefined) return;
      runFor(step);
    } while (performance.now() < until);
    if (this.fresh.length + this.later.length > 0) this.schedule();
  };

  private readonly runAhead = (): void => {
    this.timer = undefined;
    const step = this.ahead.shift();
    if (step !== undefined) runFor(step);
    this.waitForAhead();
  };

  private waitForAhead(): void {
    while (this.ahead[0]?.caller.destroyed) this.ahead.shift();
    const [next] = this.ahead;
    if (next !== undefined) this.timer ??= setTimeout(this.runAhead, next.pause);
  }
}

function runFor({ caller, run }: Step): void {
  if (!caller.destroyed) run();
}
