// A server as the admin API shows it, and how a path names it.

import { WeldrError } from '../../core/errors.ts';
import type { ManagerPools } from '../../core/pool/manager-pools.ts';
import type { Upstream } from '../../core/pool/pool.ts';
import type { PoolEntry } from '../../core/pool/pool-entry.ts';
import { parseServerAddress } from '../../core/pool/server-address.ts';

/** A thing that can be done next, as every answer lists them. */
export interface Link {
  readonly rel: string;
  readonly href: string;
  readonly method: string;
}

/** The path under which a pool's servers are. */
export function serversPath(pool: string): string {
  return pool === 'default' ? '/servers' : `/pools/${pool}/servers`;
}

/** The path of one server; the scheme is in it only where it is needed to tell two apart. */
export function serverPath(pools: ManagerPools, upstream: Upstream): string {
  const { pool, endpoint, protocol } = upstream;
  if (endpoint.kind === 'unix') return `${serversPath(pool)}/unix/${encodeURIComponent(endpoint.path)}`;
  const { hostname, port } = endpoint;
  const twin = originOf(protocol === 'https:' ? 'http' : 'https', hostname, String(port));
  const scheme =
    twin !== undefined && pools.get(pool, twin) !== undefined ? `?scheme=${protocol.slice(0, -1)}` : '';
  return `${serversPath(pool)}/${hostname}/${port}${scheme}`;
}

/** A server as JSON. The key and the certificates of its TLS settings are not shown. */
export function serverResource(pools: ManagerPools, entry: PoolEntry) {
  const { upstream, server, layer, health } = entry;
  const href = serverPath(pools, upstream);
  const links: Link[] = [
    { rel: 'self', href, method: 'GET' },
    { rel: 'update', href, method: 'PATCH' },
    { rel: 'remove', href, method: 'DELETE' },
  ];
  return {
    id: upstream.id,
    url: upstream.id,
    pool: upstream.pool,
    ...placeOf(upstream),
    state: upstream.state,
    reason: upstream.record.reason,
    weight: upstream.weight,
    layer,
    mapHost: server.mapHost,
    ...(server.ttl === undefined ? {} : { ttl: server.ttl }),
    ...(server.healthCheck === undefined ? {} : { healthCheck: server.healthCheck }),
    health: health ?? null,
    links,
  };
}

function placeOf({ endpoint }: Upstream) {
  if (endpoint.kind === 'unix') return { path: endpoint.path };
  return { ip: endpoint.hostname, port: endpoint.port };
}

/**
 * The server at `ip` (an IPv6 address with or without brackets, or a host name) and `port`; or `ip` is `unix` and
 * `port` the path of a socket. Throws NOT_FOUND, and CONFLICT when `scheme` is needed to tell two apart.
 */
export function findServer(
  pools: ManagerPools,
  pool: string,
  { ip, port, scheme }: { ip: string; port: string; scheme: string | null },
): PoolEntry {
  const where = serversPath(pool);
  // A host may be named unix as well: a path begins with /, and a port does not.
  if (ip === 'unix' && port.startsWith('/')) {
    const found = pools.get(pool, `unix:${port}`);
    if (found !== undefined) return found;
    throw new WeldrError('NOT_FOUND', `there is no server unix:${port}; GET ${where} lists them`);
  }
  const schemes = scheme === null ? ['http', 'https'] : [scheme];
  const found = schemes.flatMap(name => {
    const id = originOf(name, ip, port);
    return (id === undefined ? undefined : pools.get(pool, id)) ?? [];
  });
  const [entry, other] = found;
  if (other !== undefined) {
    throw new WeldrError(
      'CONFLICT',
      `there is an http:// and an https:// server at ${ip} port ${port}; say which with ?scheme=http or ?scheme=https`,
      { field: 'scheme' },
    );
  }
  if (entry !== undefined) return entry;
  throw new WeldrError('NOT_FOUND', `there is no server at ${ip} port ${port}; GET ${where} lists them`);
}

/** The identity of a server by its parts, undefined when they cannot be those of one. */
function originOf(scheme: string, host: string, port: string): string | undefined {
  if (!/^https?$/.test(scheme) || !/^\d{1,5}$/.test(port)) return undefined;
  const bare = host.replace(/^\[|\]$/g, '');
  try {
    return parseServerAddress(`${scheme}://${bare.includes(':') ? `[${bare}]` : bare}:${port}`).id;
  } catch (thrown) {
    if (thrown instanceof WeldrError) return undefined;
    throw thrown;
  }
}
