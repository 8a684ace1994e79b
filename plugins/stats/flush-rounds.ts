// FlushRounds: asks all workers for unreported counts, and waits for them, within a limit.

import type { ManagerChannel } from '../../core/plugin/plugin.ts';
import type { Clock } from '../../core/time/clock.ts';

/** The manager's request to workers: report now, and name this round. */
export interface FlushRequest {
  readonly flush: number;
}

interface Round {
  readonly missing: Set<number>;
  readonly end: () => void;
}

/** Rounds of requests to the workers. */
export class FlushRounds {
  private readonly channel: Pick<ManagerChannel<unknown, FlushRequest>, 'workers' | 'send'>;
  private readonly clock: Clock;
  private readonly patienceMs: number;
  private readonly rounds = new Map<number, Round>();
  private asked = 0;

  /** @param patienceMs how long to wait for workers, ms */
  constructor(
    channel: Pick<ManagerChannel<unknown, FlushRequest>, 'workers' | 'send'>,
    clock: Clock,
    patienceMs: number,
  ) {
    this.channel = channel;
    this.clock = clock;
    this.patienceMs = patienceMs;
  }

  /** Resolves when every worker has reported its counts so far, has ended, or took too long. */
  async ask(): Promise<void> {
    const number = ++this.asked;
    const missing = new Set(this.channel.workers);
    if (missing.size === 0) return;
    await new Promise<void>(resolve => {
      const cancel = this.clock.after(this.patienceMs, () => end());
      const end = () => {
        cancel();
        this.rounds.delete(number);
        resolve();
      };
      this.rounds.set(number, { missing, end });
      for (const worker of missing) this.channel.send(worker, { flush: number });
    });
  }

  answered(number: number, worker: number): void {
    const round = this.rounds.get(number);
    if (round?.missing.delete(worker) && round.missing.size === 0) round.end();
  }

  workerExited(worker: number): void {
    for (const number of [...this.rounds.keys()]) this.answered(number, worker);
  }

  /** Ends all rounds: no worker will report to this instance any more. */
  close(): void {
    for (const { end } of [...this.rounds.values()]) end();
  }
}
