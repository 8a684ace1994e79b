// StepRecorder: records what plugins and Weldr do with one request.
import { describeError, type WeldrError } from '../errors.ts';
import { isPool, isUpstream, type Pool, type Upstream } from '../pool/pool.ts';
import type { Attempt } from '../request/attempt.ts';
import { type ProxyContext, stateOf } from '../request/context.ts';
import { isReply } from '../request/reply.ts';
import type { RequestState } from '../request/request-state.ts';
import { Retry, retry } from '../request/retry.ts';
import { isRoute } from '../request/route.ts';
import type { Stages } from '../stages/stages.ts';
import type { TapObserver, TapPlace } from '../stages/tap-observer.ts';
import { explainedServers } from './explained-servers.ts';
import type { ExplainedSending, Step } from './explanation.ts';
import { editsBetween, pictureOf, type RequestPicture, shownLines } from './request-picture.ts';

/** The most steps kept. */
const mostSteps = 500;
/** The most characters of a reason. */
const longestWhy = 1_000;

/** The parts that a recorder needs. */
export interface RecorderMeans {
  /**
   * The stages of the plugins, without an observer; undefined: plugins are asked only about servers that were chosen.
   */
  readonly stages: Stages | undefined;
  /** Milliseconds of a monotonic clock. */
  now(): number;
}

/** The steps of one request. */
export class StepRecorder implements TapObserver {
  readonly steps: Step[] = [];
  readonly sends: ExplainedSending[] = [];
  /** How many steps are left out. */
  leftOut = 0;
  private readonly means: RecorderMeans;
  private before: RequestPicture | undefined = undefined;
  private response: object | undefined = undefined;
  private began = 0;
  private asked: Upstream | undefined = undefined;
  /** What has already been recorded. */
  private pool: Pool | undefined = undefined;
  private chosen: Upstream | undefined = undefined;
  private attempts = 0;
  private hasReply = false;
  private toldAttempt: Attempt | undefined = undefined;
  private toldError: WeldrError | undefined = undefined;
  private isClosed = false;

  constructor(means: RecorderMeans) {
    this.means = means;
  }

  /** Ends the recording: later results of plugins do not count. */
  close(): void {
    this.isClosed = true;
  }

  begins(ctx: ProxyContext, _place: TapPlace, upstream: Upstream | undefined): void {
    const state = stateOf(ctx);
    this.catchUp(ctx, state);
    this.asked = upstream;
    this.before = pictureOf(state);
    this.response = state.responseHeaders;
    this.began = this.means.now();
  }

  ended(ctx: ProxyContext, place: TapPlace, value: unknown): void {
    const ms = this.msSinceBegin();
    const { stage, plugin } = place;
    // A plugin without objection to a server adds no step.
    if (stage === 'eligible' && value !== false) return;
    const said = stage === 'respond' ? this.wordInRespond(stateOf(ctx)) : this.wordOf(ctx, value);
    this.add({ stage, plugin, ms, ...said, ...this.doneTo(stateOf(ctx)) });
  }

  failed(ctx: ProxyContext, { stage, plugin }: TapPlace, thrown: unknown): void {
    const ms = this.msSinceBegin();
    this.add({ stage, plugin, ms, word: 'failed', why: why(thrown), ...this.doneTo(stateOf(ctx)) });
  }

  skipped(ctx: ProxyContext, { stage, plugin, conditions }: TapPlace): void {
    this.catchUp(ctx, stateOf(ctx));
    // An inner plugin of its role replaces it where the inner one's conditions hold.
    const reason = hold(ctx, conditions)
      ? 'a plugin of its role further in takes its place'
      : 'its when does not hold';
    this.add({ stage, plugin, word: 'skipped', why: reason });
  }

  noneChosen(ctx: ProxyContext): void {
    const { pool } = stateOf(ctx);
    const servers = explainedServers(ctx, undefined, this.means.stages);
    this.add({ stage: 'selectUpstream', plugin: 'weldr', word: 'none', pool: pool.name, ...servers });
  }

  finished(ctx: ProxyContext): void {
    this.catchUp(ctx, stateOf(ctx));
  }

  /** Records the request that would be sent to the server of the attempt. */
  sending(ctx: ProxyContext, state: RequestState, supposed: string): void {
    this.catchUp(ctx, state);
    const { upstream } = state;
    if (upstream === undefined) return;
    const { method, target, host } = state.edited ?? state;
    const ownHost = state.edited?.hasOwnHost === true ? undefined : upstream.ownHost;
    const list = (state.edited ?? state).copyHeaders();
    list.delete('host');
    this.sends.push({
      server: upstream.id,
      method,
      target,
      host: ownHost ?? (host === '' ? upstream.authority : host),
      headers: shownLines(list),
    });
    this.add({ stage: 'forward', plugin: 'weldr', word: 'sends', server: upstream.id, why: supposed });
  }

  /** Records why the request failed. */
  error(ctx: ProxyContext, state: RequestState, error: WeldrError): void {
    this.catchUp(ctx, state);
    this.tellOfError(error);
  }

