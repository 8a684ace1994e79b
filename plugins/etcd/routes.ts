// GET /cluster and GET /cluster/servers: the cluster as this node sees it.

import { describeError } from '../../core/errors.ts';
import type { AdminRoutes } from '../../core/plugin/admin.ts';
import { plainReason, revisionOf } from './client.ts';
import type { ClusterNode } from './cluster-node.ts';
import type { NodeReport } from './membership.ts';

/** Adds the routes. */
export function addClusterRoutes(admin: AdminRoutes, node: ClusterNode): void {
  admin.add({
    method: 'GET',
    path: '/cluster',
    rel: 'cluster',
    summary: 'The cluster as this node sees it',
    answers: { 200: 'Leader, members, etcd' },
    handle: async () => ({ status: 200, body: await describeCluster(node) }),
  });
  admin.add({
    method: 'GET',
    path: '/cluster/servers',
    rel: 'cluster-servers',
    summary: 'What each node finds of the servers',
    answers: { 200: 'Reports by node' },
    handle: async () => ({ status: 200, body: await describeServers(node) }),
  });
}

async function describeCluster(node: ClusterNode) {
  const { store, election, options } = node;
  const [{ nodes, reason }, etcd] = await Promise.all([readNodes(node), describeEtcd(node)]);
  const { leader, leading } = election.leadership;
  return {
    node: options.nodeName,
    leading,
    leader: leader ?? null,
    leaderSince: election.since,
    stale: store.stale || reason !== undefined,
    ...(reason !== undefined && { reason }),
    revision: store.revision,
    lag: { ms: Math.max(0, Math.round(Number.isFinite(store.silentFor) ? store.silentFor : -1)) },
    members: nodes.map(({ node: name, version, startedAt, servers }) => ({
      node: name,
      leading: name === leader,
      version,
      startedAt,
      servers,
    })),
    etcd: { healthy: etcd.some(({ healthy }) => healthy), clusterId: store.cluster },
    etcdMembers: etcd,
    damagedKeys: store.damaged.slice(0, 100),
  };
}

async function describeServers(node: ClusterNode) {
  const { nodes, reason } = await readNodes(node);
  return { stale: reason !== undefined, nodes };
}

async function readNodes(node: ClusterNode): Promise<{ nodes: readonly NodeReport[]; reason?: string }> {
  try {
    return { nodes: await node.membership.nodes() };
  } catch (thrown) {
    return { nodes: node.membership.lastNodes, reason: describeError(thrown) };
  }
}

/** Each member of etcd, asked by itself. */
async function describeEtcd({ client }: ClusterNode) {
  const members = await Promise.all(
    client.inOrder().map(async member => {
      try {
        const status = await client.callMember(
          member,
          (etcd, options) => etcd.maintenance.status(options),
          1000,
        );
        return {
          host: member.host,
          healthy: status.leader !== '0' && status.errors.length === 0,
          leader: status.leader === status.header.member_id,
          version: status.version,
          revision: revisionOf(status.header),
          databaseBytes: Number(status.dbSize),
          ...(status.errors.length > 0 && { reason: status.errors.join(', ') }),
        };
      } catch (thrown) {
        return { host: member.host, healthy: false, leader: false, reason: plainReason(thrown) };
      }
    }),
  );
  return members.sort((a, b) => (a.host < b.host ? -1 : 1));
}
