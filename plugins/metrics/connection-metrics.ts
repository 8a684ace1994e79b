// ConnectionMetrics: counts connections of clients and to upstreams, and their handshakes.
import type { Counter, Gauge, Labelled, Metrics } from '../../core/plugin/metrics.ts';
import type { ConnectionCounts, ConnectionInfo } from '../../core/stages/connection-info.ts';

/** Counts connections as they open and close, and the open ones. */
export class ConnectionMetrics {
  private readonly open: Labelled<Gauge, readonly ['side', 'protocol', 'state']>;
  private readonly queued: Labelled<Gauge, readonly ['pool']>;
  private readonly handshakes: Labelled<Counter, readonly ['result']>;
  private readonly refused: Labelled<Counter, readonly ['reason']>;
  private readonly taken: Counter;
  private readonly full: Counter;
  private readonly resumed: Counter;
  private readonly waiting = new Set<string>();

  constructor(metrics: Metrics) {
    this.open = metrics.gauge({
      name: 'weldr_connections',
      help: 'Open connections.',
      labels: ['side', 'protocol', 'state'],
    });
    this.queued = metrics.gauge({
      name: 'weldr_queued_requests',
      help: 'Requests that wait for a connection to a server of the pool.',
      labels: ['pool'],
    });
    this.taken = metrics.counter({
      name: 'weldr_client_connections_total',
      help: 'Accepted connections of clients.',
    });
    this.refused = metrics.counter({
      name: 'weldr_client_connections_refused_total',
      help: 'Refused connections of clients, by reason.',
      labels: ['reason'],
    });
    this.handshakes = metrics.counter({
      name: 'weldr_tls_handshakes_total',
      help: 'TLS handshakes with clients: full, resumed from an earlier session, or failed.',
      labels: ['result'],
    });
    this.full = this.handshakes.labels('full');
    this.resumed = this.handshakes.labels('resumed');
    this.handshakes.labels('failed');
  }

  accepted({ tls }: ConnectionInfo): void {
    this.taken.inc();
    if (tls !== undefined) (tls.resumed ? this.resumed : this.full).inc();
  }

  finished({ refused }: ConnectionInfo): void {
    if (refused === undefined) return;
    this.refused.labels(refused === 'proxyProtocol' ? 'proxy_protocol' : refused).inc();
    if (refused === 'handshake') this.handshakes.labels('failed').inc();
  }

  look({ client, upstream, queued }: ConnectionCounts): void {
    for (const [side, kinds] of Object.entries({ client, upstream })) {
      for (const [protocol, { active, idle }] of Object.entries(kinds)) {
        // There are no active connections in a handshake.
        if (protocol !== 'handshake') this.open.labels(side, protocol, 'active').set(active);
        this.open.labels(side, protocol, 'idle').set(idle);
      }
    }
    for (const pool of this.waiting) {
      if (queued.has(pool)) continue;
      this.waiting.delete(pool);
      this.queued.remove(pool);
    }
    for (const [pool, requests] of queued) {
      this.waiting.add(pool);
      this.queued.labels(pool).set(requests);
    }
  }
}
