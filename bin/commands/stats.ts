// `weldr stats`: what a running Weldr counted.
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { AdminClient } from '../admin-client.ts';
import { formatTable } from '../table.ts';
import { toJson, understood } from './servers.ts';

/** Between two looks of `--watch`, ms. */
const watchInterval = 1_000;

const counts = z.looseObject({ success: z.number(), failed: z.number() });
const totals = z.looseObject({ client: counts, server: counts });
const details = z.array(z.looseObject({ id: z.string(), success: z.number(), failed: z.number() }));

/** The counts as text: totals and one line for each server. */
export async function readStats(admin: AdminClient, json: boolean): Promise<string> {
  const [total, detail] = await Promise.all([
    admin.call({ method: 'GET', path: '/stats' }),
    admin.call({ method: 'GET', path: '/stats/detail' }),
  ]);
  if (json) return toJson({ total, servers: detail });
  const { client, server } = understood(totals, total);
  const servers = understood(details, detail);
  const extra = (value: unknown): string => (typeof value === 'number' ? String(value) : '-');
  return [
    formatTable(
      ['', 'SUCCESS', 'FAILED'],
      [
        ['clients', String(client.success), String(client.failed)],
        ['servers', String(server.success), String(server.failed)],
      ],
    ),
    formatTable(
      ['SERVER', 'SUCCESS', 'FAILED', 'IN FLIGHT'],
      servers.map(row => [row.id, String(row.success), String(row.failed), extra(row['inFlight'])]),
    ),
  ].join('\n\n');
}

/**
 * Writes the counts each second, until the process is ended, the API goes away or nobody reads `output` any more. A
 * terminal is cleared for each; elsewhere an empty line parts them.
 */
export async function watchStats(
  admin: AdminClient,
  json: boolean,
  output: NodeJS.WriteStream,
): Promise<void> {
  let isRead = true;
  output.once('error', () => {
    isRead = false;
  });
  for (let isFirst = true; isRead; isFirst = false) {
    const text = await readStats(admin, json);
    if (json) output.write(`${JSON.stringify(JSON.parse(text))}\n`);
    else if (output.isTTY) output.write(`\x1b[2J\x1b[H${text}\n`);
    else output.write(`${isFirst ? '' : '\n'}${text}\n`);
    await sleep(watchInterval);
  }
}
