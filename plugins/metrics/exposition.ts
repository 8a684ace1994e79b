// Exposition: formats the metrics with prom-client, in the text format of Prometheus or as OpenMetrics, which has exemplars.
import {
  Counter,
  Gauge,
  Histogram,
  type MetricObjectWithValues,
  type MetricValue,
  Registry,
  type RegistryContentType,
} from 'prom-client';
import type { Exemplar } from '../../core/plugin/metric-delta.ts';
import type { HistogramSample, MetricFamily, MetricSample } from '../../core/plugin/metric-family.ts';

/** The type and body of a response. */
export interface Exposition {
  readonly contentType: string;
  readonly body: string;
}

/** One line; `metricName` if it differs from the family's name. */
interface Line extends MetricValue<string> {
  metricName?: string;
  exemplar?: { labelSet: Record<string, string>; value: number; timestamp: number };
}

/** The label of exemplars: OpenMetrics allows 128 characters for its name and value together. */
const exemplarLabel = 'request_id';
const maxExemplar = 128 - exemplarLabel.length;

/**
 * Formats families as OpenMetrics if `accept` asks for it, otherwise in the format of Prometheus. Readers refuse either as a
 * whole if a name appears twice, so only the first family of a name is written.
 */
export async function exposition(
  families: Iterable<MetricFamily>,
  accept: string | undefined,
): Promise<Exposition> {
  const registry = new Registry<RegistryContentType>();
  if (takesOpenMetrics(accept)) registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  const written = new Set<string>();
  for (const family of families) {
    if (written.has(family.name)) continue;
    written.add(family.name);
    registry.registerMetric(metricOf(family));
  }
  return { contentType: registry.contentType, body: await registry.metrics() };
}

/** Returns whether OpenMetrics is named, and preferred at least as much as the other format. */
export function takesOpenMetrics(accept = ''): boolean {
  let open = 0;
  let plain = 0;
  for (const range of accept.split(',')) {
    const [type = '', ...parameters] = range.split(';').map(part => part.trim().toLowerCase());
    const said = parameters.find(parameter => parameter.startsWith('q='));
    const quality = said === undefined ? 1 : Number(said.slice(2));
    if (type === 'application/openmetrics-text') open = Math.max(open, quality);
    else if (type === 'text/plain') plain = Math.max(plain, quality);
  }
  return open > 0 && open >= plain;
}

type Ready = MetricObjectWithValues<MetricValue<string>>;

class ReadyCounter extends Counter {
  private readonly lines: Line[];

  constructor({ name, help }: MetricFamily, lines: Line[]) {
    super({ name, help, registers: [] });
    this.lines = lines;
  }

  override async get(): Promise<Ready> {
    return { ...(await super.get()), values: this.lines };
  }
}

class ReadyGauge extends Gauge {
  private readonly lines: Line[];

  constructor({ name, help }: MetricFamily, lines: Line[]) {
    super({ name, help, registers: [] });
    this.lines = lines;
  }

  override async get(): Promise<Ready> {
    return { ...(await super.get()), values: this.lines };
  }
}

class ReadyHistogram extends Histogram {
  private readonly text: Pick<MetricFamily, 'name' | 'help' | 'type'> & { readonly values: Line[] };

  constructor({ name, help, type }: MetricFamily, values: Line[]) {
    super({ name, help, registers: [] });
    this.text = { name, help, type, values };
  }

  /** The registry calls this for histograms instead of `get`. */
  async getForPromString(): Promise<ReadyHistogram['text']> {
    return this.text;
  }
}

/** Returns a metric of prom-client with values that were counted elsewhere. */
function metricOf(family: MetricFamily): ReadyCounter | ReadyGauge | ReadyHistogram {
  if (family.type === 'histogram') {
    return new ReadyHistogram(family, [...family.samples.flatMap(sample => linesOf(family.name, sample))]);
  }
  const lines = family.samples.map(lineOf);
  return family.type === 'counter' ? new ReadyCounter(family, lines) : new ReadyGauge(family, lines);
}

function lineOf({ labels, value }: MetricSample): Line {
  return { labels: { ...labels }, value };
}

function linesOf(name: string, { labels, buckets, sum, count, exemplars }: HistogramSample): Line[] {
  const bucket = (le: string, value: number, at: number): Line => ({
    metricName: `${name}_bucket`,
    labels: { ...labels, le },
    value,
    ...exemplarOf(exemplars?.get(at)),
  });
  return [
    ...buckets.map(([bound, below], at) => bucket(String(bound), below, at)),
    bucket('+Inf', count, buckets.length),
    { metricName: `${name}_sum`, labels: { ...labels }, value: sum },
    { metricName: `${name}_count`, labels: { ...labels }, value: count },
  ];
}

function exemplarOf(exemplar: Exemplar | undefined): Pick<Line, 'exemplar'> {
  if (exemplar === undefined || exemplar.id.length > maxExemplar) return {};
  const { id, value, at } = exemplar;
  return { exemplar: { labelSet: { [exemplarLabel]: id }, value, timestamp: at } };
}
