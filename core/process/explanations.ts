// Explanations: asks one of the workers to explain a request, and waits for its answer within a bound.
import { WeldrError } from '../errors.ts';
import type { ExplainInput } from '../explain/explain-input.ts';
import type { Explanation } from '../explain/explanation.ts';
import type { Clock } from '../time/clock.ts';
import type { ExplainOutcome, ManagerMessage } from './messages.ts';

/** How long a worker may take, ms: twice as long as plugins may. */
const longestWait = 10_000;
/** The most questions at a time. */
const mostAtOnce = 16;

/** What {@link Explanations} work with. */
export interface ExplanationsOptions {
  readonly clock: Clock;
  /** The numbers of the workers that take requests. */
  workers(): readonly number[];
  send(worker: number, message: ManagerMessage): void;
}

interface Question {
  readonly worker: number;
  readonly answer: PromiseWithResolvers<Explanation>;
}

/** The questions that one manager asks its workers. */
export class Explanations {
  private readonly options: ExplanationsOptions;
  private readonly open = new Map<number, Question>();
  private last = 0;

  constructor(options: ExplanationsOptions) {
    this.options = options;
  }

  /**
   * Rejects with INPUT_INVALID for an invalid request, with CONFLICT when no worker runs, with LIMIT_REACHED when there
   * are too many questions, with PLUGIN_FAILED when the worker does not answer.
   */
  async explain(request: ExplainInput): Promise<Explanation> {
    const { clock, workers, send } = this.options;
    if (this.open.size >= mostAtOnce) {
      throw new WeldrError(
        'LIMIT_REACHED',
        `${mostAtOnce} requests are being explained; ask again in a moment`,
      );
    }
    const question = ++this.last;
    const ready = workers();
    // Each worker may have its own view of health and counts.
    const worker = ready[question % ready.length];
    if (worker === undefined)
      throw new WeldrError('CONFLICT', 'no worker takes requests now; ask again in a moment');
    const answer = Promise.withResolvers<Explanation>();
    const cancel = clock.after(longestWait, () => {
      const why = `worker ${worker} did not explain it within ${longestWait / 1_000} s: a plugin may be holding it up`;
      answer.reject(new WeldrError('PLUGIN_FAILED', why));
    });
    this.open.set(question, { worker, answer });
    try {
      send(worker, { type: 'explain', question, request });
      return await answer.promise;
    } finally {
      cancel();
      this.open.delete(question);
    }
  }

  /** Takes the answer of a worker. */
  answered(worker: number, question: number, outcome: ExplainOutcome): void {
    const open = this.open.get(question);
    if (open?.worker !== worker) return;
    if ('explanation' in outcome) open.answer.resolve({ worker, ...outcome.explanation });
    else {
      const { code, message, field } = outcome.problem;
      open.answer.reject(new WeldrError(code, message, { field }));
    }
  }

  /** Called when a worker has ended. */
  gone(worker: number): void {
    for (const { worker: asked, answer } of this.open.values()) {
      if (asked === worker)
        answer.reject(new WeldrError('CONFLICT', `worker ${worker} has ended meanwhile; ask again`));
    }
  }
}
