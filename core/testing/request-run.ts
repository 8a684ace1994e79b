// Drives one context through the real pipeline, with answers that the test gives in place of upstreams.

import { type ErrorCode, WeldrError } from '../errors.ts';
import type { RequestHooks } from '../plugin/hooks.ts';
import type { Upstream } from '../pool/pool.ts';
import type { ProxyContext, Reply } from '../request/context.ts';
import { HeaderList } from '../request/headers.ts';
import { type Carrier, Pipeline } from '../request/pipeline.ts';
import type { FakeClock } from './fake-clock.ts';

/**
 * What an attempt comes to: a status, a response, an error's code, or an error with what came with it. `after`: ms
 * that pass on the fake clock before it comes. `cut`: the body ends early.
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

/** What became of a request. */
export interface RunResult {
  readonly ctx: ProxyContext;
  /** What the client got; 499: it left before. */
  readonly status: number;
  /** The header section that the client got, without what the wire sets. */
  readonly headers: HeaderList;
  /** The response, if Weldr made it itself. */
  readonly reply: Reply | undefined;
  /** The upstream of the last attempt. */
  readonly upstream: Upstream | undefined;
  /** The upstreams of all attempts, in order. */
  readonly attempts: readonly Upstream[];
  readonly error: WeldrError | undefined;
}

type Answers = readonly (UpstreamAnswer | Promise<UpstreamAnswer>)[];

/**
 * Runs `ctx` through the pipeline. The n-th attempt gets the n-th answer, further ones the last. Rejects for an answer
 * that rejects.
 */
export function runRequest(
  hooks: RequestHooks,
  ctx: ProxyContext,
  answers: Answers,
  clock: FakeClock,
): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const carrier = new AnswerCarrier(answers, clock, resolve, reject);
    carrier.pipeline = new Pipeline(hooks, carrier, () => clock.monotonic());
    carrier.pipeline.start(ctx);
  });
}

/** Stands below the pipeline where the wire would be; synchronous taps are as synchronous as in a worker. */
class AnswerCarrier implements Carrier {
  pipeline: Pipeline | undefined = undefined;
  private readonly answers: Answers;
  private readonly clock: FakeClock;
  private readonly resolve: (result: RunResult) => void;
  private readonly reject: (reason: unknown) => void;
  private attempts = 0;
  private cut = false;

  constructor(
    answers: Answers,
    clock: FakeClock,
    resolve: (result: RunResult) => void,
    reject: (reason: unknown) => void,
  ) {
    this.answers = answers;
    this.clock = clock;
    this.resolve = resolve;
    this.reject = reject;
  }

  forward(ctx: ProxyContext): void {
    const answer = this.answers[Math.min(this.attempts, this.answers.length - 1)] ?? 200;
    this.attempts++;
    if (!(answer instanceof Promise)) this.receive(ctx, answer);
    else answer.then(settled => this.receive(ctx, settled)).catch(this.reject);
  }

  respond(ctx: ProxyContext): void {
    if (this.cut) this.pipeline?.aborted(new WeldrError('BODY_CUT'));
    else this.pipeline?.completed();
    this.end(ctx, undefined);
  }

  reply(ctx: ProxyContext, reply: Reply): void {
    this.pipeline?.completed();
    this.end(ctx, reply);
  }

  replyError(ctx: ProxyContext): void {
    ctx.responseHeaders = new HeaderList();
    this.pipeline?.completed();
    this.end(ctx, undefined);
  }

  abandonAttempt(): void {}

  private receive(ctx: ProxyContext, answer: UpstreamAnswer): void {
    const result = expand(answer);
    if (result.after !== undefined) this.clock.advance(result.after);
    if (!('error' in result)) {
      ctx.status = result.status;
      ctx.respondedAt = this.clock.monotonic();
      ctx.responseHeaders = headerList(result.headers ?? {});
      this.cut = result.cut ?? false;
      this.pipeline?.responded();
      return;
    }
    const error = result.error instanceof WeldrError ? result.error : new WeldrError(result.error);
    ctx.reusedConnection = result.reusedConnection ?? false;
    if (error.code !== 'CLIENT_CLOSED') {
      this.pipeline?.attemptFailed(error);
    } else {
      this.pipeline?.aborted(error);
      this.end(ctx, undefined);
    }
  }

  private end(ctx: ProxyContext, reply: Reply | undefined): void {
    this.resolve({
      ctx,
      reply,
      status: ctx.status,
      headers: reply?.headers ?? ctx.responseHeaders,
      upstream: ctx.upstream,
      attempts: ctx.tried,
      error: ctx.error,
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
