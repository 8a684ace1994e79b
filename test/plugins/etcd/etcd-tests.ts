// EtcdTests: registers tests that need a real etcd, and lists them as skipped where it is not installed.
import type { EtcdAccess } from '../../../plugins/etcd/client.ts';
import { EtcdCluster, whyNoEtcd } from '../../cluster/etcd-cluster.ts';
import type { Test } from '../../support/suite.ts';

/** Why tests with etcd are skipped; undefined: they run. */
export const missing = whyNoEtcd();

/** Arguments of an etcd that elects its leader in a fraction of a second; by default that takes a second and more at each start. */
export const quickElections = ['--heartbeat-interval=20', '--election-timeout=200'];

/** The etcd of a test. */
export interface EtcdOfTest {
  readonly size?: number;
  readonly args?: readonly string[];
}

/** Starts a node of a test's etcd; the test closes it. */
type StartNode<Given extends unknown[], Node> = (...given: Given) => Promise<Node>;

/** Registers a test with a separate etcd cluster; `options` replace the usual ones. */
type WithCluster<Given extends unknown[], Node> = (
  behaviour: string,
  body: (cluster: EtcdCluster, node: StartNode<Given, Node>) => Promise<void>,
  options?: EtcdOfTest,
) => void;

/** Registers a test that needs etcd. */
export function testWithEtcd(
  test: Test,
  behaviour: string,
  body: () => Promise<void>,
  reason: string | undefined = missing,
): void {
  if (reason === undefined) test(behaviour, body);
  else test.skip(behaviour, reason, body);
}

/** Returns a function that registers tests whose nodes `start` starts. */
export function withCluster<Given extends unknown[], Node extends { close(): Promise<void> }>(
  test: Test,
  start: (access: EtcdAccess, ...given: Given) => Promise<Node>,
  usual: EtcdOfTest = {},
): WithCluster<Given, Node> {
  return (behaviour, body, options = {}) =>
    testWithEtcd(test, behaviour, async () => {
      const cluster = await EtcdCluster.start({ ...usual, ...options });
      const nodes: Node[] = [];
      try {
        await body(cluster, async (...given) => {
          const node = await start({ hosts: cluster.hosts }, ...given);
          nodes.push(node);
          return node;
        });
      } finally {
        for (const node of nodes) await node.close();
        await cluster.close();
      }
    });
}
