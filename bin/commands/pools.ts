// `weldr pools …`: the pools of a running Weldr.
import { z } from 'zod';
import type { AdminClient } from '../admin-client.ts';
import { formatTable } from '../table.ts';
import { toJson, understood } from './servers.ts';

const pool = z.looseObject({
  name: z.string(),
  servers: z.number(),
  available: z.number(),
  layer: z.string().default('-'),
  fallback: z.string().optional(),
  overrides: z.record(z.string(), z.unknown()).default({}),
});
const poolList = z.looseObject({ pools: z.array(pool) });

/** Lists the pools. */
export async function listPools(admin: AdminClient, json: boolean): Promise<string> {
  const answer = await admin.call({ method: 'GET', path: '/pools' });
  if (json) return toJson(answer);
  return formatTable(
    ['POOL', 'SERVERS', 'AVAILABLE', 'LAYER', 'CHANGED', 'FALLBACK'],
    understood(poolList, answer).pools.map(({ name, servers, available, layer, overrides, fallback }) => [
      name,
      String(servers),
      String(available),
      layer,
      Object.keys(overrides).join(',') || '-',
      fallback ?? '-',
    ]),
  );
}

/** Adds a pool, or changes the one that has its name. */
export async function addPool(
  admin: AdminClient,
  definition: { readonly name: string; readonly fallback: string | undefined },
  json: boolean,
): Promise<string> {
  const answer = await admin.call({ method: 'POST', path: '/pools', body: definition });
  return json ? toJson(answer) : `the pool ${definition.name} is there`;
}

/** Removes a pool. */
export async function removePool(
  admin: AdminClient,
  { name, how }: { readonly name: string; readonly how: { readonly force: boolean } },
  json: boolean,
): Promise<string> {
  const path = `${poolPath(name)}${how.force ? '?force' : ''}`;
  const answer = await admin.call({ method: 'DELETE', path });
  return json ? toJson(answer ?? {}) : `the pool ${name} is removed`;
}

/** Forgets what an operator said of a pool. */
export async function resetPoolWord(admin: AdminClient, name: string, json: boolean): Promise<string> {
  const answer = await admin.call({ method: 'DELETE', path: `${poolPath(name)}?override` });
  return json ? toJson(answer ?? {}) : `the pool ${name} is as the config says`;
}

const poolPath = (name: string): string => `/pools/${encodeURIComponent(name)}`;
