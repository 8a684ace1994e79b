// `weldr get`: prints the active state as a state file for `weldr apply`.
import { z } from 'zod';
import type { AdminClient } from '../admin-client.ts';
import { toJson, understood } from './servers.ts';

const pool = z.looseObject({ name: z.string() });
const poolList = z.looseObject({ pools: z.array(pool) });
const routeList = z.looseObject({ routes: z.array(z.looseObject({ name: z.string() })) });
const server = z.looseObject({ url: z.string(), state: z.string(), weight: z.number() });
const serverList = z.looseObject({ servers: z.array(server) });

/** Fields of a pool, and of a server, that a state file may set. */
const poolFields = [
  'fallback',
  'plugins',
  'host',
  'http2',
  'proxyProtocol',
  'healthCheck',
  'timeouts',
  'limits',
  'zonePreference',
  'subset',
];
const serverFields = [
  'backup',
  'maxConnections',
  'zone',
  'host',
  'http2',
  'proxyProtocol',
  'labels',
  'healthCheck',
  'ttl',
];

/** Returns all pools with their servers, and all routes, as JSON, which is also YAML. The API shows no TLS settings. */
export async function getState(admin: AdminClient): Promise<string> {
  const { pools } = understood(poolList, await admin.call({ method: 'GET', path: '/pools' }));
  const entries: [string, object][] = [];
  for (const one of pools) {
    const path = `/pools/${encodeURIComponent(one.name)}/servers`;
    const { servers } = understood(serverList, await admin.call({ method: 'GET', path }));
    const list = servers.filter(({ reason }) => reason !== 'removed').map(stateServer);
    entries.push([one.name, { ...some(one, poolFields), servers: list }]);
  }
  const routes = await routesOf(admin);
  return toJson({ pools: Object.fromEntries(entries), ...(routes !== undefined && { routes }) });
}

/** What the API reports about a route beside its fields. */
const aboutRoutes = new Set([
  'layer',
  'code',
  'overrides',
  'shadows',
  'dangling',
  'shadowedBy',
  'warnings',
  'by',
  'at',
  'links',
]);

/** Returns all routes, without what the config writes in code; undefined: no plugin has routes. */
async function routesOf(admin: AdminClient): Promise<object[] | undefined> {
  const answer = await admin.find('/routes');
  if (answer === undefined) return undefined;
  return understood(routeList, answer).routes.map(route =>
    Object.fromEntries(
      Object.entries(route).filter(
        ([field, value]) => !aboutRoutes.has(field) && !(field === 'priority' && value === 0),
      ),
    ),
  );
}

/** Returns what differs from the defaults, without the verdicts of health checks, which no operator set. */
function stateServer(one: z.output<typeof server>): object {
  const { url, weight, state } = one;
  const isWanted = state === 'draining' || state === 'disabled';
  return {
    url,
    ...(weight !== 1 && { weight }),
    ...(isWanted && { state }),
    ...some(one, serverFields),
  };
}

function some(from: Readonly<Record<string, unknown>>, names: readonly string[]): object {
  return Object.fromEntries(names.flatMap(name => (from[name] === undefined ? [] : [[name, from[name]]])));
}
