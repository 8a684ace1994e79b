// PoolEntry: one server with all that the manager knows of it, and the record that workers get of it.
import type { Layer, Upstream, UpstreamRecord, UpstreamState } from './pool.ts';
import { noPoolSettings, type PoolSettings } from './pool-settings.ts';
import type { ServerDefinition } from './server-definition.ts';

/** What a health checker last saw, for the admin API: plain JSON. */
export interface HealthReport {
  readonly status: 'unknown' | 'passing' | 'failing';
  /** When, ms since the epoch; 0: never. */
  readonly checkedAt: number;
  /** Of the last check, such as `200` or `connect ECONNREFUSED`. */
  readonly detail: string;
  readonly consecutiveFailures: number;
  readonly consecutivePasses: number;
  /** It was checked and has not passed yet. */
  readonly neverPassed?: boolean;
}

/** One server with all that the manager knows of it. */
export interface PoolEntry {
  readonly upstream: Upstream;
  readonly server: ServerDefinition;
  readonly layer: Layer;
  /** What is said of its pool as a whole. */
  readonly poolSettings: PoolSettings;
  /** Who decides on the state that is wanted of it, in a sentence. */
  readonly stateAuthor: string;
  readonly health: HealthReport | undefined;
  /** Who says that it is unwell, and why: instances of plugins, see `ManagerPools.verdict`. */
  readonly complaints: ReadonlyMap<string, string>;
  /** Removed, but still finishing what it has. */
  readonly leaving: boolean;
}

/** What tells a server from those of all pools. */
export const keyOf = (pool: string, id: string): string => `${pool} ${id}`;

/** The record of a server that is new; `activeSince` in ms since the epoch. */
export function firstRecord(
  {
    server,
    layer,
    stateAuthor,
    poolSettings,
  }: Pick<PoolEntry, 'server' | 'layer' | 'stateAuthor' | 'poolSettings'>,
  activeSince: number,
): UpstreamRecord {
  return {
    ...fixedPart(server, layer, poolSettings),
    state: server.state,
    reason: reasonOf(server.state, stateAuthor),
    activeSince,
  };
}

/** The record of a server that the config lists, before anything is known of it. */
export const configuredRecord = (server: ServerDefinition): UpstreamRecord =>
  firstRecord({ server, layer: 'config', stateAuthor: 'an operator', poolSettings: noPoolSettings }, 0);

/** The record of a server as it is known at `now`, ms since the epoch. */
export function recordOf(entry: PoolEntry, now: number): UpstreamRecord {
  const before = entry.upstream.record;
  const [state, reason] = stateOf(entry);
  const activeSince = state === 'active' && before.state !== 'active' ? now : before.activeSince;
  return { ...fixedPart(entry.server, entry.layer, entry.poolSettings), state, reason, activeSince };
}

function fixedPart(server: ServerDefinition, layer: Layer, { tls: ofPool, host: hostOfPool }: PoolSettings) {
  const { url: id, weight, labels, host = hostOfPool ?? 'client' } = server;
  const isTls = id.startsWith('https:') && ofPool !== undefined;
  const tls = isTls ? { ...ofPool, ...server.tls } : server.tls;
  // A copy: the pool freezes its own.
  return { id, weight, host, labels: labels && { ...labels }, tls, layer };
}

function reasonOf(state: UpstreamState, author: string): string {
  return state === 'active' ? 'new' : `${state} by ${author}`;
}

function stateOf(entry: PoolEntry): [UpstreamState, string] {
  if (entry.leaving) return ['draining', 'removed'];
  if (entry.server.state !== 'active')
    return [entry.server.state, reasonOf(entry.server.state, entry.stateAuthor)];
  for (const [source, complaint] of entry.complaints) return ['down', `${source}: ${complaint}`];
  const { upstream } = entry;
  if (upstream.state === 'active') return ['active', upstream.record.reason];
  return ['active', upstream.state === 'down' ? 'healthy again' : `active by ${entry.stateAuthor}`];
}
