// Pipeline: drives one request through its stages. Knows hooks and rules, nothing of the wire.
import { WeldrError } from '../errors.ts';
import type { Pool, Upstream } from '../pool/pool.ts';
import type { ProxyContext } from '../request/context.ts';
import { isReply, type Reply } from '../request/reply.ts';
import type { RequestState } from '../request/request-state.ts';
import { Retry, type retry } from '../request/retry.ts';
import { isRoute, type Route } from '../request/route.ts';
import { settleChoice, whyNone } from './eligibility.ts';
import { FinalStages, idle } from './final-stages.ts';
import { failure } from './tap-guard.ts';
import { enters, wasIn } from './visited-pools.ts';

/** The most attempts of one request, whatever plugins ask for. */
export const maxAttempts = 10;

const admitting = 1;
const admittingToRoute = 2;
const admittingToPool = 3;
const selecting = 4;
const preparing = 5;
const forwarding = 6;
const judging = 7;
const finishing = 8;

const stageNames = [
  '',
  'request',
  'request',
  'request',
  'selectUpstream',
  'preProxy',
  '',
  'judge',
  'postProxy',
  '',
];

/**
 * The life of a request: request, route, select-upstream, pre-proxy, forward, judge, post-proxy, respond, finished.
 * Serves requests one after another; its callbacks are made once, so a request makes no closure. What a tap returns after
 * its request has continued without it is ignored, and the pipeline is not used again ({@link reusable}): a late result
 * could be mistaken for one for the next request.
 */
export class Pipeline extends FinalStages {
  private draws = 0;
  /** Whether an asynchronous tap was awaited before the first attempt. */
  private waited = false;
  private stranded = false;
  /** The error of the attempt before this one: the client gets it if no other upstream is available. */
  private lastFailure: WeldrError | undefined = undefined;

  /** Whether an asynchronous tap is working, and everything else waiting for it. */
  get pending(): boolean {
    return stageNames[this.stage] !== '';
  }

  /** Whether it may serve another request. */
  get reusable(): boolean {
    return this.stage === idle && !this.stranded;
  }

  /** Begins a request. */
  start(ctx: ProxyContext): void {
    this.begin(ctx);
    const { request } = this.stages.first;
    if (request.taps.length === 0) {
      this.route(ctx);
      return;
    }
    this.stage = admitting;
    request.callAsync(ctx, this.onAdmitted);
    this.awaitStage(admitting);
  }

  /**
   * Refuses a request: one that never began (`ctx` holds what is known of it), or the one that is under way, whose attempt
   * and pending stage are abandoned.
   */
  refuse(ctx: ProxyContext, error: WeldrError): void {
    if (this.ctx === undefined) this.begin(ctx);
    else this.strandIfPending();
    const { state } = this;
    if (state === undefined) return;
    // The attempt that the client spoiled records why it failed.
    if (error.blame === 'client' && state.attempt?.finishedAt === 0) state.attempt.failed(error);
    this.endWithError(state, error);
  }

  /** Sends Weldr's own reply to a request that never began. */
  replyAtOnce(ctx: ProxyContext, answer: Reply): void {
    this.begin(ctx);
    const { state } = this;
    if (state === undefined) return;
    state.replaceResponse(answer, 'weldr', undefined);
    this.respond(state);
  }

  /** The pending stage has taken longer than `ms`. */
  stageTimedOut(ms: number): void {
    const { ctx, state, stage } = this;
    if (ctx === undefined || state === undefined || !this.pending) return;
    const stageName = stageNames[stage] ?? '';
    const plugin = state.tap;
    const why = `plugin ${plugin} in ${stageName}: took over ${ms} ms`;
    this.refuse(ctx, new WeldrError('PLUGIN_FAILED', why, { plugin, stage: stageName }));
  }

  /** The response head of the current attempt is in the state. */
  responded(): void {
    const { ctx, state } = this;
    if (ctx === undefined || state === undefined || this.stage !== forwarding) return;
    if (state.rare !== undefined) state.rare.responseSource = 'upstream';
    this.judge(ctx, state);
  }

  /** The current attempt has failed before a response head was passed on. */
  attemptFailed(error: WeldrError): void {
    const { ctx, state } = this;
    if (ctx === undefined || state === undefined || this.stage !== forwarding) return;
    state.error = error;
    state.status = 0;
    state.attempt?.failed(error);
    this.judge(ctx, state);
  }

  /** The last byte of the response was sent. */
  completed(): void {
    if (this.state !== undefined) this.state.outcome = 'complete';
    this.finish();
  }

  /** The request ended otherwise: the client left, or its response was cut. `ctx.error` says why. */
  aborted(error: WeldrError): void {
    const { state } = this;
    if (state === undefined) return;
    this.strandIfPending();
    state.error ??= error;
    state.attempt?.failed(error);
    if (state.status === 0) state.status = error.status;
    state.outcome = 'aborted';
    this.finish();
  }

