// SpanQueue: spans on their way to the receiver, in bounded number: OpenTelemetry's own means, watched.
import type { Attributes, SpanContext, SpanKind, SpanStatus, Tracer } from '@opentelemetry/api';
import type { ReadableSpan, SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace';
import type { Clock } from '../../core/clock.ts';
import { describeError, toError } from '../../core/errors.ts';
import type { Counter } from '../../core/plugin/metrics.ts';
import { version } from '../../core/version.ts';
import type { DroppedSpans } from './dropped-spans.ts';
import type { ParsedOptions } from './options.ts';
import type { OpenTelemetry } from './packages.ts';

/** Spans that are sent at once. */
const batch = 512;
/** Of a text that a stranger chose, characters; and of the reason for a drop. */
const maxText = 4096;
const maxReason = 300;
/** The longest that an ending worker waits for its last spans, ms. */
const patience = 1_000;

/** Of OpenTelemetry's ExportResultCode, whose package is no direct dependency. */
const succeeded = 0;
const failed = 1;

type ExportResult = Parameters<Parameters<SpanExporter['export']>[1]>[0];

/** A span that is over. */
export interface FinishedSpan {
  readonly name: string;
  readonly kind: SpanKind;
  readonly context: SpanContext;
  /** The span above it; undefined: it begins the trace. */
  readonly parent: SpanContext | undefined;
  /** Ms since the epoch. */
  readonly startedAt: number;
  readonly finishedAt: number;
  readonly attributes: Attributes;
  readonly status: SpanStatus;
}

/** What it tells what becomes of spans. */
export interface SpanQueueMeans {
  readonly clock: Clock;
  readonly dropped: DroppedSpans;
  readonly exported: Counter;
}

/** The spans of one worker that are not sent yet. */
export class SpanQueue {
  private readonly api: OpenTelemetry['api'];
  private readonly means: SpanQueueMeans;
  private readonly most: number;
  private readonly provider: TracerProvider;
  private readonly tracer: Tracer;
  /** Spans that wait, and those that are being sent. */
  private waiting = 0;
  private sending = 0;
  private closed = false;
  /** The span that is being made has this id. */
  private spanId = '';
  private traceId = '';

  constructor(
    { api, sdk, otlp, resources }: OpenTelemetry,
    { exporter: to }: Pick<ParsedOptions, 'exporter'>,
    resource: Attributes,
    means: SpanQueueMeans,
  ) {
    this.api = api;
    this.means = means;
    this.most = to.queue;
    const exporter = new otlp.OTLPTraceExporter({
      headers: to.headers,
      // More than there are batches in a full queue.
      concurrencyLimit: Math.ceil(to.queue / batch) + 4,
      ...(to.url === undefined ? {} : { url: to.url }),
      ...(to.timeout === undefined ? {} : { timeoutMillis: to.timeout }),
    });
    const processor = new sdk.BatchSpanProcessor({
      exporter: this.watched(exporter),
      maxQueueSize: to.queue,
      maxExportBatchSize: Math.min(batch, to.queue),
      scheduledDelayMillis: to.interval,
    });
    this.provider = new sdk.TracerProvider({
      // What comes here was chosen already.
      sampler: new sdk.AlwaysOnSampler(),
      idGenerator: { generateTraceId: () => this.traceId, generateSpanId: () => this.spanId },
      spanLimits: { attributeValueLengthLimit: maxText },
      spanProcessors: [processor],
      resource: resources.defaultResource().merge(resources.resourceFromAttributes(resource)),
    });
    this.tracer = this.provider.getTracer('weldr', version);
  }

  /** Is there room for so many spans? If not, they are dropped. */
  hasRoom(count: number): boolean {
    if (this.waiting + count <= this.most) return true;
    this.means.dropped.add(count, 'queue', 'the receiver does not take them as fast as they come');
    return false;
  }

  /** Takes a span, for which there was room. */
  add({ name, kind, context, parent, startedAt, finishedAt, attributes, status }: FinishedSpan): void {
    const { ROOT_CONTEXT, trace } = this.api;
    this.traceId = context.traceId;
    this.spanId = context.spanId;
    const above = parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent);
    const span = this.tracer.startSpan(name, { kind, attributes, startTime: timeOf(startedAt) }, above);
    span.setStatus(status);
    this.waiting++;
    span.end(timeOf(finishedAt));
  }

  /** Sends what waits, and resolves when it was taken, after a second at the latest. */
  async close(): Promise<void> {
    const late = Promise.withResolvers<void>();
    const cancel = this.means.clock.after(patience, late.resolve);
    await Promise.race([this.provider.shutdown().catch(() => {}), late.promise]);
    cancel();
    this.closed = true;
    const left = this.waiting + this.sending;
    this.means.dropped.add(left, 'stop', 'the receiver did not take them before the worker ended');
  }

  /** The exporter, of which it is known what becomes of each span. */
  private watched(exporter: SpanExporter): SpanExporter {
    return {
      export: (spans: ReadableSpan[], done: (result: ExportResult) => void) => {
        this.waiting -= spans.length;
        this.sending += spans.length;
        const end = (result: ExportResult): void => {
          this.sent(spans.length, result);
          done(result);
        };
        try {
          exporter.export(spans, end);
        } catch (thrown) {
          end({ code: failed, error: toError(thrown) });
        }
      },
      forceFlush: async () => await exporter.forceFlush?.(),
      shutdown: () => exporter.shutdown(),
    };
  }

  private sent(count: number, { code, error }: ExportResult): void {
    this.sending -= count;
    if (this.closed) return;
    if (code === succeeded) this.means.exported.inc(count);
    else this.means.dropped.add(count, 'export', reasonOf(error));
  }
}

/** Seconds and nanoseconds since the epoch, of ms: of a number OpenTelemetry would guess what clock it is of. */
function timeOf(ms: number): [seconds: number, nanoseconds: number] {
  const seconds = Math.floor(ms / 1_000);
  return [seconds, Math.round((ms - seconds * 1_000) * 1_000_000)];
}

function reasonOf(error: Error | undefined): string {
  const status = error !== undefined && 'code' in error ? ` (${String(error.code)})` : '';
  const why = error === undefined ? 'for a reason that it did not say' : `${describeError(error)}${status}`;
  return `the receiver did not take them: ${why.slice(0, maxReason)}`;
}
