// SpanQueue: spans on their way to the receiver, in bounded number: OpenTelemetry's own means, watched.
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

/** Spans that are sent at once. */
const batch = 512;
/** Characters of the reason for a drop. */
const maxReason = 300;
/** The longest that an ending worker waits for its last spans, ms. */
const patience = 1_000;

/** Of OpenTelemetry's ExportResultCode, whose package is no direct dependency. */
const succeeded = 0;
const failed = 1;

type ExportResult = Parameters<Parameters<SpanExporter['export']>[1]>[0];

/** What it tells what becomes of spans. */
export interface SpanQueueMeans {
  readonly clock: Clock;
  readonly dropped: DroppedSpans;
  readonly exported: Counter;
}

/** The spans of one worker that are not sent yet. */
export class SpanQueue {
  private readonly means: SpanQueueMeans;
  private readonly most: number;
  private readonly processor: SpanProcessor;
  private readonly origin: SpanOrigin;
  /** Spans that wait, and those that are being sent. */
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
      // More than there are batches in a full queue.
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

  /** Is there room for so many spans? If not, they are dropped. */
  hasRoom(count: number): boolean {
    if (this.waiting + count <= this.most) return true;
    this.means.dropped.add(count, 'queue', 'the receiver does not take them as fast as they come');
    return false;
  }

  /** Takes a span that is over, for which there was room. */
  add(parts: SpanParts): void {
    this.waiting++;
    this.processor.onEnd(new RecordedSpan(parts, this.origin));
  }

  /** Sends what waits, and resolves when it was taken, after a second at the latest. */
  async close(): Promise<void> {
    const late = Promise.withResolvers<void>();
    const cancel = this.means.clock.after(patience, late.resolve);
    await Promise.race([this.processor.shutdown().catch(() => {}), late.promise]);
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

function reasonOf(error: Error | undefined): string {
  const status = error !== undefined && 'code' in error ? ` (${String(error.code)})` : '';
  const why = error === undefined ? 'for a reason that it did not say' : `${describeError(error)}${status}`;
  return `the receiver did not take them: ${why.slice(0, maxReason)}`;
}
