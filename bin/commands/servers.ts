// `weldr servers …`: the servers of a running Weldr.
import { z } from 'zod';
import { parseServerAddress, type ServerEndpoint } from '../../core/pool/server-address.ts';
import type { AdminClient } from '../admin-client.ts';
import { CommandError, usageError } from '../command-error.ts';
import { formatTable } from '../table.ts';

const server = z.looseObject({
  id: z.string(),
  url: z.string().optional(),
  state: z.string(),
  reason: z.string().default(''),
  weight: z.number(),
  backup: z.boolean().default(false),
  layer: z.string(),
  health: z.looseObject({ status: z.string() }).nullish(),
  overrides: z.record(z.string(), z.unknown()).default({}),
});
const serverList = z.looseObject({ servers: z.array(server) });
type ListedServer = z.output<typeof server>;
const requestCounts = z.array(z.looseObject({ id: z.string(), pool: z.string(), inFlight: z.number() }));

/** How long a removal may wait for requests in flight, ms. */
const longestWait = 24 * 3_600_000;

/** Lists the servers of a pool, followed by a summary. */
export async function listServers(admin: AdminClient, pool: string, json: boolean): Promise<string> {
  const answer = await admin.call({ method: 'GET', path: `${poolPath(pool)}/servers` });
  if (json) return toJson(answer);
  const { servers } = understood(serverList, answer);
  if (servers.length === 0) return `no servers; add one: weldr servers add http://127.0.0.1:12345`;
  const inFlight = await requestsInFlight(admin, pool);
  const table = formatTable(
    ['SERVER', 'STATE', 'WEIGHT', 'IN FLIGHT', 'LAYER', 'CHANGED', 'HEALTH', 'REASON'],
    servers.map(({ id, url, state, backup, weight, layer, overrides, health, reason }) => [
      url ?? id,
      backup ? `${state} (backup)` : state,
      String(weight),
      String(inFlight?.get(id) ?? '-'),
      layer,
      Object.keys(overrides).join(',') || '-',
      health?.status ?? '-',
      reason,
    ]),
  );
  return `${table}\n\n${summary(servers, inFlight)}`;
}

/** Returns the counts by server id; undefined when the plugin `stats` is not loaded. */
async function requestsInFlight(
  admin: AdminClient,
  pool: string,
): Promise<ReadonlyMap<string, number> | undefined> {
  const answer = await admin.find('/stats/detail');
  if (answer === undefined) return undefined;
  const ofPool = understood(requestCounts, answer).filter(counts => counts.pool === pool);
  return new Map(ofPool.map(({ id, inFlight }) => [id, inFlight]));
}

/** Returns a line such as `3 servers: 2 active, 1 draining; 1 changed over the config; 5 requests in flight`. */
function summary(
  servers: readonly ListedServer[],
  inFlight: ReadonlyMap<string, number> | undefined,
): string {
  const states = new Map<string, number>();
  for (const { state } of servers) states.set(state, (states.get(state) ?? 0) + 1);
  const changed = servers.filter(({ overrides }) => Object.keys(overrides).length > 0).length;
  const requests = [...(inFlight?.values() ?? [])].reduce((sum, count) => sum + count, 0);
  return [
    `${count(servers.length, 'server')}: ${[...states].map(([state, of]) => `${of} ${state}`).join(', ')}`,
    ...(changed === 0 ? [] : [`${changed} changed over the config`]),
    ...(inFlight === undefined ? [] : [`${count(requests, 'request')} in flight`]),
  ].join('; ');
}

const count = (of: number, what: string): string => `${of} ${what}${of === 1 ? '' : 's'}`;

/** The settings of `weldr servers add`. */
export interface NewServer {
  readonly url: string;
  readonly weight?: number | undefined;
  readonly backup?: boolean | undefined;
  readonly maxConnections?: number | undefined;
  readonly zone?: string | undefined;
  readonly http2?: boolean | undefined;
  readonly host?: string | undefined;
  readonly proxyProtocol?: string | undefined;
  readonly ttl?: string | undefined;
}

/** Adds a server, or updates the one with this URL. */
export async function addServer(
  admin: AdminClient,
  pool: string,
  definition: NewServer,
  json: boolean,
): Promise<string> {
  checkUrl(definition.url);
  const answer = await admin.call({ method: 'POST', path: `${poolPath(pool)}/servers`, body: definition });
  return json ? toJson(answer) : sentence(answer);
}

/** Removes a server: at once with `force`; with `wait` it resolves once its requests are finished. */
export async function removeServer(
  admin: AdminClient,
  pool: string,
  url: string,
  how: { readonly force: boolean; readonly wait: boolean },
  json: boolean,
): Promise<string> {
  const query = how.force ? '?force' : how.wait ? '?wait' : '';
  const answer = await admin.call({
    method: 'DELETE',
    path: serverPath(pool, url) + query,
    ...(how.wait ? { timeoutMs: longestWait } : {}),
  });
  if (json) return toJson(answer ?? {});
  return how.force || how.wait
    ? `${url} is removed`
    : `${url} gets no new requests and is removed once its requests are finished`;
}

/** Drops an operator's changes of a server, or of some of its fields. */
export async function resetServer(
  admin: AdminClient,
  { pool, url, field }: { readonly pool: string; readonly url: string; readonly field: string | undefined },
  json: boolean,
): Promise<string> {
  const query = field === undefined ? '?override' : `?override=${encodeURIComponent(field)}`;
  const answer = await admin.call({ method: 'DELETE', path: serverPath(pool, url) + query });
  if (json) return toJson(answer ?? {});
  return answer === undefined ? `${url} is removed, as the config does not list it` : sentence(answer);
}

/** Sets the state of a server; with `wait` it resolves once its requests are finished. */
export async function setServerState(
  admin: AdminClient,
  pool: string,
  url: string,
  { state, wait }: { readonly state: 'active' | 'draining' | 'disabled'; readonly wait: boolean },
  json: boolean,
): Promise<string> {
  const answer = await admin.call({
    method: 'PATCH',
    path: serverPath(pool, url) + (wait ? '?wait' : ''),
    body: { state },
    ...(wait ? { timeoutMs: longestWait } : {}),
  });
  return json ? toJson(answer) : sentence(answer);
}

function poolPath(pool: string): string {
  return pool === 'default' ? '' : `/pools/${encodeURIComponent(pool)}`;
}

function serverPath(pool: string, url: string): string {
  const endpoint = checkUrl(url);
  const place =
    endpoint.kind === 'unix' ? ['unix', endpoint.path] : [endpoint.hostname, String(endpoint.port)];
  return `${poolPath(pool)}/servers/${place.map(encodeURIComponent).join('/')}`;
}

function checkUrl(url: string): ServerEndpoint {
  try {
    return parseServerAddress(url).endpoint;
  } catch (thrown) {
    throw usageError(thrown instanceof Error ? thrown.message : String(thrown));
  }
}

function sentence(answer: unknown): string {
  const { id, state, weight, reason } = understood(server, answer);
  return `${id} is ${state} (${reason}), weight ${weight}`;
}

/** Parses the parts of an answer that are used. Throws a CommandError for another shape. */
export function understood<T extends z.ZodType>(schema: T, answer: unknown): z.output<T> {
  const result = schema.safeParse(answer);
  if (result.success) return result.data;
  throw new CommandError('this version of weldr does not understand the answer of the admin API; try --json');
}

/** Formats an answer for scripts. */
export function toJson(answer: unknown): string {
  return JSON.stringify(answer, undefined, 2);
}
