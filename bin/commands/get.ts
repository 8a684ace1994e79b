// `weldr get`: what is in force, as a state file that `weldr apply` takes.
import { z } from 'zod';
import type { AdminClient } from '../admin-client.ts';
import { toJson, understood } from './servers.ts';

const pool = z.looseObject({ name: z.string() });
const poolList = z.looseObject({ pools: z.array(pool) });
const server = z.looseObject({ url: z.string(), state: z.string(), weight: z.number() });
const serverList = z.looseObject({ servers: z.array(server) });

/** Fields of a pool, and of a server, that a state file may say. */
const poolFields = ['fallback', 'host', 'http2', 'proxyProtocol', 'healthCheck', 'timeouts', 'limits'];
const serverFields = ['backup', 'host', 'http2', 'proxyProtocol', 'labels', 'healthCheck', 'ttl'];

/** All pools with their servers, JSON, which is YAML as well. TLS settings are not shown, so they are not in it. */
export async function getState(admin: AdminClient): Promise<string> {
  const { pools } = understood(poolList, await admin.call({ method: 'GET', path: '/pools' }));
  const entries: [string, object][] = [];
  for (const one of pools) {
    const path = `/pools/${encodeURIComponent(one.name)}/servers`;
    const { servers } = understood(serverList, await admin.call({ method: 'GET', path }));
    const list = servers.filter(({ reason }) => reason !== 'removed').map(stateServer);
    entries.push([one.name, { ...some(one, poolFields), servers: list }]);
  }
  return toJson({ pools: Object.fromEntries(entries) });
}

/** What differs from the defaults. What health says of a server is no operator's word. */
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
