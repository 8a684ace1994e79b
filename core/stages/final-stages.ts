// FinalStages: the stages that each request ends with: respond, attemptFinished, finished.
import { toError, WeldrError } from '../errors.ts';
import type { Pool } from '../pool/pool.ts';
import type { Pools } from '../pool/pools.ts';
import { type ProxyContext, stateOf } from '../request/context.ts';
import { type Reply, reply } from '../request/reply.ts';
import type { RequestState } from '../request/request-state.ts';
import type { Carrier } from './carrier.ts';
import type { Chain } from './chain.ts';
import type { PipelineOptions } from './pipeline-options.ts';
import type { RequestEpoch } from './request-epochs.ts';
import type { Stages } from './stages.ts';

/** The stage of a pipeline without a request. */
export const idle = 0;
/** The stage of a request whose response is being sent. */
export const responding = 9;

/** The request that is under way, and its end. */
export class FinalStages {
  private readonly all: Stages;
  /** The stages of this request. */
  protected stages: Stages;
  protected readonly pools: Pools;
  protected readonly now: () => number;
  protected readonly carrier: Carrier;
  protected readonly counts: boolean;
  protected ctx: ProxyContext | undefined = undefined;
  protected state: RequestState | undefined = undefined;
  protected chain: Chain;
  private epoch: RequestEpoch;
  protected stage = idle;

  constructor(options: PipelineOptions, carrier: Carrier) {
    this.all = options.stages;
    this.stages = options.stages;
    this.pools = options.pools;
    this.now = options.now;
    this.carrier = carrier;
    this.counts = options.rehearses !== true;
    this.chain = options.stages.plain;
    this.epoch = options.stages.epochs.current;
  }

  protected begin(ctx: ProxyContext): void {
    this.ctx = ctx;
    this.state = stateOf(ctx);
    this.stages = this.all.next();
    this.chain = this.stages.plain;
    this.epoch = this.stages.epochs.current;
    this.epoch.begin();
  }

  protected fail(state: RequestState, thrown: unknown): void {
    const error =
      thrown instanceof WeldrError
        ? thrown
        : new WeldrError('INTERNAL', toError(thrown).message, { cause: thrown });
    this.endWithError(state, error);
  }

  protected answer(state: RequestState, answer: Reply): void {
    state.replaceResponse(answer, 'plugin', state.rare?.repliedBy);
    this.respond(state);
  }

  protected endWithError(state: RequestState, error: WeldrError): void {
    state.error = error;
    state.replaceResponse(errorReply(error), 'weldr', undefined);
    this.respond(state, error);
  }

  /**
   * Runs `respond` on the head that is about to leave, and sends it. `failed`: what the request failed with, logged after
   * the taps, because one of them may be the first to give a refused request its id.
   */
  protected respond(state: RequestState, failed?: WeldrError): void {
    const { ctx } = this;
    if (ctx === undefined) return;
    this.stage = responding;
    let thrown: unknown;
    if (this.chain.respond.taps.length > 0) {
      try {
        this.chain.respond.call(ctx);
      } catch (raised) {
        thrown = toError(raised);
      }
    }
    if (failed !== undefined) this.carrier.failed(state, failed);
    if (thrown instanceof Error) this.failInRespond(ctx, state, thrown);
    state.leave();
    if (state.responseSource === 'upstream') this.carrier.respond(state);
    else this.carrier.reply(state);
  }

  /**
   * A tap of `respond` failed: the client gets a 500, which passes through the stage once more, whatever its taps do
   * then.
   */
  private failInRespond(ctx: ProxyContext, state: RequestState, thrown: Error): void {
    const error = thrown instanceof WeldrError ? thrown : new WeldrError('INTERNAL', thrown.message);
    state.error = error;
    state.replaceResponse(errorReply(error), 'weldr', undefined);
    this.carrier.failed(state, error);
    try {
      this.chain.respond.call(ctx);
    } catch {
      // The tap fails again for the error's own response, which leaves as it is.
    }
  }

  protected endAttempt(ctx: ProxyContext, { upstream, attempt }: RequestState, now: number): void {
    if (upstream === undefined || attempt === undefined) return;
    attempt.finished(now);
    if (this.counts) upstream.end();
    const { attemptFinished } = this.chain;
    if (attemptFinished.taps.length > 0) attemptFinished.call(ctx);
  }

  protected finish(): void {
    const { ctx, state } = this;
    if (ctx === undefined || state === undefined) return;
    this.ctx = undefined;
    this.state = undefined;
    this.stage = idle;
    state.finishedAt = this.now();
    this.endAttempt(ctx, state, state.finishedAt);
    finishRequest(this.stages, this.chain, ctx, state);
    this.epoch.end();
  }
}

/** The reply that an error's status and title make. */
function errorReply(error: WeldrError): Reply {
  const headers: Record<string, string> = error.status === 503 ? { 'Retry-After': '5' } : {};
  return reply(error.status === 499 ? 400 : error.status, `${error.status} ${error.title}\n`, headers);
}

/** Runs `finished`, and ends what plugins began for the request. */
function finishRequest(stages: Stages, { finished }: Chain, ctx: ProxyContext, state: RequestState): void {
  if (finished.taps.length > 0) finished.call(ctx);
  const { rare } = state;
  if (rare?.pools !== undefined) finishInPoolsLeft(stages, ctx, rare.pools);
  if (rare?.aborter !== undefined) abort(rare.aborter);
}

/** What a plugin of a pool began when it admitted the request ends with the request, no matter in which pool. */
function finishInPoolsLeft(stages: Stages, ctx: ProxyContext, pools: readonly Pool[]): void {
  for (const pool of pools) if (pool !== ctx.pool) stages.departure(pool.name)?.call(ctx);
}

function abort(aborter: AbortController): void {
  try {
    aborter.abort();
  } catch {
    // A plugin overwrote a part of the signal: its listeners are not called, but the request is over.
  }
}