  protected override begin(ctx: ProxyContext): void {
    super.begin(ctx);
    this.lastFailure = undefined;
    this.draws = 0;
    this.waited = false;
  }

  /** Waits for a stage, unless it is already done and the request is in a later one. */
  private awaitStage(begun: number): void {
    if (this.stage !== begun) return;
    this.waited = true;
    this.carrier.awaitStage();
  }

  private strandIfPending(): void {
    if (this.pending) this.stranded = true;
  }

  // --- admission and route ---------------------------------------------------------------------------------------

  private readonly onAdmitted = (thrown?: Error | null, result?: Reply): void => {
    const { ctx } = this;
    if (ctx !== undefined && this.passes(admitting, thrown, result)) this.route(ctx);
  };

  private route(ctx: ProxyContext): void {
    const { state } = this;
    if (state === undefined) return;
    const { route } = this.stages.first;
    if (route.taps.length === 0) {
      if (this.stages.scoped) this.enter(ctx, state, state.pool, 'first');
      else this.select(ctx, state);
      return;
    }
    let destination: Pool | Route | Reply | undefined;
    try {
      destination = route.call(ctx);
    } catch (thrown) {
      this.fail(state, thrown);
      return;
    }
    if (isReply(destination)) this.answer(state, destination);
    else if (!isRoute(destination)) this.enter(ctx, state, destination ?? state.pool, 'first');
    else this.follow(ctx, state, destination);
  }

  private follow(ctx: ProxyContext, state: RequestState, route: Route): void {
    state.ensureRare().route = route;
    this.chain = this.stages.of(route, route.pool);
    const admission = this.stages.admission('route', route.name);
    if (admission === undefined) this.arrive(ctx, state, route);
    else {
      this.stage = admittingToRoute;
      admission.callAsync(ctx, this.onAdmittedToRoute);
      this.awaitStage(admittingToRoute);
    }
  }

  private readonly onAdmittedToRoute = (thrown?: Error | null, result?: Reply): void => {
    const { ctx, state } = this;
    const route = state?.route;
    if (ctx === undefined || state === undefined || !isRoute(route)) return;
    if (this.passes(admittingToRoute, thrown, result)) this.arrive(ctx, state, route);
  };

  /** Follows the route to its pool, or to the reply that it makes. */
  private arrive(ctx: ProxyContext, state: RequestState, route: Route): void {
    if (route.pool !== undefined) {
      this.enter(ctx, state, route.pool, 'first');
      return;
    }
    let answer: Reply | undefined;
    try {
      answer = route.reply?.(ctx);
    } catch (thrown) {
      this.fail(state, thrown);
      return;
    }
    if (answer !== undefined) this.answer(state, answer);
  }

  /** Makes this the pool to choose from; at the first entry its own plugins admit the request. */
  private enter(ctx: ProxyContext, state: RequestState, pool: Pool, when: 'first' | 'later'): void {
    state.forgetEdits();
    const isNew = when === 'first' || enters(state, pool);
    state.pool = pool;
    this.chain = this.stages.of(state.route, pool);
    const admission = isNew ? this.stages.admission('pool', pool.name) : undefined;
    if (admission === undefined) this.select(ctx, state);
    else {
      this.stage = admittingToPool;
      admission.callAsync(ctx, this.onAdmittedToPool);
      this.awaitStage(admittingToPool);
    }
  }

  private readonly onAdmittedToPool = (thrown?: Error | null, result?: Reply): void => {
    const { ctx, state } = this;
    if (ctx === undefined || state === undefined) return;
    if (this.passes(admittingToPool, thrown, result)) this.select(ctx, state);
  };

  /** Returns whether the request continues after this stage. If not, it was answered or had already left the stage. */
  private passes(stage: number, thrown: Error | null | undefined, result: Reply | undefined): boolean {
    const { state } = this;
    if (state === undefined || this.stage !== stage) return false;
    if (thrown) this.fail(state, thrown);
    else if (result !== undefined) this.answer(state, result);
    else return true;
    return false;
  }

  // --- attempts --------------------------------------------------------------------------------------------------

  private select(ctx: ProxyContext, state: RequestState): void {
    this.stage = selecting;
    state.editAttempt();
    this.chain.selectUpstream.callAsync(ctx, this.onSelected);
    this.awaitStage(selecting);
  }

  private readonly onSelected = (thrown?: Error | null, result?: Upstream): void => {
    const { ctx, state } = this;
    if (ctx === undefined || state === undefined || this.stage !== selecting) return;
    if (thrown) {
      this.fail(state, thrown);
      return;
    }
    const isSimple = this.chain.eligible.taps.length === 0 && state.tried.length === 0;
    if (isSimple && result?.home === state.pool && !result.full) {
      this.attempt(ctx, state, result);
    } else this.narrow(ctx, state, result);
  };

