// Manager families: metrics that the manager reads from its state: pools, servers, certificates, workers, config, cluster.
import type { Leadership } from '../../core/plugin/manager-hooks.ts';
import type { MetricFamily, MetricSample } from '../../core/plugin/metric-family.ts';
import type { ManagerSide } from '../../core/plugin/plugin.ts';
import type { UpstreamState } from '../../core/pool/upstream-record.ts';

type Known = Pick<ManagerSide, 'pools' | 'certificates' | 'status'>;
type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

const states: readonly UpstreamState[] = ['active', 'down', 'draining', 'disabled'];

/** The current state. `leadership`: undefined without a cluster. */
export function managerFamilies(side: Known, leadership: Leadership | undefined): MetricFamily[] {
  return [
    ...processFamilies(side),
    ...configFamilies(side),
    ...poolFamilies(side),
    ...certificateFamilies(side),
    ...clusterFamilies(leadership),
  ];
}

function processFamilies({ status }: Known): MetricFamily[] {
  return [
    gauge('weldr_build_info', 'The versions of Weldr and of Node.', [
      [{ version: status.version, node: process.versions.node }, 1],
    ]),
    gauge('weldr_start_time_seconds', 'When the manager started, in seconds since 1970.', [
      [{}, status.startedAt / 1_000],
    ]),
    gauge('weldr_workers_ready', 'Workers that accept requests.', [[{}, status.readyWorkers]]),
    gauge('weldr_workers_wanted', 'The configured number of workers.', [[{}, status.wantedWorkers]]),
    counter('weldr_worker_restarts_total', 'Workers that died or hung, and were replaced.', [
      [{}, status.workerRestarts],
    ]),
    counter('weldr_log_lines_dropped_total', 'Lines of the log that could not be written in time.', [
      [{}, status.droppedLogLines],
    ]),
  ];
}

function configFamilies({ status }: Known): MetricFamily[] {
  const { succeeded, failed, lastSucceeded, lastSuccessAt } = status.reloads;
  return [
    gauge('weldr_config_info', 'The active config, by the hash of its sources.', [
      [{ hash: status.configHash }, 1],
    ]),
    counter('weldr_config_reloads_total', 'Reloads of the config, by result.', [
      [{ result: 'success' }, succeeded],
      [{ result: 'failed' }, failed],
    ]),
    gauge(
      'weldr_config_last_reload_successful',
      '1 if the last reload succeeded, and before the first one.',
      [[{}, lastSucceeded ? 1 : 0]],
    ),
    gauge(
      'weldr_config_last_reload_success_timestamp_seconds',
      'When the active config was loaded, in seconds since 1970.',
      [[{}, lastSuccessAt / 1_000]],
    ),
  ];
}

function poolFamilies({ pools }: Known): MetricFamily[] {
  const byState: Sample[] = [];
  const available: Sample[] = [];
  const inState: Sample[] = [];
  for (const pool of pools.names) {
    const counts = new Map<UpstreamState, number>(states.map(state => [state, 0]));
    for (const { upstream } of pools.list(pool)) {
      const { id: server, state } = upstream;
      counts.set(state, (counts.get(state) ?? 0) + 1);
      available.push([{ pool, server }, upstream.available ? 1 : 0]);
      inState.push([{ pool, server, state }, 1]);
    }
    for (const [state, count] of counts) byState.push([{ pool, state }, count]);
  }
  return [
    gauge('weldr_pool_servers', 'Servers of a pool by state.', byState),
    gauge('weldr_server_available', '1 if the server may get new requests.', available),
    gauge('weldr_server_state', '1 for the state of a server; the other states have no line.', inState),
  ];
}

function certificateFamilies({ certificates }: Known): MetricFamily[] {
  const ends = certificates
    .list()
    .map(({ name, notAfter }): Sample => [{ certificate: name }, notAfter / 1_000]);
  if (ends.length === 0) return [];
  return [
    gauge(
      'weldr_certificate_not_after_seconds',
      'When a certificate shown to clients expires, in seconds since 1970.',
      ends,
    ),
  ];
}

function clusterFamilies(leadership: Leadership | undefined): MetricFamily[] {
  if (leadership === undefined) return [];
  const { leading, leader } = leadership;
  return [
    gauge('weldr_cluster_leading', '1 if this node leads the cluster.', [[{}, leading ? 1 : 0]]),
    gauge(
      'weldr_cluster_leader_info',
      'The leader of the cluster, as this node sees it; no line without a leader.',
      leader === undefined ? [] : [[{ leader }, 1]],
    ),
  ];
}

const counter = (name: string, help: string, samples: readonly Sample[]): MetricFamily => ({
  name,
  help,
  type: 'counter',
  samples: samples.map(sampleOf),
});

const gauge = (name: string, help: string, samples: readonly Sample[]): MetricFamily => ({
  name,
  help,
  type: 'gauge',
  samples: samples.map(sampleOf),
});

const sampleOf = ([labels, value]: Sample): MetricSample => ({ labels, value });
