// TurnQueue: schedules the requests of all connections of the admin API, so that a crowd leaves time and memory for others.

/** The most work in one turn of the event loop, ms. */
const turnTime = 5;
/**
 * The pause before a request whose caller did not wait for the previous response, ms: its minimum, the bytes of that response
 * that add one, its maximum.
 */
const aheadPause = 1;
const bytesInPause = 16 * 1024;
const longestPause = 100;

/**
 * Why a step is due. `new`: the caller has had no response yet, and goes first. `ahead`: the caller sent more before it had
 * its response; of such requests, one is served per millisecond for all callers together, and fewer if responses are large.
 */
export type Due = 'new' | 'later' | 'ahead';

/** The connection that waits for a turn. */
interface Caller {
  readonly destroyed: boolean;
}

interface Step {
  readonly caller: Caller;
  readonly run: () => void;
  /** The pause before it, ms. */
  readonly pause: number;
}

/** Runs steps in order; those of callers that have left are dropped. */
export class TurnQueue {
  private readonly fresh: Step[] = [];
  private readonly later: Step[] = [];
  private readonly ahead: Step[] = [];
  private scheduled = false;
  private timer: NodeJS.Timeout | undefined = undefined;

  /** @param bytes the size of the caller's last response */
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
