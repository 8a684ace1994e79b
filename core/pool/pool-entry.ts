// PoolEntry: everything that the manager knows about one server, and the record that workers get of it.
import type { Layer, Upstream, UpstreamRecord, UpstreamState } from './pool.ts';
import { noPoolSettings, type PoolSettings } from './pool-settings.ts';
import type { ServerDefinition } from './server-definition.ts';

/** The last result of a health check, for the admin API: plain JSON. */
export interface HealthReport {
  readonly status: 'unknown' | 'passing' | 'failing';
  /** When it was checked, ms since the epoch; 0: never. */
  readonly checkedAt: number;
  /** Of the last check, such as `200` or `connect ECONNREFUSED`. */
  readonly detail: string;
  readonly consecutiveFailures: number;
  readonly consecutivePasses: number;
  /** It was checked and has not passed yet. */
  readonly neverPassed?: boolean;
}

/** Everything that the manager knows about one server. */
export interface PoolEntry {
  readonly upstream: Upstream;
  readonly server: ServerDefinition;
  readonly layer: Layer;
  /** The settings of its pool. */
  readonly poolSettings: PoolSettings;
  /** Who set the state in its definition, for a sentence. */
  readonly stateAuthor: string;
  readonly health: HealthReport | undefined;
  /** The instances of plugins that find it unhealthy, and why; see `ManagerPools.verdict`. */
  readonly complaints: ReadonlyMap<string, string>;
  /** Removed, but still finishing its requests. */
  readonly leaving: boolean;
}

/** A key that is unique among the servers of all pools. */
export const keyOf = (pool: string, id: string): string => `${pool} ${id}`;

/** The record of a new server; `activeSince` in ms since the epoch. */
export function firstRecord(
  entry: Pick<PoolEntry, 'server' | 'layer' | 'stateAuthor' | 'poolSettings' | 'complaints'>,
  activeSince: number,
): UpstreamRecord {
  const { server, layer, poolSettings } = entry;
  const [state, reason] = wantedState(entry) ?? ['active', 'new'];
  return { ...fixedPart(server, layer, poolSettings), state, reason, activeSince };
}

/** The record of a server that the config lists, before anything is known about it. */
export const configuredRecord = (server: ServerDefinition): UpstreamRecord => {
  const stateAuthor = 'an operator';
  return firstRecord(
    { server, layer: 'config', stateAuthor, poolSettings: noPoolSettings, complaints: new Map() },
    0,
  );
};

/** The record of a server as it is known at `now`, ms since the epoch. */
export function recordOf(entry: PoolEntry, now: number): UpstreamRecord {
  const before = entry.upstream.record;
  const [state, reason] = stateOf(entry);
  const activeSince = state === 'active' && before.state !== 'active' ? now : before.activeSince;
  return { ...fixedPart(entry.server, entry.layer, entry.poolSettings), state, reason, activeSince };
}

function fixedPart(server: ServerDefinition, layer: Layer, ofPool: PoolSettings) {
  const { url: id, weight, backup, zone, maxConnections, labels } = server;
  const host = server.host ?? ofPool.host ?? 'client';
  const isTls = id.startsWith('https:') && ofPool.tls !== undefined;
  const tls = isTls ? { ...ofPool.tls, ...server.tls } : server.tls;
  const http2 = server.http2 ?? ofPool.http2;
  const proxyProtocol = server.proxyProtocol ?? ofPool.proxyProtocol;
  // A copy: the pool freezes its own.
  return {
    id,
    weight,
    ...(backup === true && { backup }),
    ...(zone !== undefined && { zone }),
    ...(maxConnections !== undefined && { maxConnections }),
    host,
    labels: labels && { ...labels },
    tls,
    ...(http2 !== undefined && { http2 }),
    ...(proxyProtocol !== undefined && { proxyProtocol }),
    layer,
  };
}

function stateOf(entry: PoolEntry): [UpstreamState, string] {
  if (entry.leaving) return ['draining', 'removed'];
  const wanted = wantedState(entry);
  if (wanted !== undefined) return wanted;
  const { upstream } = entry;
  if (upstream.state === 'active') return ['active', upstream.record.reason];
  return ['active', upstream.state === 'down' ? 'healthy again' : `active by ${entry.stateAuthor}`];
}

/** The state that its definition and its judges demand; undefined: `active`. */
function wantedState({
  server,
  stateAuthor,
  complaints,
}: Pick<PoolEntry, 'server' | 'stateAuthor' | 'complaints'>): [UpstreamState, string] | undefined {
  if (server.state !== 'active') return [server.state, `${server.state} by ${stateAuthor}`];
  for (const [judge, complaint] of complaints) return ['down', `${judge}: ${complaint}`];
  return undefined;
}
