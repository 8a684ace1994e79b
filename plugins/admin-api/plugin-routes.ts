// PluginRoutes: GET /plugins: the plugins in the order in which requests pass them, and how long they take.
import type { AdminAnswer } from '../../core/plugin/admin.ts';
import type { HistogramSample, MetricFamily } from '../../core/plugin/metric-family.ts';
import type { ManagerSide } from '../../core/plugin/plugin.ts';
import type { RunningPlugin } from '../../core/plugin/running-plugin.ts';

/** The metrics of plugins, if the config has the plugin `metrics`. */
const secondsName = 'weldr_plugin_stage_seconds';
const failuresName = 'weldr_plugin_failures_total';

/** The stages in the order of a request. */
const order = [
  'connection',
  'request',
  'route',
  'selectUpstream',
  'eligible',
  'preProxy',
  'judge',
  'postProxy',
  'respond',
  'attemptFinished',
  'finished',
  'connectionFinished',
];

/** What a plugin did in one stage. */
interface StageFigures {
  readonly stage: string;
  /** The number of requests measured. */
  readonly measured: number;
  /** ms, of those. */
  readonly mean: number;
  /** 99 of 100 took at most this long, ms; a power of ten. Null: longer than 10 s. */
  readonly p99: number | null;
}

/** Adds the route. */
export function addPluginRoutes(
  side: Pick<ManagerSide, 'admin' | 'plugins' | 'metricFamilies' | 'clock'>,
): void {
  let made: { readonly at: number; readonly body: object } | undefined;
  side.admin.add({
    method: 'GET',
    path: '/plugins',
    rel: 'plugins',
    summary: 'The plugins in the order in which requests pass them, and how long they take in each stage',
    answers: { 200: 'The plugins of the config, of routes and of pools' },
    handle(): AdminAnswer {
      const now = side.clock.monotonic();
      // Built at most once a second, however many read it.
      if (made === undefined || now - made.at >= 1_000) made = { at: now, body: bodyOf(side) };
      return { status: 200, body: made.body };
    },
  });
}

function bodyOf(side: Pick<ManagerSide, 'plugins' | 'metricFamilies'>): object {
  const plugins = side.plugins();
  const families = side.metricFamilies([secondsName, failuresName]);
  const figures = stagesOf(families);
  const failures = failuresOf(families);
  return {
    measured: plugins.some(({ plugin }) => plugin === 'metrics'),
    plugins: plugins.map(plugin => resource(plugin, figures, failures)),
  };
}

function resource(
  { instance, plugin, id, role, scope, conditional, definedAs }: RunningPlugin,
  figures: ReadonlyMap<string, readonly StageFigures[]>,
  failures: ReadonlyMap<string, Readonly<Record<string, number>>>,
): object {
  return {
    instance,
    plugin,
    ...(id !== undefined && { id }),
    ...(role !== undefined && { role }),
    ...(definedAs !== undefined && { definedAs }),
    scope: scope.kind,
    ...(scope.kind !== 'config' && { [scope.kind]: scope.name }),
    ...(conditional && { when: true }),
    stages: figures.get(instance) ?? [],
    failures: failures.get(instance) ?? {},
  };
}

function stagesOf(families: readonly MetricFamily[]): Map<string, StageFigures[]> {
  const byInstance = new Map<string, StageFigures[]>();
  for (const family of families) {
    if (family.name !== secondsName || family.type !== 'histogram') continue;
    for (const sample of family.samples) {
      const { plugin = '', stage = '' } = sample.labels;
      if (sample.count === 0) continue;
      const list = byInstance.get(plugin) ?? [];
      byInstance.set(plugin, list);
      list.push({ stage, measured: sample.count, mean: msOf(sample.sum / sample.count), p99: p99Of(sample) });
    }
  }
  for (const list of byInstance.values()) list.sort((one, other) => placeOf(one) - placeOf(other));
  return byInstance;
}

const placeOf = ({ stage }: StageFigures): number => order.indexOf(stage);

function p99Of({ buckets, count }: HistogramSample): number | null {
  const bound = buckets.find(([, atMost]) => atMost >= count * 0.99)?.[0];
  return bound === undefined ? null : msOf(bound);
}

const msOf = (seconds: number): number => Math.round(seconds * 10_000_000) / 10_000;

/** By instance, then by stage. */
function failuresOf(families: readonly MetricFamily[]): Map<string, Record<string, number>> {
  const byInstance = new Map<string, Record<string, number>>();
  for (const family of families) {
    if (family.name !== failuresName || family.type === 'histogram') continue;
    for (const { labels, value } of family.samples) {
      const { plugin = '', stage = '' } = labels;
      const known = byInstance.get(plugin) ?? {};
      known[stage] = (known[stage] ?? 0) + value;
      byInstance.set(plugin, known);
    }
  }
  return byInstance;
}
