// FirstFormat: converts what the first format left in etcd: once for each cluster, by the first node that finds it.
import type { Logger } from 'pino';
import type { EtcdClient } from './client.ts';
import { type ClusterKeys, rowValue } from './keys.ts';
import { readSnapshot } from './snapshot.ts';

/** The number of keys converted at once. */
const atOnce = 64;

/** What {@link takeOverFirstFormat} works with. */
export interface FirstFormatOptions {
  readonly client: EtcdClient;
  readonly keys: ClusterKeys;
  readonly log: Logger;
  /** The time, ms since the epoch. */
  readonly now: number;
}

/**
 * Writes a row for each key of the first format, unless a node has done so before. The old keys stay, so that a cluster can go
 * back; leases continue. Rejects with STORE_UNAVAILABLE; call it again then.
 */
export async function takeOverFirstFormat({ client, keys, log, now }: FirstFormatOptions): Promise<void> {
  const marker = Buffer.from(keys.migrated);
  const found = await client.call(
    async (etcd, options) => await etcd.kv.range({ key: marker, count_only: true }, options),
  );
  if (Number(found.count) > 0) return;
  const { kvs } = await readSnapshot(client, { prefixes: keys.first });
  const isNew = (key: Buffer) => ({ key, target: 'Mod' as const, result: 'Equal' as const, mod_revision: 0 });
  const takeOver = async ({ key, value, lease }: (typeof kvs)[number]): Promise<number> => {
    const name = key.toString();
    const change = keys.readFirst(name, value.toString(), { by: 'an earlier version', at: now });
    if (typeof change === 'string') log.error({ key: name, reason: change }, 'ignoring a key of etcd');
    if (typeof change === 'string' || change.row === undefined) return 0;
    const row = Buffer.from(keys.row(change.kind, change.key));
    const put = { key: row, value: Buffer.from(rowValue(change.row)), ...(lease !== '0' && { lease }) };
    const answer = await client.call(
      async (etcd, options) =>
        await etcd.kv.txn({ compare: [isNew(marker), isNew(row)], success: [{ request_put: put }] }, options),
    );
    return answer.succeeded ? 1 : 0;
  };
  let taken = 0;
  for (let from = 0; from < kvs.length; from += atOnce) {
    const results = await Promise.all(kvs.slice(from, from + atOnce).map(takeOver));
    taken += results.reduce((sum, count) => sum + count, 0);
  }
  await client.call(
    async (etcd, options) =>
      await etcd.kv.txn(
        { compare: [isNew(marker)], success: [{ request_put: { key: marker, value: Buffer.from('{}') } }] },
        options,
      ),
  );
  if (kvs.length === 0) return;
  log.info(
    { rows: taken },
    'converted what an earlier version left in etcd; nodes of that version do not see changes from now on: upgrade them',
  );
}
