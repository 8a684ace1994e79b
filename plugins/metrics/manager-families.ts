// What the manager knows without counting: pools, servers, certificates, workers, config, cluster.
import type { Leadership } from '../../core/plugin/manager-hooks.ts';
import type { MetricFamily, MetricSample } from '../../core/plugin/metric-family.ts';
import type { ManagerSide } from '../../core/plugin/plugin.ts';
import type { UpstreamState } from '../../core/pool/upstream-record.ts';

type Known = Pick<ManagerSide, 'pools' | 'certificates' | 'status'>;
type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

const states: readonly UpstreamState[] = ['active', 'down', 'draining', 'disabled'];

/** As it is now. `leadership`: of the cluster; undefined: there is none. */
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
    gauge('weldr_build_info', 'The version of Weldr, and that of Node which it runs on.', [
      [{ version: status.version, node: process.versions.node }, 1],
    ]),
    gauge('weldr_start_time_seconds', 'When the manager started, in seconds since 1970.', [
      [{}, status.startedAt / 1_000],
    ]),
    gauge('weldr_workers_ready', 'Workers that accept requests.', [[{}, status.readyWorkers]]),
    gauge('weldr_workers_wanted', 'Workers that there should be.', [[{}, status.wantedWorkers]]),
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
    gauge('weldr_config_info', 'The config in force, by what it was read from.', [
      [{ hash: status.configHash }, 1],
    ]),
    counter('weldr_config_reloads_total', 'How often the config was read anew, by what became of it.', [
      [{ result: 'success' }, succeeded],
      [{ result: 'failed' }, failed],
    ]),
    gauge('weldr_config_last_reload_successful', 'Did the last reload succeed? 1 before the first.', [
      [{}, lastSucceeded ? 1 : 0],
    ]),
    gauge(
      'weldr_config_last_reload_success_timestamp_seconds',
      'When the config in force was taken, in seconds since 1970.',
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
    gauge('weldr_server_available', 'May the server be given new requests?', available),
    gauge('weldr_server_state', 'The state that a server is in; the other states have no line.', inState),
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
      'When a certificate that clients are shown ends, in seconds since 1970.',
      ends,
    ),
  ];
}

function clusterFamilies(leadership: Leadership | undefined): MetricFamily[] {
  if (leadership === undefined) return [];
  const { leading, leader } = leadership;
  return [
    gauge('weldr_cluster_leading', 'Does this node lead the cluster?', [[{}, leading ? 1 : 0]]),
    gauge(
      'weldr_cluster_leader_info',
      'Who leads the cluster, as this node sees it; no line: nobody.',
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