  /** Records what Weldr did on its own since the last step. */
  private catchUp(ctx: ProxyContext, state: RequestState): void {
    this.tellOfPool(state);
    this.tellOfAttempt(ctx, state);
    this.tellOfResult(state);
    const { rare, status, error } = state;
    if (status === 0) return;
    if (rare?.responseSource === 'weldr' && error !== undefined) this.tellOfError(error);
    if (rare?.responseSource !== 'plugin' || this.hasReply) return;
    // No tap makes a route's reply.
    this.hasReply = true;
    const plugin = rare.responsePlugin ?? state.tap;
    this.add({ stage: 'route', plugin, word: 'replied', status, route: state.route?.name });
  }

  /** For real attempts. An explained one sends nothing, and was recorded before. */
  private tellOfResult({ attempt, rare }: RequestState): void {
    if (attempt === undefined || attempt === this.toldAttempt || rare?.rehearsal === true) return;
    const { respondedAt, finishedAt, startedAt, status, error, upstream } = attempt;
    const end = respondedAt || finishedAt;
    if (end === 0 && error === undefined) return;
    this.toldAttempt = attempt;
    this.add({
      stage: 'forward',
      plugin: 'weldr',
      word: 'sent',
      server: upstream.id,
      ms: rounded((end || this.means.now()) - startedAt),
      status: status === 0 ? undefined : status,
      why: error === undefined ? undefined : why(error),
    });
  }

  private tellOfError(error: WeldrError): void {
    if (error === this.toldError) return;
    this.toldError = error;
    const last = this.steps.at(-1);
    // The plugin has reported it itself.
    if (error.plugin !== undefined && last?.word === 'failed' && last.plugin === error.plugin) return;
    const plugin = error.plugin ?? 'weldr';
    this.add({ stage: stageOf(error), plugin, word: 'failed', status: error.status, why: why(error) });
  }

  private tellOfPool({ pool, route }: RequestState): void {
    const before = this.pool;
    if (before === pool) return;
    this.pool = pool;
    // The request's first pool.
    if (before === undefined || this.steps.at(-1)?.word === 'routed') return;
    const reason = before.fallback === pool.name ? `the fallback of pool ${before.name}` : undefined;
    this.add({
      stage: 'route',
      plugin: 'weldr',
      word: 'entered',
      pool: pool.name,
      route: route?.name,
      why: reason,
    });
  }

  /** The core does not accept every choice of a balancer. */
  private tellOfAttempt(ctx: ProxyContext, { attempt, tried }: RequestState): void {
    if (attempt === undefined || tried.length === this.attempts) return;
    this.attempts = tried.length;
    const { upstream } = attempt;
    if (upstream === this.chosen) return;
    this.chosen = upstream;
    this.add({
      stage: 'selectUpstream',
      plugin: 'weldr',
      word: 'chose',
      server: upstream.id,
      why: 'no choice of the balancer could be taken',
      ...explainedServers(ctx, upstream, this.means.stages),
    });
  }

  private wordOf(ctx: ProxyContext, value: unknown): Pick<Step, 'word'> & Partial<Step> {
    if (isReply(value)) {
      this.hasReply = true;
      return { word: 'replied', status: value.status };
    }
    if (isRoute(value)) {
      if (value.pool !== undefined) this.pool = value.pool;
      return { word: 'routed', route: value.name, pool: value.pool?.name };
    }
    if (isPool(value)) {
      this.pool = value;
      return { word: 'routed', pool: value.name };
    }
    if (isUpstream(value)) {
      this.chosen = value;
      return { word: 'chose', server: value.id, ...explainedServers(ctx, value, this.means.stages) };
    }
    if (value === false) return { word: 'refused', server: this.asked?.id };
    if (value === retry) return { word: 'retries' };
    return value instanceof Retry ? { word: 'retries', pool: value.pool } : { word: 'passed' };
  }

  /** In this stage a reply takes effect at once, with its own header list. */
  private wordInRespond({
    responseHeaders,
    responseSource,
    status,
  }: RequestState): Pick<Step, 'word'> & Partial<Step> {
    if (responseHeaders === this.response || responseSource !== 'plugin') return { word: 'passed' };
    this.hasReply = true;
    return { word: 'replied', status };
  }

  /** The edits and notes of a tap. */
  private doneTo(state: RequestState): Pick<Step, 'edits' | 'notes'> {
    const { before } = this;
    if (before === undefined) return {};
    const edits = editsBetween(before, pictureOf(state));
    const notes = (state.rare?.notes ?? []).slice(before.notes);
    return { ...(edits.length > 0 && { edits }), ...(notes.length > 0 && { notes }) };
  }

  private msSinceBegin(): number {
    return rounded(this.means.now() - this.began);
  }

  private add(step: Step): void {
    if (this.isClosed) return;
    if (this.steps.length < mostSteps) this.steps.push(step);
    else this.leftOut++;
  }
}

const rounded = (ms: number): number => Math.round(ms * 1_000) / 1_000;

function hold(ctx: ProxyContext, conditions: TapPlace['conditions']): boolean {
  try {
    return conditions.every(condition => condition(ctx));
  } catch {
    return false;
  }
}

/** For operators: without stacks. */
const why = (thrown: unknown): string => describeError(thrown).slice(0, longestWhy);

function stageOf({ stage, phase }: WeldrError): Step['stage'] {
  switch (stage) {
    case 'request':
    case 'route':
    case 'selectUpstream':
    case 'eligible':
    case 'preProxy':
    case 'judge':
    case 'postProxy':
    case 'respond':
      return stage;
  }
  if (phase === 'select') return 'selectUpstream';
  return phase === 'request-head' || phase === 'request-body' ? 'request' : 'forward';
}
