// The totals in the Prometheus text format (version 0.0.4).
import type { PoolEntry } from '../../core/pool/pool-entry.ts';
import type { Totals } from './totals.ts';

/** The Content-Type of {@link metrics}. */
export const metricsType = 'text/plain; version=0.0.4; charset=utf-8';

/** One line for each number, under `# HELP` and `# TYPE`. */
export function metrics(totals: Totals, entries: readonly PoolEntry[]): string {
  const lines: string[] = [];
  const family = (name: string, type: string, help: string) =>
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
  const servers = entries.map(({ upstream }) => ({
    labels: `pool="${labelValue(upstream.pool)}",server="${labelValue(upstream.id)}"`,
    available: upstream.available ? 1 : 0,
    counts: totals.of(upstream.pool, upstream.id),
  }));

  family('weldr_client_requests_total', 'counter', 'Requests of clients by outcome.');
  lines.push(`weldr_client_requests_total{outcome="success"} ${totals.client.success}`);
  lines.push(`weldr_client_requests_total{outcome="failed"} ${totals.client.failed}`);
  family('weldr_server_attempts_total', 'counter', 'Attempts on a server by outcome.');
  for (const { labels, counts } of servers) {
    lines.push(`weldr_server_attempts_total{${labels},outcome="success"} ${counts.success}`);
    lines.push(`weldr_server_attempts_total{${labels},outcome="failed"} ${counts.failed}`);
  }
  family('weldr_server_connect_errors_total', 'counter', 'Connections to a server that failed.');
  for (const { labels, counts } of servers)
    lines.push(`weldr_server_connect_errors_total{${labels}} ${counts.connectErrors}`);
  family('weldr_server_in_flight', 'gauge', 'Requests that a server has now.');
  for (const { labels, counts } of servers)
    lines.push(`weldr_server_in_flight{${labels}} ${counts.inFlight}`);
  family('weldr_server_available', 'gauge', 'May the server be given new requests?');
  for (const { labels, available } of servers) lines.push(`weldr_server_available{${labels}} ${available}`);
  return `${lines.join('\n')}\n`;
}

function labelValue(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
