// The counts without a terminal: one block of text, or one line of JSON, per look.
import { once } from 'node:events';
import type { AdminClient } from '../admin-client.ts';
import { formatTable, printable } from '../table.ts';
import { columnsBetween, figure, idColumn } from './columns.ts';
import { follow } from './follow.ts';
import type { Look, ServerLook, Tally } from './look.ts';
import { type Order, sorted } from './order.ts';
import { overviewText } from './overview-lines.ts';
import type { WatchOptions } from './view.ts';

/** Writes the counts until `stop` aborts. Problems go to `errors`, once each. */
export async function writeBlocks(
  admin: AdminClient,
  { json, order, intervalMs }: WatchOptions & { readonly json: boolean },
  to: {
    readonly output: NodeJS.WritableStream;
    readonly errors: NodeJS.WritableStream;
    readonly stop: AbortSignal;
  },
): Promise<void> {
  const { output, errors, stop } = to;
  let said: string | undefined;
  let isFirst = true;
  for await (const seen of follow(admin, intervalMs, stop)) {
    if ('problem' in seen) {
      if (seen.problem !== said) errors.write(`weldr: ${seen.problem}\n`);
      said = seen.problem;
      continue;
    }
    if (said !== undefined) errors.write(`weldr: ${admin.origin} answers again\n`);
    said = undefined;
    const text = json ? jsonLine(seen, order) : `${isFirst ? '' : '\n'}${block(seen, order)}`;
    isFirst = false;
    // A slow reader must not make this process grow.
    if (!output.write(`${text}\n`)) await once(output, 'drain', { signal: stop }).catch(() => {});
  }
}

/** Formats one look as tables. */
export function block({ client, server, servers, overview }: Look, order?: Order): string {
  const tally = (who: string, { rate, failedRate, success, failed }: Tally) => [
    who,
    figure(rate),
    figure(failedRate),
    String(success),
    String(failed),
  ];
  const columns = [idColumn, ...columnsBetween(servers)];
  return [
    ...(overview === undefined ? [] : [printableLines(overviewText(overview))]),
    formatTable(
      ['', 'REQ/S', 'FAIL/S', 'SUCCESS', 'FAILED'],
      [tally('clients', client), tally('servers', server)],
    ),
    formatTable(
      columns.map(({ heading }) => heading),
      sorted(servers, order).map(row => columns.map(column => column.text(row))),
    ),
  ].join('\n\n');
}

/** Formats one look as JSON: the API's answer, and the rates, which are null until they are known. */
export function jsonLine({ client, server, servers, overview }: Look, order?: Order): string {
  const value = {
    at: new Date().toISOString(),
    total: { client: withRates(client), server: withRates(server) },
    ...(overview !== undefined && { overview: { ...overview, history: undefined } }),
    servers: sorted(servers, order).map(row => ({
      ...row.counts,
      ...ratesOf(row),
      latency: { ...row.counts.latency, mean: rounded(row.meanMs) },
    })),
  };
  // JSON.stringify escapes no control characters beyond ASCII.
  return JSON.stringify(value).replace(
    /[\x7f-\x9f]/g,
    character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

const printableLines = (text: string): string => text.split('\n').map(printable).join('\n');

const withRates = (tally: Tally) => ({
  success: tally.success,
  failed: tally.failed,
  ...ratesOf(tally),
});

const ratesOf = ({ rate, failedRate }: Tally | ServerLook) => ({
  requestsPerSecond: rounded(rate),
  failedPerSecond: rounded(failedRate),
});

const rounded = (value: number | undefined): number | null =>
  value === undefined ? null : Number(value.toFixed(3));
