// StoreTests: registers tests of stores that share one etcd.
import { type StoreNode, storeNode } from '../../cluster/etcd-node.ts';
import type { Test } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { quickElections, withCluster } from './etcd-tests.ts';

type StoreOptions = Parameters<typeof storeNode>[1];

/** Returns a function that registers tests with an etcd of one member; its nodes follow it before they are used. */
export function withStores(test: Test) {
  return withCluster<[options?: StoreOptions], StoreNode>(
    test,
    async (access, options) => {
      const node = await storeNode(access, options);
      await until('following etcd', () => !node.store.stale, 5000).catch(() => {});
      return node;
    },
    { args: quickElections },
  );
}

/** The key in etcd of a server in the pool `default`. */
export function keyOf(port: number): string {
  return `/weldr/v2/server/${encodeURIComponent(`default/http://127.0.0.1:${port}`)}`;
}
