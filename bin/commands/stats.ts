// `weldr stats`: the counts of a running Weldr.
import { isatty } from 'node:tty';
import type { AdminClient } from '../admin-client.ts';
import { usageError } from '../command-error.ts';
import { writeBlocks } from '../stats-watch/blocks.ts';
import { details, totals } from '../stats-watch/counts.ts';
import { isOrder, orders } from '../stats-watch/order.ts';
import { showView, type WatchOptions } from '../stats-watch/view.ts';
import { formatTable } from '../table.ts';
import { toJson, understood } from './servers.ts';

/** Returns the counts as text: totals and one line for each server. */
export async function readStats(admin: AdminClient, json: boolean): Promise<string> {
  const [total, detail] = await Promise.all([
    admin.call({ method: 'GET', path: '/stats' }),
    admin.call({ method: 'GET', path: '/stats/detail' }),
  ]);
  if (json) return toJson({ total, servers: detail });
  const { client, server } = understood(totals, total);
  const servers = understood(details, detail);
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
      servers.map(({ id, success, failed, inFlight }) => [
        id,
        String(success),
        String(failed),
        String(inFlight ?? '-'),
      ]),
    ),
  ].join('\n\n');
}

/** Parses the flags of `--watch`. Throws a usage error that names the right words. */
export function watchOptions(flags: {
  readonly isWatched: boolean;
  readonly sort: string | undefined;
  readonly interval: string | undefined;
}): WatchOptions {
  const { isWatched, sort, interval = '1' } = flags;
  const alone = sort !== undefined ? '--sort' : flags.interval !== undefined ? '--interval' : undefined;
  if (!isWatched && alone !== undefined) throw usageError(`weldr stats: ${alone} needs --watch`);
  if (sort !== undefined && !isOrder(sort)) {
    throw usageError(`--sort: expected one of ${orders.join(', ')}, got ${JSON.stringify(sort)}`);
  }
  const seconds = /^\d{1,4}(\.\d{1,3})?s?$/.test(interval) ? Number.parseFloat(interval) : 0;
  if (seconds < 0.1 || seconds > 3600) {
    throw usageError(`--interval: expected seconds from 0.1 to 3600, got ${JSON.stringify(interval)}`);
  }
  return { order: sort, intervalMs: seconds * 1000 };
}

/**
 * Follows the counts until the process ends, q is pressed or the reader leaves: as a live view on a terminal that
 * supports it, else as a block of text or a line of JSON per reading.
 */
export async function watchStats(admin: AdminClient, options: WatchOptions, json: boolean): Promise<void> {
  const { stdout: output, stderr: errors } = process;
  const stop = new AbortController();
  output.once('error', () => stop.abort());
  if (output.isTTY && process.env['TERM'] !== 'dumb' && !json) {
    await showView(admin, options, { output, input: isatty(0) ? process.stdin : undefined, stop });
  } else await writeBlocks(admin, { ...options, json }, { output, errors, stop: stop.signal });
}
