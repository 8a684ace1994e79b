// What the tests of pool-file share: temporary folders, journals in them, servers to put in.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from '../../../core/options/options.ts';
import { type ServerDefinition, serverDefinition } from '../../../core/pool/server-definition.ts';
import { partsOfServerKey, serverKey, serverKindName } from '../../../core/pool/server-kind.ts';
import type { Batch, Row, RowChange } from '../../../core/state/row.ts';
import { collectingLogger, type LogLine } from '../../../core/testing/log-lines.ts';
import { systemClock } from '../../../core/time/clock.ts';
import { PoolJournal } from '../../../plugins/pool-file/pool-journal.ts';

/** Calls `body` with a new folder, which is removed afterwards. */
export async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'weldr-pool-file-'));
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export async function openJournal(path: string): Promise<{ journal: PoolJournal; logs: LogLine[] }> {
  const logs: LogLine[] = [];
  const journal = await PoolJournal.open({ path, log: collectingLogger(logs), clock: systemClock });
  return { journal, logs };
}

/** The rows of a journal, read as by a start of Weldr. */
export async function readJournal(path: string): Promise<{ ids: string[]; logs: LogLine[] }> {
  const { journal, logs } = await openJournal(path);
  const ids = idsOf(await journal.load());
  await journal.close();
  return { ids, logs };
}

/** @param ttl ms, 1000 or more: a number by which tests distinguish changes */
export function put(port: number, weight = 1, ttl?: number): Batch {
  const server = parse(serverDefinition, {
    url: `http://127.0.0.1:${port}`,
    weight,
    ...(ttl === undefined ? {} : { ttl }),
  });
  return define(server);
}

/** A server, a pool and a route, each with this number, in one batch. */
export function putAll(port: number, number: number): Batch {
  const { changes, ...mark } = put(port, 1, 1000 + number);
  const others = ['pool', 'route'].map((kind): RowChange => {
    const key = keyOf(kind, port);
    return { kind, key, row: { kind, key, op: 'define', value: { number }, ...mark } };
  });
  return { ...mark, changes: [...changes, ...others] };
}

export const keyOf = (kind: string, port: number): string => `${kind}-${port}`;

/** A server of the pool `default`, defined. */
export function define(server: ServerDefinition): Batch {
  const mark = { by: 'a test', at: 0 };
  const identity = { kind: serverKindName, key: serverKey('default', server.url) };
  return { ...mark, changes: [{ ...identity, row: { ...identity, op: 'define', value: server, ...mark } }] };
}

/** The servers that rows are about. */
export const idsOf = (rows: readonly Row[]): string[] => rows.map(({ key }) => partsOfServerKey(key).id);

export const idOf = (port: number): string => `http://127.0.0.1:${port}`;
