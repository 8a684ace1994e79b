// Drives one context through the real pipeline, with the test's answers in place of upstreams.

import { type ErrorCode, WeldrError } from '../errors.ts';
import type { Pool, Upstream } from '../pool/pool.ts';
import type { Pools } from '../pool/pools.ts';
import type { ProxyContext } from '../request/context.ts';
import { HeaderList } from '../request/headers.ts';
import { Reply } from '../request/reply.ts';
import type { RequestState } from '../request/request-state.ts';
import type { Carrier } from '../stages/carrier.ts';
import { Pipeline } from '../stages/pipeline.ts';
import type { Stages } from '../stages/stages.ts';
import type { CancelTimer } from '../time/clock.ts';
import type { FakeClock } from './fake-clock.ts';

/**
 * The result of an attempt: a status, a response, an error's code, or an error with its details. `after`: ms that pass on
 * the fake clock first. `cut`: the body ends early.
 */
export type UpstreamAnswer =
  | number
  | ErrorCode
  | {
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly after?: number;
      readonly cut?: boolean;
    }
  | {
      readonly error: ErrorCode | WeldrError;
      readonly reusedConnection?: boolean;
      readonly after?: number;
    };

/** One attempt as the upstream received it. */
export interface SentRequest {
  readonly upstream: Upstream;
  readonly method: string;
  readonly target: string;
  readonly headers: HeaderList;
}

/** The result of a request. */
export interface RunResult {
  readonly ctx: ProxyContext;
  /** The status that the client got; 499: it left before. */
  readonly status: number;
  /** The header section that the client got, without the fields that the wire sets. */
  readonly headers: HeaderList;
  /** The response, if Weldr or a plugin made it. */
  readonly reply: Reply | undefined;
  /** The name of its route. */
  readonly route: string | undefined;
  /** The last pool that it went to. */
  readonly pool: Pool;
  /** The upstream of the last attempt. */
  readonly upstream: Upstream | undefined;
  /** The upstreams of all attempts, in order. */
  readonly attempts: readonly Upstream[];
  /** The requests that were sent, one for each forwarded attempt. */
  readonly sent: readonly SentRequest[];
  readonly error: WeldrError | undefined;
  readonly notes: readonly string[];
}

type Answers = readonly (UpstreamAnswer | Promise<UpstreamAnswer>)[];

/** What a request runs with. */
export interface RunMeans {
  readonly stages: Stages;
  readonly pools: Pools;
  readonly clock: FakeClock;
  /** The longest that one stage may take, ms of the clock. */
  readonly stageTimeout: number;
}

/**
 * Runs `ctx` through the pipeline. The n-th attempt gets the n-th answer, further ones the last. Rejects when an answer
 * rejects.
 */
export function runRequest(means: RunMeans, ctx: ProxyContext, answers: Answers): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    new AnswerCarrier(means, ctx, answers, resolve, reject).run();
  });
}

/** Takes the wire's place below the pipeline; synchronous taps stay synchronous, as in a worker. */
class AnswerCarrier implements Carrier {
  private readonly pipeline: Pipeline;
  private readonly means: RunMeans;
  private readonly ctx: ProxyContext;
  private readonly answers: Answers;
  private readonly resolve: (result: RunResult) => void;
  private readonly reject: (reason: unknown) => void;
  private readonly sent: SentRequest[] = [];
  private attempts = 0;
  private cut = false;
  private cancelLimit: CancelTimer | undefined;

  constructor(
    means: RunMeans,
    ctx: ProxyContext,
    answers: Answers,
    resolve: (result: RunResult) => void,
    reject: (reason: unknown) => void,
  ) {
    this.means = means;
    this.ctx = ctx;
    this.answers = answers;
    this.resolve = resolve;
    this.reject = reject;
    const { stages, pools, clock } = means;
    const rehearses = ctx.rehearsal;
    this.pipeline = new Pipeline({ stages, pools, now: () => clock.monotonic(), rehearses }, this);
  }

  run(): void {
    this.pipeline.start(this.ctx);
  }

  awaitStage(): void {
    const { clock, stageTimeout } = this.means;
    this.stageDone();
    this.cancelLimit = clock.after(stageTimeout, () => this.pipeline.stageTimedOut(stageTimeout));
  }

  forward(state: RequestState): void {
    this.stageDone();
    const { outgoing, attempt } = this.ctx;
    if (attempt !== undefined) {
      const { method, target, headers } = outgoing;
      this.sent.push({ upstream: attempt.upstream, method, target, headers });
    }
    const answer = this.answers[Math.min(this.attempts, this.answers.length - 1)] ?? 200;
    this.attempts++;
    attempt?.sent(this.means.clock.monotonic());
    if (!(answer instanceof Promise)) this.receive(state, answer);
    else answer.then(settled => this.receive(state, settled)).catch(this.reject);
  }

  respond(state: RequestState): void {
    this.stageDone();
    if (this.cut) this.pipeline.aborted(new WeldrError('BODY_CUT'));
    else this.pipeline.completed();
    this.end(state, undefined);
  }

  reply(state: RequestState): void {
    this.stageDone();
    this.pipeline.completed();
    const headers = state.responseHeaders ?? new HeaderList();
    this.end(state, new Reply(state.status, headers, state.replyBody));
  }

  abandonAttempt(): void {
    this.stageDone();
  }

  failed(): void {}

  private stageDone(): void {
    this.cancelLimit?.();
    this.cancelLimit = undefined;
  }

  private receive(state: RequestState, answer: UpstreamAnswer): void {
    const { clock } = this.means;
    const result = expand(answer);
    if (result.after !== undefined) clock.advance(result.after);
    if (!('error' in result)) {
      state.status = result.status;
      state.responseHeaders = headerList(result.headers ?? {});
      state.attempt?.responded(result.status, clock.monotonic());
      this.cut = result.cut ?? false;
      this.pipeline.responded();
      return;
    }
    const error = result.error instanceof WeldrError ? result.error : new WeldrError(result.error);
    state.attempt?.reuses(result.reusedConnection ?? false);
    if (error.code !== 'CLIENT_CLOSED') {
      this.pipeline.attemptFailed(error);
    } else {
      this.pipeline.aborted(error);
      this.end(state, undefined);
    }
  }

  private end(state: RequestState, reply: Reply | undefined): void {
    const { ctx } = this;
    this.resolve({
      ctx,
      reply,
      status: state.status,
      headers: state.responseHeaders ?? new HeaderList(),
      route: state.route?.name,
      pool: state.pool,
      upstream: state.tried.at(-1),
      attempts: state.tried,
      sent: this.sent,
      error: state.error,
      notes: ctx.notes,
    });
  }
}

function expand(answer: UpstreamAnswer): Exclude<UpstreamAnswer, number | string> {
  if (typeof answer === 'number') return { status: answer };
  if (typeof answer === 'string') return { error: answer };
  return answer;
}

function headerList(headers: Readonly<Record<string, string>>): HeaderList {
  const list = new HeaderList();
  for (const [name, value] of Object.entries(headers)) list.append(name, value);
  return list;
}
