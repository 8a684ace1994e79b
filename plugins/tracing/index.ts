// tracing: makes OpenTelemetry spans of requests and their attempts, and passes the trace on to servers.
import { hostname } from 'node:os';
import type { Attributes } from '@opentelemetry/api';
import { NetworkSet } from '../../core/network/network.ts';
import { version } from '../../core/package/version.ts';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import type { Counter, Metrics } from '../../core/plugin/metrics.ts';
import { Redaction } from '../../core/request/redaction.ts';
import { DroppedSpans, type DropReason } from './dropped-spans.ts';
import { checkEnvironment, isOff, options, type ParsedOptions, shareOf, warningOf } from './options.ts';
import { checkPackages, loadPackages, type OpenTelemetry } from './packages.ts';
import { SpanQueue } from './span-queue.ts';
import { TraceIds } from './trace-ids.ts';
import { Tracing } from './tracing.ts';

export type { TracingOptions } from './options.ts';

/** Before and after the taps of all other plugins, requestId's too, wherever the config lists this one. */
const first = { name: 'tracing', stage: -2000 };
const last = { name: 'tracing', stage: 1000 };
/** Before requestId, which gives a refused request the id of its trace. */
const beforeId = { name: 'tracing', stage: 900 };

/**
 * Traces requests: `tracing()`. Makes a span for each request and one for each attempt, by OpenTelemetry's semantic
 * conventions for HTTP, and sends them to a receiver of OTLP over HTTP. Upstreams get the trace as `traceparent` (W3C Trace
 * Context). The trace of a trusted proxy is continued, and recorded if the proxy records it. Of new traces, the share `sample`
 * is recorded. It needs packages of OpenTelemetry; the start names those that are missing.
 *
 * @example tracing({ exporter: { url: 'http://collector:4318/v1/traces' }, sample: 0.01 })
 */
export const tracing = definePlugin({
  name: 'tracing',
  schema: options,
  check(given, { warn }) {
    checkPackages();
    checkEnvironment(given, process.env);
    shareOf(given, process.env);
    const warning = warningOf(given, process.env);
    if (warning !== undefined) warn('exporter.url', warning);
  },
  async worker({ hooks, clock, log, metrics, onClose }, given) {
    if (isOff(process.env)) {
      log.info('requests are not traced: the environment turns OpenTelemetry off');
      return;
    }
    const packages = await loadPackages();
    const trusted = given.trust === undefined ? undefined : new NetworkSet(given.trust);
    const dropped = new DroppedSpans({ log, clock, counters: dropCounters(metrics) });
    const exported = metrics.counter({
      name: 'tracing_exported_spans_total',
      help: 'Spans that the receiver has accepted.',
    });
    const resource = resourceOf(given, packages);
    const queue = new SpanQueue(packages, given, resource, { clock, dropped, exported });
    onClose(() => queue.close());
    const tracer = new Tracing({
      api: packages.api,
      clock,
      ids: new TraceIds(shareOf(given, process.env)),
      queue,
      query: given.query ? new Redaction(given.redact) : undefined,
      isTrusted: ctx => (trusted === undefined ? ctx.peerTrusted : trusted.has(ctx.peerIp)),
    });
    hooks.request.tap(first, ctx => {
      tracer.begin(ctx);
      return undefined;
    });
    hooks.preProxy.tap(last, ctx => {
      tracer.beginAttempt(ctx);
      return undefined;
    });
    // Refused requests have passed no stage.
    hooks.respond.tap(beforeId, ctx => tracer.begin(ctx));
    hooks.finished.tap(last, ctx => tracer.finish(ctx));
  },
});

function dropCounters(metrics: Metrics): Readonly<Record<DropReason, Counter>> {
  const counter = metrics.counter({
    name: 'tracing_dropped_spans_total',
    help: 'Dropped spans: the queue was full, the receiver did not accept them, or the worker ended.',
    labels: ['reason'],
  });
  return { queue: counter.labels('queue'), export: counter.labels('export'), stop: counter.labels('stop') };
}

/** Returns the attributes of this service; options take precedence over the environment. */
function resourceOf({ resource, serviceName }: ParsedOptions, { resources }: OpenTelemetry): Attributes {
  const { resourceAttributesEnvDetector, serviceNameEnvDetector } = resources;
  const detectors = [resourceAttributesEnvDetector, serviceNameEnvDetector];
  const { attributes } = resources.detectResources({ detectors });
  return {
    'service.name': 'weldr',
    'service.version': version,
    'host.name': hostname(),
    'process.pid': process.pid,
    ...attributes,
    ...resource,
    ...(serviceName === undefined ? {} : { 'service.name': serviceName }),
  };
}
