// metrics: counts what workers do, and serves it together with all other metrics at GET /metrics.
import { z } from 'zod';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import type { Leadership } from '../../core/plugin/manager-hooks.ts';
import type { ManagerSide, WorkerSide } from '../../core/plugin/plugin.ts';
import { ConnectionMetrics } from './connection-metrics.ts';
import { managerFamilies } from './manager-families.ts';
import { PluginMetrics } from './plugin-metrics.ts';
import { Presence } from './presence.ts';
import { ProcessMetrics } from './process-metrics.ts';
import { RequestMetrics } from './request-metrics.ts';
import { ServerMetrics } from './server-metrics.ts';

/** In seconds: from a file in memory to a slow report. */
const defaultBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

const options = z
  .strictObject({
    buckets: z
      .array(z.number().positive().max(86_400))
      .min(1)
      .max(50)
      .default(defaultBuckets)
      .refine(
        bounds => bounds.every((bound, at) => at === 0 || bound > (bounds[at - 1] ?? bound)),
        'buckets must ascend',
      )
      .describe('Upper bounds of the buckets of all latencies, in seconds.'),
    exemplars: z
      .boolean()
      .default(true)
      .describe(
        'Whether buckets name a request as an example, if requests have ids and the client asks for OpenMetrics.',
      ),
    stages: z
      .number()
      .int()
      .min(0)
      .max(1_000_000)
      .default(128)
      .describe(
        'For one in this many requests, the time of each plugin in each stage is measured; 0: for none.',
      ),
  })
  .describe('Serves the metrics of Weldr at GET /metrics of the admin API, for Prometheus.');

/** Options of {@link metrics}; each has a default. */
export type MetricsOptions = z.input<typeof options>;

/** How often a worker reads its gauges and drops unused children, ms. */
const lookInterval = 1_000;
const tidyInterval = 60_000;

/** State that survives reloads. */
interface Memory {
  readonly presence: Presence;
  leadership: Leadership | undefined;
}

/**
 * Counts requests, attempts, connections, bytes and the resources of processes, and serves them with the metrics of all
 * other plugins at `GET /metrics` of the admin API: as OpenMetrics with exemplars if the client asks for it, otherwise in the
 * text format of Prometheus. `plugins/metrics/README.md` lists all metrics.
 *
 * @example metrics({ buckets: [0.005, 0.05, 0.5, 5] })
 */
export const metrics = definePlugin({
  name: 'metrics',
  schema: options,
  memory: (): Memory => ({ presence: new Presence(), leadership: undefined }),
  worker: count,
  manager: serve,
});

function count(side: WorkerSide, { buckets, exemplars, stages }: z.output<typeof options>): void {
  const { hooks, clock, onClose, id } = side;
  const requests = new RequestMetrics(side.metrics, clock, { buckets, exemplars });
  const servers = new ServerMetrics(side.metrics, clock, buckets);
  const connections = new ConnectionMetrics(side.metrics);
  const figures = new ProcessMetrics(side.metrics, String(id));
  const plugins = new PluginMetrics(side.metrics);
  if (stages > 0) {
    side.measureStages({ every: stages, took: (plugin, stage, ms) => plugins.took(plugin, stage, ms) });
  }
  hooks.connection.tap('metrics', info => {
    connections.accepted(info);
    return undefined;
  });
  hooks.connectionFinished.tap('metrics', info => connections.finished(info));
  hooks.attemptFinished.tap('metrics', ctx => servers.attemptFinished(ctx));
  hooks.finished.tap('metrics', ctx => {
    if (ctx.rehearsal) return;
    requests.finished(ctx);
    if (ctx.error?.code === 'PLUGIN_FAILED') plugins.failed(ctx.error);
    if (ctx.tried.length > 1) servers.retried(ctx);
  });
  const look = (): void => {
    servers.look();
    connections.look(side.connections());
    figures.look();
  };
  look();
  onClose(() => figures.close());
  onClose(clock.every(lookInterval, look));
  onClose(
    clock.every(tidyInterval, () => {
      requests.tidy();
      servers.tidy();
    }),
  );
}

function serve(side: ManagerSide<never, never, Memory>): void {
  const { admin, hooks, clock, memory, onClose, pools, kinds } = side;
  const figures = new ProcessMetrics(side.metrics, 'manager');
  const forget = (): void => {
    const routes = kinds.filter(({ kind }) => kind.name === 'route').flatMap(({ keys }) => keys);
    memory.presence.look(pools, routes, clock.monotonic());
    side.retainMetrics(memory.presence.stays);
  };
  hooks.leaderChanged.tap('metrics', leadership => {
    memory.leadership = leadership;
  });
  figures.look();
  onClose(() => figures.close());
  onClose(clock.every(lookInterval, () => figures.look()));
  onClose(clock.every(tidyInterval, forget));
  admin.add({
    method: 'GET',
    path: '/metrics',
    ignoresQuery: true,
    rel: 'metrics',
    summary: 'All metrics, as OpenMetrics or in the text format of Prometheus',
    answers: { 200: 'The metrics' },
    async handle({ accept }) {
      forget();
      const families = [...managerFamilies(side, memory.leadership), ...side.metricFamilies()];
      // Loaded only once metrics are asked for.
      const { exposition } = await import('./exposition.ts');
      return { status: 200, ...(await exposition(families, accept)) };
    },
  });
}