  /** Takes a balancer's choice or another eligible upstream, or has the balancer choose again. */
  private narrow(ctx: ProxyContext, state: RequestState, choice: Upstream | undefined): void {
    let upstream: Upstream | 'again' | undefined;
    try {
      upstream = settleChoice(this.chain, ctx, state, choice, ++this.draws, this.lastFailure?.code);
    } catch (thrown) {
      this.fail(state, thrown);
      return;
    }
    if (upstream === 'again') this.select(ctx, state);
    else if (upstream !== undefined) this.attempt(ctx, state, upstream);
    else {
      this.draws = 0;
      this.fallBack(ctx, state);
    }
  }

  /** No upstream of the pool is available: goes to its fallback, to each pool once. */
  private fallBack(ctx: ProxyContext, state: RequestState): void {
    const { fallback } = state.pool;
    const next = fallback === undefined ? undefined : this.pools.get(fallback);
    if (next !== undefined && !wasIn(state, next)) {
      this.enter(ctx, state, next, 'later');
      return;
    }
    this.endWithError(
      state,
      this.lastFailure ?? new WeldrError('NO_UPSTREAM', whyNone(this.chain, state.pool)),
    );
  }

  private attempt(ctx: ProxyContext, state: RequestState, upstream: Upstream): void {
    this.draws = 0;
    const isFirst = state.tried.length === 0;
    state.beginAttempt(upstream, isFirst && !this.waited ? state.startedAt : this.now());
    if (this.counts) upstream.begin();
    const { preProxy } = this.chain;
    if (preProxy.taps.length === 0) {
      this.forward(state);
      return;
    }
    this.stage = preparing;
    preProxy.callAsync(ctx, this.onPrepared);
    this.awaitStage(preparing);
  }

  private readonly onPrepared = (thrown?: Error | null, result?: Reply): void => {
    const { state } = this;
    if (state !== undefined && this.passes(preparing, thrown, result)) this.forward(state);
  };

  private forward(state: RequestState): void {
    const { edited } = state;
    if (edited !== undefined && edited.target === '*' && edited.method !== 'OPTIONS') {
      // Either alone could be sent, so neither setter could refuse it.
      const what = `plugins made the request ${edited.method} *; only OPTIONS has the target *`;
      this.fail(state, new WeldrError('PLUGIN_FAILED', what));
      return;
    }
    this.stage = forwarding;
    this.carrier.forward(state);
  }

  private judge(ctx: ProxyContext, state: RequestState): void {
    const { judge } = this.chain;
    if (judge.taps.length === 0) {
      this.keep(ctx, state);
      return;
    }
    this.stage = judging;
    judge.callAsync(ctx, this.onJudged);
    this.awaitStage(judging);
  }

  private readonly onJudged = (thrown?: Error | null, result?: Retry | typeof retry): void => {
    const { ctx, state } = this;
    if (ctx === undefined || state === undefined || this.stage !== judging) return;
    if (thrown) this.fail(state, thrown);
    else if (result === undefined || !state.replayable || state.tried.length >= maxAttempts) {
      this.keep(ctx, state);
    } else {
      const wanted = result instanceof Retry ? result.pool : undefined;
      const pool = wanted === undefined ? state.pool : this.pools.get(wanted);
      if (pool === undefined) {
        const plugin = state.rare?.repliedBy ?? 'of an unknown name';
        this.fail(state, failure(plugin, 'judge', `retry in pool ${String(wanted)}, which does not exist`));
      } else {
        this.again(ctx, state, pool);
      }
    }
  };

  private again(ctx: ProxyContext, state: RequestState, pool: Pool): void {
    this.carrier.abandonAttempt(state);
    this.lastFailure = state.error;
    this.endAttempt(ctx, state, this.now());
    state.forgetAttempt();
    if (pool === state.pool) this.select(ctx, state);
    else this.enter(ctx, state, pool, 'later');
  }

  private keep(ctx: ProxyContext, state: RequestState): void {
    const { postProxy } = this.chain;
    if (postProxy.taps.length === 0) {
      this.conclude(state);
      return;
    }
    this.stage = finishing;
    postProxy.callAsync(ctx, this.onKept);
    this.awaitStage(finishing);
  }

  private readonly onKept = (thrown?: Error | null, result?: Reply): void => {
    const { state } = this;
    if (state !== undefined && this.passes(finishing, thrown, result)) this.conclude(state);
  };

  private conclude(state: RequestState): void {
    if (state.error === undefined) this.respond(state);
    else this.endWithError(state, state.error);
  }
}
