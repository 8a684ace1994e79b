// ChallengeBoard: gives all workers of this node the answers to challenges, and knows when they use them.
import { isDeepStrictEqual } from 'node:util';
import type { ManagerChannel } from '../../core/plugin/plugin.ts';
import type { CancelTimer, Clock } from '../../core/time/clock.ts';

/** To workers: all answers, by token, and their edition. */
export interface ToWorker {
  readonly edition: number;
  readonly answers: Readonly<Record<string, string>>;
}

/** From workers: the edition that they use; 0: they have just started. */
export interface ToManager {
  readonly edition: number;
}

/** How long to wait for a worker, ms: a hung one will be replaced, and the authority may reach another. */
const patience = 5_000;

/** The answers of one node. */
export class ChallengeBoard {
  private readonly channel: ManagerChannel<ToManager, ToWorker>;
  private readonly clock: Clock;
  private answers: Readonly<Record<string, string>> = {};
  private edition = 1;
  /** The edition that each worker uses, by worker number. */
  private readonly answered = new Map<number, number>();
  private waiting: (() => void)[] = [];

  constructor(channel: ManagerChannel<ToManager, ToWorker>, clock: Clock) {
    this.channel = channel;
    this.clock = clock;
    channel.onMessage(({ edition }, worker) => {
      this.answered.set(worker, edition);
      if (edition === 0) this.tell(worker);
      else this.wake();
    });
  }

  /** Sends the answers to a worker that may have missed them. */
  tell(worker: number): void {
    if (this.answered.get(worker) !== this.edition) {
      this.channel.send(worker, { edition: this.edition, answers: this.answers });
    }
  }

  forget(worker: number): void {
    this.answered.delete(worker);
    this.wake();
  }

  /** Publishes answers, unless they are the same. */
  show(answers: Readonly<Record<string, string>>): void {
    if (isDeepStrictEqual(answers, this.answers)) return;
    this.answers = answers;
    this.edition++;
    for (const worker of this.channel.workers) this.tell(worker);
  }

  /** Publishes answers; resolves when each worker uses them, or has not reacted for 5 s. */
  async set(answers: Readonly<Record<string, string>>): Promise<void> {
    this.show(answers);
    const { edition } = this;
    const late = { is: false };
    const cancel: CancelTimer = this.clock.after(patience, () => {
      late.is = true;
      this.wake();
    });
    while (!late.is && !this.isAnswered(edition)) {
      await new Promise<void>(resolve => this.waiting.push(resolve));
    }
    cancel();
  }

  private isAnswered(edition: number): boolean {
    return this.channel.workers.every(worker => (this.answered.get(worker) ?? 0) >= edition);
  }

  private wake(): void {
    const { waiting } = this;
    this.waiting = [];
    for (const wake of waiting) wake();
  }
}
