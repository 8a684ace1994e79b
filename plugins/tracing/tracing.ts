// Tracing: gives each request its place in a trace, and makes the spans of recorded ones when they finish.
import type { SpanContext, TraceState } from '@opentelemetry/api';
import type { ProxyContext } from '../../core/request/context.ts';
import { parseTraceParent } from '../../core/request/trace-parent.ts';
import type { Clock } from '../../core/time/clock.ts';
import type { OpenTelemetry } from './packages.ts';
import { RequestTrace, traceParent } from './request-trace.ts';
import { attemptFacts, type QueryText, requestFacts, type SpanFacts } from './span-facts.ts';
import type { SpanQueue } from './span-queue.ts';
import type { TraceIds } from './trace-ids.ts';

/** Longer values need not be passed on (W3C Trace Context section 3.3.1.5), and are not kept. */
const maxTraceState = 512;

/** The collaborators of {@link Tracing}. */
export interface TracingMeans {
  readonly api: OpenTelemetry['api'];
  readonly clock: Clock;
  readonly ids: TraceIds;
  readonly queue: SpanQueue;
  readonly query: QueryText;
  /** Whether the trace of this request's peer may be continued. */
  isTrusted(ctx: ProxyContext): boolean;
}

/** One instance of the plugin in a worker. */
export class Tracing {
  private readonly means: TracingMeans;

  constructor(means: TracingMeans) {
    this.means = means;
  }

  /** Called when a request begins, or was refused before that. */
  begin(ctx: ProxyContext): void {
    if (ctx.traceContext === undefined) ctx.joinTrace(this.traceOf(ctx));
  }

  /** Called before an attempt is sent: its server gets the attempt's own span. */
  beginAttempt(ctx: ProxyContext): void {
    const trace = this.recorded(ctx);
    if (trace === undefined) return;
    const spanId = this.means.ids.span();
    const { outgoing } = ctx;
    trace.attempts ??= [];
    trace.attempts[ctx.tried.length - 1] = { spanId, method: outgoing.method, target: outgoing.target };
    outgoing.headers.set('traceparent', traceParent(trace.traceId, spanId));
  }

  /** Called when a request has finished. */
  finish(ctx: ProxyContext): void {
    const trace = this.recorded(ctx);
    if (trace === undefined || ctx.rehearsal) return;
    const { clock, queue, query } = this.means;
    const { attempts } = ctx;
    if (!queue.hasRoom(1 + attempts.length)) return;
    const traceState = trace.continued ? traceStateOf(ctx, this.means.api) : undefined;
    const own = this.contextOf(trace, trace.spanId, traceState);
    const sinceEpoch = clock.now() - clock.monotonic();
    for (const [n, attempt] of attempts.entries()) {
      const sent = trace.attempts?.[n];
      // A plugin replied or failed before anything was sent.
      if (sent === undefined || (attempt.sentAt === 0 && attempt.error === undefined)) continue;
      const context = this.contextOf(trace, sent.spanId, traceState);
      this.add('CLIENT', attemptFacts(attempt, sent, n, query), attempt, sinceEpoch, context, own);
    }
    const { parentId } = trace;
    const above = parentId === '' ? undefined : this.contextOf(trace, parentId, traceState);
    const remote = above === undefined ? undefined : { ...above, isRemote: true };
    this.add('SERVER', requestFacts(ctx, query), ctx, sinceEpoch, own, remote);
  }

  private add(
    kind: 'SERVER' | 'CLIENT',
    { name, attributes, failure }: SpanFacts,
    { startedAt, finishedAt }: { readonly startedAt: number; readonly finishedAt: number },
    sinceEpoch: number,
    context: SpanContext,
    parent: SpanContext | undefined,
  ): void {
    const { SpanKind, SpanStatusCode } = this.means.api;
    this.means.queue.add({
      name,
      kind: SpanKind[kind],
      context,
      parent,
      startedAt: startedAt + sinceEpoch,
      finishedAt: finishedAt + sinceEpoch,
      attributes,
      status:
        failure === undefined
          ? { code: SpanStatusCode.UNSET }
          : { code: SpanStatusCode.ERROR, message: failure },
    });
  }

  private contextOf(
    { traceId }: RequestTrace,
    spanId: string,
    traceState: TraceState | undefined,
  ): SpanContext {
    const context: SpanContext = { traceId, spanId, traceFlags: this.means.api.TraceFlags.SAMPLED };
    if (traceState !== undefined) context.traceState = traceState;
    return context;
  }

  private traceOf(ctx: ProxyContext): RequestTrace {
    const { ids } = this.means;
    const came = this.means.isTrusted(ctx) ? ctx.request.headers.getOnly('traceparent') : undefined;
    const parent = came === undefined ? undefined : parseTraceParent(came);
    if (parent === undefined) {
      const traceId = ids.trace();
      return RequestTrace.begin(this, traceId, ids.span(), ids.sampled);
    }
    const { traceId, spanId } = parent;
    if (!parent.sampled) return RequestTrace.pass(this, traceId, spanId);
    return RequestTrace.continue(this, traceId, ids.span(), spanId);
  }

  /** Returns this instance's record of a request; undefined if the request is not recorded. */
  private recorded({ traceContext }: ProxyContext): RequestTrace | undefined {
    const isOwn = traceContext instanceof RequestTrace && traceContext.owner === this;
    return isOwn && traceContext.sampled ? traceContext : undefined;
  }
}

function traceStateOf({ request }: ProxyContext, api: OpenTelemetry['api']): TraceState | undefined {
  const text = request.headers.getAll('tracestate').join(',');
  return text === '' || text.length > maxTraceState ? undefined : api.createTraceState(text);
}
