// SpanQueue: sends spans to the receiver by OpenTelemetry's exporter, with a bounded queue, and counts the outcomes.
import type { Attributes } from '@opentelemetry/api';
import type { ReadableSpan, SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace';
import { describeError, toError } from '../../core/errors.ts';
import { version } from '../../core/package/version.ts';
import type { Counter } from '../../core/plugin/metrics.ts';
import type { Clock } from '../../core/time/clock.ts';
import type { DroppedSpans } from './dropped-spans.ts';
import type { ParsedOptions } from './options.ts';
import type { OpenTelemetry } from './packages.ts';
import { RecordedSpan, type SpanOrigin, type SpanParts } from './recorded-span.ts';

/** The number of spans sent at once. */
const batch = 512;
/** The most characters of the reason for a drop. */
const maxReason = 300;
/** The longest that an ending worker waits for its last spans, ms. */
const patience = 1_000;

/** The values of OpenTelemetry's ExportResultCode, whose package is not a direct dependency. */
const succeeded = 0;
const failed = 1;

type ExportResult = Parameters<Parameters<SpanExporter['export']>[1]>[0];

/** Where the outcomes of spans are counted. */
export interface SpanQueueMeans {
  readonly clock: Clock;
  readonly dropped: DroppedSpans;
  readonly exported: Counter;
}

/** Holds the spans of one worker that are not sent yet. */
export class SpanQueue {
  private readonly means: SpanQueueMeans;
  private readonly most: number;
  private readonly processor: SpanProcessor;
  private readonly origin: SpanOrigin;
  /** The numbers of spans that wait and that are being sent. */
  private waiting = 0;
  private sending = 0;
  private closed = false;

  constructor(
    { sdk, otlp, resources }: Pick<OpenTelemetry, 'sdk' | 'otlp' | 'resources'>,
    { exporter: to }: Pick<ParsedOptions, 'exporter'>,
    resource: Attributes,
    means: SpanQueueMeans,
  ) {
    this.means = means;
    this.most = to.queue;
    const exporter = new otlp.OTLPTraceExporter({
      headers: to.headers,
      // More than the batches of a full queue.
      concurrencyLimit: Math.ceil(to.queue / batch) + 4,
      ...(to.url === undefined ? {} : { url: to.url }),
      ...(to.timeout === undefined ? {} : { timeoutMillis: to.timeout }),
    });
    this.processor = new sdk.BatchSpanProcessor({
      exporter: this.watched(exporter),
      maxQueueSize: to.queue,
      maxExportBatchSize: Math.min(batch, to.queue),
      scheduledDelayMillis: to.interval,
    });
    this.origin = {
      resource: resources.defaultResource().merge(resources.resourceFromAttributes(resource)),
      instrumentationScope: { name: 'weldr', version },
    };
  }

  /** Returns whether there is room for so many spans; if not, they are dropped. */
  hasRoom(count: number): boolean {
    if (this.waiting + count <= this.most) return true;
    this.means.dropped.add(count, 'queue', 'the receiver is too slow');
    return false;
  }

  /** Adds a finished span, for which there was room. */
  add(parts: SpanParts): void {
    this.waiting++;
    this.processor.onEnd(new RecordedSpan(parts, this.origin));
  }

  /** Sends the waiting spans. Resolves once they are accepted, after a second at the latest. */
  async close(): Promise<void> {
    const late = Promise.withResolvers<void>();
    const cancel = this.means.clock.after(patience, late.resolve);
    await Promise.race([this.processor.shutdown().catch(() => {}), late.promise]);
    cancel();
    this.closed = true;
    const left = this.waiting + this.sending;
    this.means.dropped.add(left, 'stop', 'the receiver did not accept them before the worker ended');
  }

  /** Wraps an exporter so that the outcome of each span is counted. */
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

function reasonOf(error: Error | undefined): string {
  const status = error !== undefined && 'code' in error ? ` (${String(error.code)})` : '';
  const why = error === undefined ? 'it gave no reason' : `${describeError(error)}${status}`;
  return `the receiver did not accept them: ${why.slice(0, maxReason)}`;
}
