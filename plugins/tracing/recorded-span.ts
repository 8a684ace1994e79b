// RecordedSpan: a finished span, as OpenTelemetry's processors and exporters read it. A tracer would copy and check each
// attribute twice, which costs more than all the rest.
import type { Attributes, HrTime, SpanContext, SpanKind, SpanStatus } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';

/** The parts of a span. */
export interface SpanParts {
  readonly name: string;
  readonly kind: SpanKind;
  readonly context: SpanContext;
  /** The parent span; undefined: it begins the trace. */
  readonly parent: SpanContext | undefined;
  /** In ms since the epoch. */
  readonly startedAt: number;
  readonly finishedAt: number;
  /** Without undefined values. */
  readonly attributes: Attributes;
  readonly status: SpanStatus;
}

/** The parts that all spans of a worker share. */
export type SpanOrigin = Pick<ReadableSpan, 'resource' | 'instrumentationScope'>;

/** A finished span. */
export class RecordedSpan implements ReadableSpan {
  readonly name: string;
  readonly kind: SpanKind;
  readonly startTime: HrTime;
  readonly endTime: HrTime;
  readonly duration: HrTime;
  readonly status: SpanStatus;
  readonly attributes: Attributes;
  readonly resource: SpanOrigin['resource'];
  readonly instrumentationScope: SpanOrigin['instrumentationScope'];
  readonly links = [];
  readonly events = [];
  readonly ended = true;
  readonly droppedAttributesCount = 0;
  readonly droppedEventsCount = 0;
  readonly droppedLinksCount = 0;
  declare readonly parentSpanContext?: SpanContext;
  private readonly context: SpanContext;

  constructor(parts: SpanParts, { resource, instrumentationScope }: SpanOrigin) {
    const { name, kind, context, parent, startedAt, attributes, status } = parts;
    const finishedAt = Math.max(startedAt, parts.finishedAt);
    this.name = name;
    this.kind = kind;
    this.context = context;
    this.startTime = timeOf(startedAt);
    this.endTime = timeOf(finishedAt);
    this.duration = timeOf(finishedAt - startedAt);
    this.status = status;
    this.attributes = attributes;
    this.resource = resource;
    this.instrumentationScope = instrumentationScope;
    if (parent !== undefined) this.parentSpanContext = parent;
  }

  spanContext(): SpanContext {
    return this.context;
  }
}

/** Converts ms to seconds and nanoseconds. */
function timeOf(ms: number): HrTime {
  const seconds = Math.floor(ms / 1_000);
  return [seconds, Math.round((ms - seconds * 1_000) * 1_000_000)];
}
