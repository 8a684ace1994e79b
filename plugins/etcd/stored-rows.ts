// StoredRows: reads the rows of a cluster once, without joining it.
import type { Row } from '../../core/state/row.ts';
import { type EtcdAccess, EtcdClient } from './client.ts';
import { ClusterKeys } from './keys.ts';
import { readSnapshot } from './snapshot.ts';

/** Resolves with the rows below `prefix`, without unusable keys. Rejects with STORE_UNAVAILABLE. */
export async function readStoredRows(access: EtcdAccess, prefix: string): Promise<readonly Row[]> {
  const keys = new ClusterKeys(prefix);
  const client = await EtcdClient.create(access);
  try {
    const { kvs } = await readSnapshot(client, { prefixes: [keys.rows] });
    const read = kvs.map(({ key, value }) => keys.read(key.toString(), value.toString()));
    return read.filter(row => typeof row !== 'string');
  } finally {
    client.close();
  }
}
