// The totals as metrics, in the Prometheus text format.
import type { CertificateInfo } from '../../core/certificates/certificate-registry.ts';
import type { MetricFamily, MetricSample } from '../../core/plugin/metric-family.ts';
import { metricText } from '../../core/plugin/metric-text.ts';
import type { PoolEntry } from '../../core/pool/pool-entry.ts';
import type { Totals } from './totals.ts';

/** The totals as text, and after them `others`; of two families of one name the first is written. */
export function metrics(
  totals: Totals,
  entries: readonly PoolEntry[],
  others: readonly MetricFamily[] = [],
): string {
  return metricText([...families(totals, entries), ...others]);
}

/** When certificates end; none where clients are shown none. */
export function certificateMetrics(certificates: readonly CertificateInfo[]): MetricFamily[] {
  if (certificates.length === 0) return [];
  return [
    family(
      'weldr_certificate_not_after_seconds',
      'gauge',
      'When a certificate that clients are shown ends, in seconds since 1970.',
      certificates.map(({ name, notAfter }) => ({ labels: { certificate: name }, value: notAfter / 1_000 })),
    ),
  ];
}

function families(totals: Totals, entries: readonly PoolEntry[]): MetricFamily[] {
  const servers = entries.map(({ upstream }) => ({
    labels: { pool: upstream.pool, server: upstream.id },
    available: upstream.available ? 1 : 0,
    counts: totals.of(upstream.pool, upstream.id),
  }));
  const { success, failed } = totals.client;
  return [
    family('weldr_client_requests_total', 'counter', 'Requests of clients by outcome.', [
      { labels: { outcome: 'success' }, value: success },
      { labels: { outcome: 'failed' }, value: failed },
    ]),
    family(
      'weldr_server_attempts_total',
      'counter',
      'Attempts on a server by outcome.',
      servers.flatMap(({ labels, counts }) => [
        { labels: { ...labels, outcome: 'success' }, value: counts.success },
        { labels: { ...labels, outcome: 'failed' }, value: counts.failed },
      ]),
    ),
    family(
      'weldr_server_connect_errors_total',
      'counter',
      'Connections to a server that failed.',
      servers.map(({ labels, counts }) => ({ labels, value: counts.connectErrors })),
    ),
    family(
      'weldr_server_in_flight',
      'gauge',
      'Requests that a server has now.',
      servers.map(({ labels, counts }) => ({ labels, value: counts.inFlight })),
    ),
    family(
      'weldr_server_available',
      'gauge',
      'May the server be given new requests?',
      servers.map(({ labels, available }) => ({ labels, value: available })),
    ),
  ];
}

function family(
  name: string,
  type: 'counter' | 'gauge',
  help: string,
  samples: readonly MetricSample[],
): MetricFamily {
  return { name, type, help, samples };
}
