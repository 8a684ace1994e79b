// ServerResource: a server as the admin API shows it, and how a path names it.

import { WeldrError } from '../../core/errors.ts';
import { hostText } from '../../core/network/host-text.ts';
import type { ManagerPools } from '../../core/pool/manager-pools.ts';
import type { OperatorPools } from '../../core/pool/operator-pools.ts';
import type { Upstream } from '../../core/pool/pool.ts';
import type { PoolEntry } from '../../core/pool/pool-entry.ts';
import { parseServerAddress } from '../../core/pool/server-address.ts';
import { serverKey, serverKind, serverKindName } from '../../core/pool/server-kind.ts';
import { overridesOf, shadowedBy } from '../../core/state/entity.ts';

/** A next action, as listed in every response. */
export interface Link {
  readonly rel: string;
  readonly href: string;
  readonly method: string;
}

const schemes = ['http', 'https', 'h2c'] as const;

/** Returns the path of a pool's servers. */
export function serversPath(pool: string): string {
  return pool === 'default' ? '/servers' : `/pools/${pool}/servers`;
}

/** Returns the path of one server, with the scheme only if it is needed to tell two apart. */
export function serverPath(pools: ManagerPools, upstream: Upstream): string {
  const { pool, endpoint, id } = upstream;
  if (endpoint.kind === 'unix') return `${serversPath(pool)}/unix/${encodeURIComponent(endpoint.path)}`;
  const { hostname, port } = endpoint;
  const twins = schemes.filter(scheme => {
    const origin = originOf(scheme, hostname, String(port));
    return origin !== undefined && pools.get(pool, origin) !== undefined;
  });
  const scheme = twins.length > 1 ? askedBy(id) : '';
  return `${serversPath(pool)}/${hostname}/${port}${scheme}`;
}

/** Returns a server as JSON, without its TLS settings. */
export function serverResource(pools: ManagerPools, operator: OperatorPools, entry: PoolEntry) {
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
    ...(server.backup === true && { backup: true }),
    ...(server.maxConnections === undefined ? {} : { maxConnections: server.maxConnections }),
    ...(server.zone === undefined ? {} : { zone: server.zone }),
    layer,
    ...changesOf(operator, entry),
    ...(server.host === undefined ? {} : { host: server.host }),
    ...(server.http2 === undefined ? {} : { http2: server.http2 }),
    ...(server.labels === undefined ? {} : { labels: server.labels }),
    ...(server.proxyProtocol === undefined ? {} : { proxyProtocol: server.proxyProtocol }),
    ...(server.ttl === undefined ? {} : { ttl: server.ttl }),
    ...(server.healthCheck === undefined ? {} : { healthCheck: server.healthCheck }),
    health: health ?? null,
    links,
  };
}

/** Returns what operators have changed. */
function changesOf(operator: OperatorPools, { upstream, leaving }: PoolEntry) {
  const entity = operator.entity(serverKindName, serverKey(upstream.pool, upstream.id));
  if (entity === undefined || leaving) return {};
  const overrides = overridesOf(serverKind, entity);
  const shadows = shadowedBy(entity);
  return {
    ...(Object.keys(overrides).length > 0 && { overrides }),
    ...(shadows !== undefined && { shadows }),
  };
}

function placeOf({ endpoint }: Upstream) {
  if (endpoint.kind === 'unix') return { path: endpoint.path };
  return { ip: endpoint.hostname, port: endpoint.port };
}

/** The place of a server, as given by a path of the API and its query. */
export interface ServerPlace {
  /** An IPv6 address with or without brackets, another address, a host name; or `unix`. */
  readonly ip: string;
  /** With `unix`: the path of the socket. */
  readonly port: string;
  readonly scheme: string | null;
}

/**
 * Returns the id of the server at a place; undefined: `isThere` knows none. Throws CONFLICT when `scheme` is needed to tell
 * two apart.
 */
export function findServer(
  { ip, port, scheme }: ServerPlace,
  isThere: (id: string) => boolean,
): string | undefined {
  // A host may also be named unix: a path begins with /, a port does not.
  if (isUnix({ ip, port })) return isThere(`unix:${port}`) ? `unix:${port}` : undefined;
  const asked = scheme === null ? schemes : [scheme];
  const [id, other] = asked.flatMap(name => originOf(name, ip, port) ?? []).filter(isThere);
  if (other === undefined) return id;
  throw new WeldrError(
    'CONFLICT',
    `${id} and ${other} are both at ${ip} port ${port}; say which with ${[id, other].map(askedBy).join(' or ')}`,
    { field: 'scheme' },
  );
}

const askedBy = (id = ''): string => `?scheme=${id.slice(0, id.indexOf(':'))}`;

/** A place in a message. */
export const nameOf = (place: ServerPlace): string =>
  isUnix(place) ? `unix:${place.port}` : `at ${place.ip} port ${place.port}`;

const isUnix = ({ ip, port }: Pick<ServerPlace, 'ip' | 'port'>): boolean =>
  ip === 'unix' && port.startsWith('/');

/** Returns the identity of a server by its parts; undefined if they are invalid. */
function originOf(scheme: string, host: string, port: string): string | undefined {
  if (!/^(?:https?|h2c)$/.test(scheme) || !/^\d{1,5}$/.test(port)) return undefined;
  const bare = host.replace(/^\[|\]$/g, '');
  try {
    return parseServerAddress(`${scheme}://${hostText(bare)}:${port}`).id;
  } catch (thrown) {
    if (thrown instanceof WeldrError) return undefined;
    throw thrown;
  }
}
