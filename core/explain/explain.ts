// Runs a request through the stages of a worker without sending anything, and returns what each plugin did.

import { type ErrorCode, WeldrError } from '../errors.ts';
import type { Pools } from '../pool/pools.ts';
import type { ProxyContext } from '../request/context.ts';
import { HeaderList } from '../request/headers.ts';
import type { RequestState } from '../request/request-state.ts';
import type { Carrier } from '../stages/carrier.ts';
import { Pipeline } from '../stages/pipeline.ts';
import type { Stages } from '../stages/stages.ts';
import type { Clock } from '../time/clock.ts';
import type { ExplainedResponse, Explanation } from './explanation.ts';
import { shownLines } from './request-picture.ts';
import { StepRecorder } from './step-recorder.ts';

/** The longest that all plugins together may take, ms. */
export const longestExplanation = 5_000;

/** The supposed response of servers: a status, or the code of an error that an attempt ends with. */
export type SupposedAnswer = number | ErrorCode;

/** The parts that explaining needs. */
export interface ExplainMeans {
  readonly stages: Stages;
  readonly pools: Pools;
  readonly clock: Clock;
}

/**
 * Explains a request whose context is a rehearsal. Each attempt ends as `answer` says. `refusal`: why the request would
 * be refused. Plugins that take too long are abandoned.
 */
export function explainRequest(
  means: ExplainMeans,
  ctx: ProxyContext,
  answer: SupposedAnswer = 200,
  refusal?: WeldrError,
): Promise<Explanation> {
  return new Promise(resolve => new RehearsalCarrier(means, ctx, answer, resolve).run(refusal));
}

/** Takes the wire's place below the pipeline, and sends nothing. */
class RehearsalCarrier implements Carrier {
  private readonly means: ExplainMeans;
  private readonly ctx: ProxyContext;
  private readonly answer: SupposedAnswer;
  private readonly resolve: (explanation: Explanation) => void;
  private readonly recorder: StepRecorder;
  private readonly pipeline: Pipeline;
  private readonly startedAt: number;
  private cancelLimit: (() => void) | undefined;

  constructor(
    means: ExplainMeans,
    ctx: ProxyContext,
    answer: SupposedAnswer,
    resolve: (explanation: Explanation) => void,
  ) {
    this.means = means;
    this.ctx = ctx;
    this.answer = answer;
    this.resolve = resolve;
    const { stages, pools, clock } = means;
    const now = () => clock.monotonic();
    this.recorder = new StepRecorder({ stages, now });
    this.startedAt = now();
    const options = { stages: stages.observedBy(this.recorder), pools, now, rehearses: true };
    this.pipeline = new Pipeline(options, this);
  }

  run(refusal: WeldrError | undefined): void {
    const { pipeline, ctx } = this;
    this.cancelLimit = this.means.clock.after(longestExplanation, () =>
      pipeline.stageTimedOut(longestExplanation),
    );
    if (refusal === undefined) pipeline.start(ctx);
    else pipeline.refuse(ctx, refusal);
  }

  /** One time limit covers all plugins. */
  awaitStage(): void {}

  forward(state: RequestState): void {
    const { answer, means, pipeline } = this;
    this.recorder.sending(this.ctx, state, `not sent; as if the answer was ${answer}`);
    const limit = state.rare?.bodyLimit;
    if (limit !== undefined && state.bodyLength > limit) {
      pipeline.refuse(this.ctx, new WeldrError('BODY_TOO_LARGE'));
      return;
    }
    const now = means.clock.monotonic();
    state.attempt?.sent(now);
    if (typeof answer !== 'number') {
      pipeline.attemptFailed(new WeldrError(answer));
      return;
    }
    state.status = answer;
    state.responseHeaders = new HeaderList();
    state.attempt?.responded(answer, now);
    pipeline.responded();
  }

  respond(state: RequestState): void {
    this.end(state);
  }

  reply(state: RequestState): void {
    this.end(state);
  }

  abandonAttempt(): void {}

  failed(state: RequestState, error: WeldrError): void {
    this.recorder.error(this.ctx, state, error);
  }

  private end(state: RequestState): void {
    this.cancelLimit?.();
    const { recorder } = this;
    const explanation = explanationOf(state, recorder, this.means.clock.monotonic() - this.startedAt);
    recorder.close();
    this.pipeline.completed();
    this.resolve(explanation);
  }
}

/** The explanation of a request whose steps were recorded and which took `ms`. */
export function explanationOf(state: RequestState, recorder: StepRecorder, ms: number): Explanation {
  const { method, target, host } = state;
  return {
    method,
    url: host === '' ? target : `${state.scheme}://${host}${target}`,
    clientIp: state.clientIp,
    listener: state.connection.listener,
    steps: [...recorder.steps],
    ...(recorder.leftOut > 0 && { moreSteps: recorder.leftOut }),
    route: state.route?.name,
    pool: state.pool.name,
    server: state.tried.at(-1)?.id,
    sends: recorder.sends,
    response: responseOf(state),
    notes: state.rare?.notes ?? [],
    ms: Math.round(ms * 1_000) / 1_000,
  };
}

function responseOf({
  status,
  responseSource,
  rare,
  error,
  responseHeaders,
}: RequestState): ExplainedResponse {
  return {
    status,
    by: responseSource,
    plugin: responseSource === 'plugin' ? rare?.responsePlugin : undefined,
    code: error?.code,
    why: error?.message,
    headers: responseHeaders === undefined ? [] : shownLines(responseHeaders),
  };
}
