// Lifecycle: the phases of a Weldr, which of them may follow which, and how each handles a reload, an upgrade or a stop.
import { WeldrError } from '../errors.ts';

export type Phase =
  | 'new'
  | 'starting'
  /** The start failed, and nothing of it is left. */
  | 'failed'
  | 'running'
  | 'reloading'
  /** Another process boots to replace this one; everything still runs here. */
  | 'upgrading'
  /** The plugins end, so that the other process can have what they hold. */
  | 'yielding'
  /** The other process serves; this one finishes its requests. */
  | 'leaving'
  | 'stopping'
  /** Stops without waiting for requests. */
  | 'cutting'
  | 'ended';

/** A stop is possible at any time; the outcome of what was under way then leads to no other phase. */
const followers: Readonly<Record<Phase, readonly Phase[]>> = {
  new: ['starting', 'stopping', 'cutting'],
  starting: ['running', 'failed', 'stopping', 'cutting'],
  failed: ['stopping', 'cutting'],
  running: ['reloading', 'upgrading', 'stopping', 'cutting'],
  reloading: ['running', 'stopping', 'cutting'],
  upgrading: ['running', 'yielding', 'stopping', 'cutting'],
  // Back to `running` without `upgrading`: the takeover failed and took nothing back. A reload starts the plugins again.
  yielding: ['upgrading', 'running', 'leaving', 'stopping', 'cutting'],
  leaving: ['ended', 'cutting'],
  stopping: ['ended', 'cutting'],
  cutting: ['ended'],
  ended: [],
};

const endings: ReadonlySet<Phase> = new Set(['yielding', 'leaving', 'stopping', 'cutting', 'ended']);

type Work = () => Promise<void>;

/** An attempt to have another process take over. */
export interface Takeover {
  /** Resolves with the version of the other process once it serves. Rejects when it never does. */
  run(): Promise<string>;
  /** Ends the other process, so that `run` rejects. */
  cancel(): Promise<void>;
}

/** One life, from `start` to `stop`. Each method takes the work that the phase consists of. */
export class Lifecycle {
  private current: Phase = 'new';
  /** The start, reload or upgrade of this phase, or of the phase that a stop has ended. */
  private underWay: Promise<unknown> | undefined;
  /** The reload that waits for it. */
  private waiting: Promise<void> | undefined;
  private takeover: Takeover | undefined;
  private ending: Promise<void> | undefined;

  get phase(): Phase {
    return this.current;
  }

  /** Whether it is about to end. True also while the plugins end for another process; if that fails, this one continues. */
  get isEnding(): boolean {
    return endings.has(this.current);
  }

  /** Whether another process decides what changes from now on. */
  get isSucceeded(): boolean {
    return this.current === 'yielding' || this.current === 'leaving';
  }

  /** Resolves when it runs. Rejects as `work` does, which has cleaned up by then. */
  async start(work: Work): Promise<void> {
    if (!this.enter('starting')) throw new WeldrError('CONFLICT', 'this Weldr was started before');
    await this.perform(work, 'failed');
  }

  /**
   * Reloads at once, or after the start or reload under way. Only one reload waits; it serves everyone who asks
   * meanwhile. Rejects as `work` does, and with CONFLICT when nothing can be reloaded.
   */
  async reload(work: Work): Promise<void> {
    if (this.waiting !== undefined) return await this.waiting;
    this.refuseDuringUpgrade();
    if (this.current === 'starting' || this.current === 'reloading') {
      this.waiting = this.reloadNext(work);
      return await this.waiting;
    }
    await this.reloadNow(work);
  }

  /**
   * Resolves with the version of the process that has taken over; `leave` then ends what is left of this one. Rejects
   * with CONFLICT when it is not running, and as the takeover does or `begin` throws; then it is running again.
   */
  async upgrade(begin: () => Takeover, leave: Work): Promise<string> {
    this.refuseDuringUpgrade();
    if (this.current !== 'running' || this.waiting !== undefined) {
      throw new WeldrError(
        'CONFLICT',
        'this Weldr is starting, reloading or stopping; try again when it is not',
      );
    }
    const takeover = begin();
    this.takeover = takeover;
    this.enter('upgrading');
    const run = takeover.run();
    this.underWay = run;
    try {
      const version = await run;
      if (this.enter('leaving')) this.ending = this.end(leave);
      return version;
    } catch (thrown) {
      this.enter('running');
      throw thrown;
    } finally {
      this.takeover = undefined;
    }
  }

  /** Called before the plugins end for the other process. */
  yield(): void {
    this.enter('yielding');
  }

  /** Called when the other process failed, before the plugins start again. */
  takeBack(): void {
    this.enter('upgrading');
  }

  /** Stops, whatever is under way. Resolves when it has ended; `work` runs once for all callers. */
  async stop(work: Work): Promise<void> {
    this.enter('stopping');
    this.ending ??= this.end(work);
    await this.ending;
  }

  /** From now on nothing is waited for; a stop that is under way, or comes next, sees the phase. */
  cut(): void {
    this.enter('cutting');
  }

  /** Cancels a takeover that is under way. */
  async cancelUpgrade(): Promise<void> {
    await this.takeover?.cancel();
  }

  /** Resolves when the start, the reloads or the upgrade under way are over, whatever their outcome. */
  async quiet(): Promise<void> {
    await Promise.allSettled([this.underWay, this.waiting]);
  }

  private refuseDuringUpgrade(): void {
    if (this.current !== 'upgrading' && this.current !== 'yielding') return;
    throw new WeldrError('CONFLICT', 'another process is about to take over; try again when it has');
  }

  private async reloadNext(work: Work): Promise<void> {
    await Promise.allSettled([this.underWay]);
    this.waiting = undefined;
    await this.reloadNow(work);
  }

  private async reloadNow(work: Work): Promise<void> {
    if (!this.enter('reloading')) {
      throw new WeldrError('CONFLICT', 'this Weldr is stopping; there is nothing to reload');
    }
    await this.perform(work, 'running');
  }

  private async perform(work: Work, afterFailure: Phase): Promise<void> {
    const done = this.outcomeOf(work, afterFailure);
    this.underWay = done;
    await done;
  }

  private async outcomeOf(work: Work, afterFailure: Phase): Promise<void> {
    try {
      await work();
    } catch (thrown) {
      this.enter(afterFailure);
      throw thrown;
    }
    this.enter('running');
  }

  private async end(work: Work): Promise<void> {
    await work();
    this.enter('ended');
  }

  /** False: the phase cannot follow the current one, for example because a stop came in between. */
  private enter(phase: Phase): boolean {
    if (!followers[this.current].includes(phase)) return false;
    this.current = phase;
    return true;
  }
}
