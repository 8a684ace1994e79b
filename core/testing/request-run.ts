// Drives one context through the stages with answers that the test gives in place of upstreams.
import { type ProxyContext, Reply, retry } from '../context.ts';
import { type ErrorCode, toError, WeldrError } from '../errors.ts';
import { HeaderList } from '../headers.ts';
import type { RequestHooks } from '../hooks.ts';
import { Upstream } from '../pool.ts';
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

// More attempts than any sane number of retries: a plugin that never gives up would hang its test.
const maxAttempts = 100;

/**
 * Runs `ctx` through all stages. The n-th attempt gets the n-th answer, further ones the last. Rejects when a plugin
 * retries without an end, or for an answer that rejects.
 */
export function runRequest(
  hooks: RequestHooks,
  ctx: ProxyContext,
  answers: readonly (UpstreamAnswer | Promise<UpstreamAnswer>)[],
  clock: FakeClock,
): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    new RequestRun(hooks, ctx, answers, clock, resolve, reject).select();
  });
}

/** Callbacks instead of promises, so that synchronous taps see each other's effects at once, as in a worker. */
class RequestRun {
  private readonly hooks: RequestHooks;
  private readonly ctx: ProxyContext;
  private readonly answers: readonly (UpstreamAnswer | Promise<UpstreamAnswer>)[];
  private readonly clock: FakeClock;
  private readonly resolve: (result: RunResult) => void;
  private readonly reject: (reason: unknown) => void;
  private attempts = 0;

  constructor(
    hooks: RequestHooks,
    ctx: ProxyContext,
    answers: readonly (UpstreamAnswer | Promise<UpstreamAnswer>)[],
    clock: FakeClock,
    resolve: (result: RunResult) => void,
    reject: (reason: unknown) => void,
  ) {
    this.hooks = hooks;
    this.ctx = ctx;
    this.answers = answers;
    this.clock = clock;
    this.resolve = resolve;
    this.reject = reject;
  }

  select(): void {
    this.hooks.selectUpstream.callAsync(this.ctx, (thrown, chosen) => {
      if (thrown) this.fail(thrown);
      else if (chosen instanceof Upstream) this.prepare(chosen);
      else if (chosen instanceof Reply) this.finish(chosen);
      else this.fail(new WeldrError('NO_UPSTREAM'));
    });
  }

  private prepare(upstream: Upstream): void {
    const { ctx } = this;
    ctx.upstream = upstream;
    ctx.tried = [...ctx.tried, upstream];
    upstream.inFlight++;
    this.hooks.preProxy.callAsync(ctx, (thrown, reply) => {
      if (thrown || reply !== undefined) upstream.inFlight--;
      if (thrown) this.fail(thrown);
      else if (reply !== undefined) this.finish(reply);
      else this.forward();
    });
  }

  private forward(): void {
    const answer = this.answers[Math.min(this.attempts, this.answers.length - 1)] ?? 200;
    this.attempts++;
    if (this.attempts > maxAttempts) {
      this.reject(
        new Error(`${maxAttempts} attempts were made; does postProxy return retry without an end?`),
      );
    } else if (answer instanceof Promise) {
      answer.then(settled => this.receive(settled)).catch(this.reject);
    } else {
      this.receive(answer);
    }
  }

  private receive(answer: UpstreamAnswer): void {
    const { ctx } = this;
    const result = expand(answer);
    if (result.after !== undefined) this.clock.advance(result.after);
    if ('error' in result) {
      ctx.error = result.error instanceof WeldrError ? result.error : new WeldrError(result.error);
      ctx.reusedConnection = result.reusedConnection ?? false;
      ctx.status = ctx.error.status;
      // Nobody is there to whom post-proxy could answer.
      if (ctx.error.code === 'CLIENT_CLOSED') {
        this.endAttempt(undefined);
        return;
      }
    } else {
      ctx.status = result.status;
      ctx.respondedAt = this.clock.monotonic();
      ctx.responseHeaders = headerList(result.headers ?? {});
    }
    this.hooks.postProxy.callAsync(ctx, (thrown, verdict) => {
      if (thrown) {
        ctx.error = asWeldrError(thrown);
        ctx.status = ctx.error.status;
      } else if (verdict === undefined && 'cut' in result && result.cut) {
        ctx.error = new WeldrError('BODY_CUT');
      }
      this.endAttempt(thrown ? undefined : verdict);
    });
  }

  private endAttempt(verdict: Reply | typeof retry | undefined): void {
    const { ctx } = this;
    this.hooks.attemptFinished.call(ctx);
    if (ctx.upstream !== undefined) ctx.upstream.inFlight--;
    if (verdict !== retry) {
      this.finish(verdict);
      return;
    }
    ctx.error = undefined;
    ctx.status = 0;
    ctx.respondedAt = 0;
    ctx.reusedConnection = false;
    this.select();
  }

  private fail(thrown: unknown): void {
    this.ctx.error = asWeldrError(thrown);
    this.ctx.status = this.ctx.error.status;
    this.finish(undefined);
  }

  private finish(reply: Reply | undefined): void {
    const { ctx } = this;
    if (reply !== undefined) {
      ctx.status = reply.status;
      ctx.responseHeaders = reply.headers;
    }
    ctx.finishedAt = this.clock.monotonic();
    const cut = ctx.error?.code === 'BODY_CUT' || ctx.error?.code === 'CLIENT_CLOSED';
    ctx.outcome = cut && reply === undefined ? 'aborted' : 'complete';
    this.hooks.finished.call(ctx);
    this.resolve({
      ctx,
      reply,
      status: ctx.status,
      headers: ctx.responseHeaders,
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

function asWeldrError(thrown: unknown): WeldrError {
  return thrown instanceof WeldrError
    ? thrown
    : new WeldrError('INTERNAL', undefined, { cause: toError(thrown) });
}
