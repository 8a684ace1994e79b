// Upstreams: a worker's connections to all upstreams. It follows the pools, so connections to a removed upstream end.
import type { Upstream } from '../../pool/pool.ts';
import type { Pools } from '../../pool/pools.ts';
import type { Settings } from '../../settings/settings.ts';
import type { noConnections } from '../../stages/connection-info.ts';
import type { Deadlines } from '../exchange/deadlines.ts';
import { ConnectionCache } from './connection-cache.ts';
import type { Connector } from './upstream-connection.ts';

/** The connection caches of one worker. */
export class Upstreams {
  private readonly pools: Pools;
  private readonly settings: Settings;
  private readonly deadlines: Deadlines;
  private readonly connector: Connector;
  private readonly caches = new Map<Upstream, ConnectionCache>();
  private readonly unfollow: () => void;
  private readonly unobserve: (() => void)[] = [];

  constructor(pools: Pools, settings: Settings, deadlines: Deadlines, connector: Connector) {
    this.pools = pools;
    this.settings = settings;
    this.deadlines = deadlines;
    this.connector = connector;
    this.unfollow = pools.follow(pool => {
      this.unobserve.push(
        pool.observe({
          removed: upstream => this.forget(upstream),
          changed: (upstream, before) => {
            const current = this.caches.get(upstream);
            const { record } = upstream;
            const isOther =
              JSON.stringify(before.tls) !== JSON.stringify(record.tls) ||
              before.http2 !== record.http2 ||
              before.proxyProtocol !== record.proxyProtocol;
            if (before.maxConnections !== record.maxConnections) current?.resize();
            if (isOther) current?.renew();
            else if (!upstream.available) current?.closeIdle();
          },
        }),
      );
    });
  }

  /** Returns the connections to an upstream. */
  connectionsTo(upstream: Upstream): ConnectionCache {
    const known = this.caches.get(upstream);
    if (known !== undefined) return known;
    const made = new ConnectionCache(upstream, this.settings, this.deadlines, this.connector);
    // An upstream may be removed while a request is on its way to it: its connections are not kept.
    if (this.pools.get(upstream.pool)?.get(upstream.id) === upstream) this.caches.set(upstream, made);
    else made.close();
    return made;
  }

  /** Adds the connections to all upstreams, and the requests that wait for one, to `counts`. */
  count(counts: ReturnType<typeof noConnections>): void {
    for (const [{ pool }, cache] of this.caches) {
      const queued = cache.count(counts.upstream);
      if (queued > 0) counts.queued.set(pool, (counts.queued.get(pool) ?? 0) + queued);
    }
  }

  close(): void {
    this.unfollow();
    for (const stop of this.unobserve) stop();
    for (const upstream of [...this.caches.keys()]) this.forget(upstream);
  }

  private forget(upstream: Upstream): void {
    this.caches.get(upstream)?.close();
    this.caches.delete(upstream);
  }
}
