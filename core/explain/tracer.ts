// Tracer: in a worker, records real requests while an operator follows them.
import { type ProxyContext, stateOf } from '../request/context.ts';
import type { RequestState } from '../request/request-state.ts';
import type { Stages } from '../stages/stages.ts';
import type { TapObserver, TapPlace } from '../stages/tap-observer.ts';
import { explanationOf } from './explain.ts';
import type { Explanation } from './explanation.ts';
import { StepRecorder } from './step-recorder.ts';
import type { TraceWish } from './trace.ts';

/** The most requests recorded at the same time. */
const mostAtOnce = 200;

/** The parts that a tracer needs. */
export interface TracerMeans {
  readonly stages: Stages;
  /** Milliseconds of a monotonic clock. */
  now(): number;
  /** Called when a traced request is over. */
  deliver(trace: number, explanation: Explanation): void;
}

/** A trace, and how many more requests it takes. */
interface Open {
  readonly wish: TraceWish;
  left: number;
}

/** A recorded request, and its traces. */
interface Recorded {
  readonly recorder: StepRecorder;
  readonly traces: readonly Open[];
}

/** The traces of one worker. Without any, its stages have no observer. */
export class Tracer implements TapObserver {
  private readonly means: TracerMeans;
  private readonly open = new Map<number, Open>();
  /** Includes those that no trace selects, so that each is checked once. */
  private known = new WeakMap<ProxyContext, Recorded | 'unwanted'>();
  private recording = 0;

  constructor(means: TracerMeans) {
    this.means = means;
  }

  /** Replaces the traces. */
  want(wishes: readonly TraceWish[]): void {
    const ids = new Set(wishes.map(({ id }) => id));
    for (const id of this.open.keys()) if (!ids.has(id)) this.open.delete(id);
    for (const wish of wishes) {
      if (!this.open.has(wish.id)) this.open.set(wish.id, { wish, left: wish.count });
    }
    if (this.open.size > 0) {
      this.means.stages.observe(this);
      return;
    }
    this.means.stages.observe(undefined);
    // Requests of ended traces are never shown.
    this.known = new WeakMap();
    this.recording = 0;
  }

  begins(ctx: ProxyContext, place: TapPlace, upstream: Parameters<TapObserver['begins']>[2]): void {
    this.recorderOf(ctx)?.begins(ctx, place, upstream);
  }

  ended(ctx: ProxyContext, place: TapPlace, value: unknown): void {
    this.recorderOf(ctx)?.ended(ctx, place, value);
  }

  failed(ctx: ProxyContext, place: TapPlace, thrown: unknown): void {
    this.recorderOf(ctx)?.failed(ctx, place, thrown);
  }

  skipped(ctx: ProxyContext, place: TapPlace): void {
    this.recorderOf(ctx)?.skipped(ctx, place);
  }

  noneChosen(ctx: ProxyContext): void {
    this.recorderOf(ctx)?.noneChosen(ctx);
  }

  finished(ctx: ProxyContext): void {
    const recorded = this.known.get(ctx) ?? this.look(ctx);
    if (recorded === 'unwanted') return;
    this.recording--;
    this.known.set(ctx, 'unwanted');
    const state = stateOf(ctx);
    const { recorder, traces } = recorded;
    recorder.finished(ctx);
    const wanted = traces.filter(
      ({ wish, left }) =>
        left > 0 && this.open.has(wish.id) && hasStatus(wish, state) && wentWhere(wish, state),
    );
    if (wanted.length === 0) return;
    const explanation = explanationOf(state, recorder, state.finishedAt - state.startedAt);
    for (const trace of wanted) {
      trace.left--;
      this.means.deliver(trace.wish.id, explanation);
    }
  }

  private recorderOf(ctx: ProxyContext): StepRecorder | undefined {
    const recorded = this.known.get(ctx) ?? this.look(ctx);
    return recorded === 'unwanted' ? undefined : recorded.recorder;
  }

  /** Begins to record a request if a trace selects it; otherwise marks it as unwanted. */
  private look(ctx: ProxyContext): Recorded | 'unwanted' {
    const state = stateOf(ctx);
    const isOver = this.recording >= mostAtOnce || state.rare?.rehearsal === true;
    const traces = isOver
      ? []
      : [...this.open.values()].filter(({ wish, left }) => left > 0 && isAbout(wish, state));
    const { now } = this.means;
    const recorded =
      traces.length === 0 ? 'unwanted' : { recorder: new StepRecorder({ stages: undefined, now }), traces };
    if (recorded !== 'unwanted') this.recording++;
    this.known.set(ctx, recorded);
    return recorded;
  }
}

function isAbout({ host, path, method }: TraceWish, state: RequestState): boolean {
  if (method !== undefined && method !== state.method) return false;
  if (host !== undefined && !isHost(host, state.host.replace(/:\d*$/, '').toLowerCase())) return false;
  if (path === undefined) return true;
  const [asked = ''] = state.target.split('?', 1);
  return path.endsWith('*') ? asked.startsWith(path.slice(0, -1)) : asked === path;
}

const isHost = (wanted: string, host: string): boolean =>
  wanted.startsWith('*.') ? host.endsWith(wanted.slice(1)) : host === wanted;

function hasStatus({ status }: TraceWish, state: RequestState): boolean {
  if (status === undefined) return true;
  return status.endsWith('xx')
    ? String(state.status).startsWith(status.slice(0, 1))
    : status === String(state.status);
}

/** Returns whether it went to the route, pool and server that the trace asks for. */
function wentWhere({ route, pool, server }: TraceWish, state: RequestState): boolean {
  if (route !== undefined && state.route?.name !== route) return false;
  if (pool !== undefined && state.pool.name !== pool) return false;
  return server === undefined || state.tried.some(({ id }) => id === server || id.endsWith(`//${server}`));
}
