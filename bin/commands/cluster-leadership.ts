// `weldr cluster hand-over` and `weldr cluster maintenance`: operators decide which node leads.
import { z } from 'zod';
import type { AdminClient } from '../admin-client.ts';
import { usageError } from '../command-error.ts';
import { toJson, understood } from './servers.ts';

const handedOver = z.looseObject({ from: z.string(), to: z.string() });
const inMaintenance = z.looseObject({
  node: z.string(),
  maintenance: z.boolean(),
  handedOverTo: z.string().optional(),
});

/** Resolves when another node leads. `to`: its name; undefined: the best candidate. */
export async function handOver(admin: AdminClient, to: string | undefined, json: boolean): Promise<string> {
  const answer = await admin.call({ method: 'POST', path: '/cluster/hand-over', body: { to } });
  if (json) return toJson(answer);
  const { from, to: leader } = understood(handedOver, answer);
  return from === leader
    ? `${leader} already leads`
    : `${from} has handed over to ${leader}, which leads now`;
}

/** Turns maintenance of a node on or off. `state`: as typed; `node`: undefined: the one whose admin API takes the call. */
export async function setMaintenance(
  admin: AdminClient,
  { state, node }: { readonly state: string; readonly node: string | undefined },
  json: boolean,
): Promise<string> {
  if (state !== 'on' && state !== 'off') {
    throw usageError(`cluster maintenance: expected on or off, got ${JSON.stringify(state)}`);
  }
  const answer = await (state === 'on'
    ? admin.call({ method: 'PUT', path: '/cluster/maintenance', body: { node } })
    : admin.call({ method: 'DELETE', path: `/cluster/maintenance${queryOf(node)}` }));
  if (json) return toJson(answer);
  const { node: name, maintenance, handedOverTo } = understood(inMaintenance, answer);
  if (!maintenance) return `${name} takes part in the election again`;
  const instead = handedOverTo === undefined ? '' : `; ${handedOverTo} leads now`;
  return `${name} is in maintenance and does not lead, until "weldr cluster maintenance off ${name}"${instead}`;
}

function queryOf(node: string | undefined): string {
  return node === undefined ? '' : `?node=${encodeURIComponent(node)}`;
}
