// Snapshot: reads ranges of etcd at one revision, in pages, so that no answer grows with the pool.
import type { IKeyValue } from 'etcd3';
import { type EtcdClient, revisionOf } from './client.ts';
import { afterPrefix } from './keys.ts';

const pageSize = 500;

/** All keys of some prefixes at one revision. */
export interface Snapshot {
  readonly revision: number;
  readonly clusterId: string;
  readonly kvs: readonly IKeyValue[];
}

/** The keys to read. */
export interface SnapshotRange {
  readonly prefixes: readonly string[];
  /** Leave the values out. */
  readonly keysOnly?: boolean;
  /** As it was at this revision; undefined: now, confirmed by etcd's majority. */
  readonly revision?: number;
}

/** Reads the keys. Rejects with STORE_UNAVAILABLE, or with etcd's `compacted` when the revision is no longer kept. */
export async function readSnapshot(client: EtcdClient, range: SnapshotRange): Promise<Snapshot> {
  const kvs: IKeyValue[] = [];
  let { revision } = range;
  let clusterId = '';
  for (const prefix of range.prefixes) {
    const end = afterPrefix(prefix);
    let from: Buffer | undefined = Buffer.from(prefix);
    while (from !== undefined) {
      const page = await readPage(client, from, end, revision, range.keysOnly ?? false);
      revision ??= revisionOf(page.header);
      clusterId = page.header.cluster_id;
      kvs.push(...page.kvs);
      const last = page.kvs.at(-1);
      from = page.more && last !== undefined ? Buffer.concat([last.key, Buffer.from([0])]) : undefined;
    }
  }
  return { revision: revision ?? 0, clusterId, kvs };
}

async function readPage(
  client: EtcdClient,
  from: Buffer,
  end: Buffer,
  revision: number | undefined,
  keysOnly: boolean,
) {
  return await client.call(
    async (etcd, options) =>
      await etcd.kv.range(
        {
          key: from,
          range_end: end,
          limit: pageSize,
          keys_only: keysOnly,
          ...(revision !== undefined && { revision }),
        },
        options,
      ),
  );
}
