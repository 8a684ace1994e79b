// Pipeline: drives one context at a time through the stages. Knows hooks and rules, nothing of the wire.

import { toError, WeldrError } from '../errors.ts';
import type { RequestHooks } from '../plugin/hooks.ts';
import type { Upstream } from '../pool/pool.ts';
import { type ProxyContext, Reply, retry } from './context.ts';
import { HeaderList } from './headers.ts';

/** The most attempts of one request, whatever plugins ask for. */
export const maxAttempts = 10;

/** The wire below a pipeline: carries out what the stages decided. */
export interface Carrier {
  /** Sends the request to `ctx.upstream`; answers by `responded` or `attemptFailed`, sooner or later, once. */
  forward(ctx: ProxyContext): void;
  /** Sends the response whose head `ctx` holds, and its body as it arrives; answers by `completed` or `aborted`. */
  respond(ctx: ProxyContext): void;
  /** Drops the upstream's response, if there is one, and sends this reply; answers like `respond`. */
  reply(ctx: ProxyContext, reply: Reply): void;
  /** The same for an error: the reply that its status and title make. */
  replyError(ctx: ProxyContext, error: WeldrError): void;
  /** Drops the attempt, its connection included, as another one follows. */
  abandonAttempt(ctx: ProxyContext): void;
}

const idle = 0;
const selecting = 1;
const preparing = 2;
const forwarding = 3;
const judging = 4;
const responding = 5;

/**
 * The life of a request: select-upstream, pre-proxy, forward, post-proxy, finished. One a client connection, used
 * for its requests one after another; the callbacks are made once, so that a request makes no closure. A taps's
 * answer that comes after the request was aborted is ignored, and a connection whose stage was pending then must
 * not be used again, as the late answer could not be told from the next request's.
 */
export class Pipeline {
  private readonly hooks: RequestHooks;
  private readonly carrier: Carrier;
  private readonly now: () => number;
  private ctx: ProxyContext | undefined = undefined;
  private stage = idle;
  /** What the attempt before this one failed with: answered when no other upstream is there. */
  private lastFailure: WeldrError | undefined = undefined;

  /** @param now milliseconds of a monotonic clock */
  constructor(hooks: RequestHooks, carrier: Carrier, now: () => number = monotonicNow) {
    this.hooks = hooks;
    this.carrier = carrier;
    this.now = now;
  }

  /** Is an asynchronous tap working, so that nothing else can go on? */
  get pending(): boolean {
    return this.stage === selecting || this.stage === preparing || this.stage === judging;
  }

  /** Begins a request. */
  start(ctx: ProxyContext): void {
    this.ctx = ctx;
    this.lastFailure = undefined;
    this.select(ctx);
  }

  /** The response head of the current attempt is in `ctx`. */
  responded(): void {
    const { ctx } = this;
    if (ctx === undefined || this.stage !== forwarding) return;
    this.stage = judging;
    ctx.upstreamStatus = ctx.status;
    this.hooks.postProxy.callAsync(ctx, this.onJudged);
  }

  /** The current attempt has failed before a response head was passed on. */
  attemptFailed(error: WeldrError): void {
    const { ctx } = this;
    if (ctx === undefined || this.stage !== forwarding) return;
    ctx.error = error;
    // A list of its own: a plugin that adds fields to every response must not find the shared, frozen one.
    ctx.responseHeaders = new HeaderList();
    this.stage = judging;
    this.hooks.postProxy.callAsync(ctx, this.onJudged);
  }

  /** The last byte of the response was sent. */
  completed(): void {
    if (this.ctx !== undefined) this.ctx.outcome = 'complete';
    this.finish();
  }

  /** The request ended otherwise: the client left, or its response was cut. `ctx.error` says why. */
  aborted(error: WeldrError): void {
    const { ctx } = this;
    if (ctx === undefined) return;
    ctx.error ??= error;
    if (ctx.status === 0) ctx.status = error.status;
    ctx.outcome = 'aborted';
    this.finish();
  }

  private select(ctx: ProxyContext): void {
    this.stage = selecting;
    this.hooks.selectUpstream.callAsync(ctx, this.onSelected);
  }

  private readonly onSelected = (thrown?: Error | null, result?: Upstream | Reply): void => {
    const { ctx } = this;
    if (ctx === undefined || this.stage !== selecting) return;
    if (thrown) this.fail(ctx, thrown);
    else if (result === undefined) {
      this.answerError(ctx, this.lastFailure ?? new WeldrError('NO_UPSTREAM', noUpstream(ctx)));
    } else if (result instanceof Reply) this.answer(ctx, result);
    else {
      ctx.upstream = result;
      ctx.tried = ctx.tried.length === 0 ? result.alone : [...ctx.tried, result];
      result.inFlight++;
      this.stage = preparing;
      this.hooks.preProxy.callAsync(ctx, this.onPrepared);
    }
  };

  private readonly onPrepared = (thrown?: Error | null, result?: Reply): void => {
    const { ctx } = this;
    if (ctx === undefined || this.stage !== preparing) return;
    if (thrown) this.fail(ctx, thrown);
    else if (result !== undefined) this.answer(ctx, result);
    else {
      this.stage = forwarding;
      this.carrier.forward(ctx);
    }
  };

  private readonly onJudged = (thrown?: Error | null, result?: Reply | typeof retry): void => {
    const { ctx } = this;
    if (ctx === undefined || this.stage !== judging) return;
    if (thrown) this.fail(ctx, thrown);
    else if (result === retry) this.again(ctx);
    else if (result !== undefined) this.answer(ctx, result);
    else if (ctx.error !== undefined) this.answerError(ctx, ctx.error);
    else {
      this.stage = responding;
      this.carrier.respond(ctx);
    }
  };

  private again(ctx: ProxyContext): void {
    if (!ctx.replayable || ctx.tried.length >= maxAttempts) {
      if (ctx.error !== undefined) this.answerError(ctx, ctx.error);
      else {
        this.stage = responding;
        this.carrier.respond(ctx);
      }
      return;
    }
    this.carrier.abandonAttempt(ctx);
    this.endAttempt(ctx);
    this.lastFailure = ctx.error;
    ctx.beginAttempt(this.now());
    this.select(ctx);
  }

  private fail(ctx: ProxyContext, thrown: Error): void {
    const error = thrown instanceof WeldrError ? thrown : new WeldrError('INTERNAL', toError(thrown).message);
    this.answerError(ctx, error);
  }

  private answer(ctx: ProxyContext, reply: Reply): void {
    this.stage = responding;
    ctx.status = reply.status;
    this.carrier.reply(ctx, reply);
  }

  private answerError(ctx: ProxyContext, error: WeldrError): void {
    this.stage = responding;
    ctx.error = error;
    ctx.status = error.status;
    this.carrier.replyError(ctx, error);
  }

  private endAttempt(ctx: ProxyContext): void {
    const { upstream } = ctx;
    if (upstream === undefined) return;
    upstream.inFlight--;
    this.hooks.attemptFinished.call(ctx);
  }

  private finish(): void {
    const { ctx } = this;
    if (ctx === undefined) return;
    this.ctx = undefined;
    this.stage = idle;
    ctx.finishedAt = this.now();
    this.endAttempt(ctx);
    this.hooks.finished.call(ctx);
  }
}

const monotonicNow = (): number => performance.now();

function noUpstream(ctx: ProxyContext): string {
  return `no upstream of pool ${ctx.pool.name} is available (${ctx.pool.size} known)`;
}
