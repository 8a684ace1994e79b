// ClusterRoutes: GET /cluster and GET /cluster/servers, the cluster as this node sees it.
import { describeError } from '../../core/errors.ts';
import type { AdminRoutes } from '../../core/plugin/admin.ts';
import { addressView } from './address-view.ts';
import type { ClusterNode } from './cluster-node.ts';
import { askMembers } from './etcd-members.ts';
import { type NodeReport, reportInterval } from './membership.ts';

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
    summary: 'The servers as each node sees them',
    answers: { 200: 'Reports by node' },
    handle: async () => ({ status: 200, body: await describeServers(node) }),
  });
}

/** Resolves with the body of `GET /cluster`. */
export async function describeCluster(node: ClusterNode) {
  const { store, election, options, watch, roundTrip } = node;
  const [{ nodes, reason }, etcd] = await Promise.all([readNodes(node), askMembers(node.client)]);
  const { leading } = election.leadership;
  const { leader, standing } = watch;
  const problem = watch.identity.problem ?? watch.alarms.problem;
  // This node is in step once it has every change that any node has reported. Another may lack changes that are younger than its report.
  const known = Math.max(store.newest, ...nodes.map(each => each.newest ?? 0));
  const reported = store.newestBefore(2 * reportInterval);
  return {
    node: options.nodeName,
    leading,
    leader: leader ?? null,
    leaderSince: leader === undefined ? 0 : election.since,
    election: standing,
    address: addressView({
      nodeName: options.nodeName,
      own: node.address,
      leader: watch.leader,
      whyNoLeader: watch.standing.reason,
      nodes,
    }),
    stale: store.stale || reason !== undefined,
    ...(reason !== undefined && { reason }),
    revision: store.revision,
    lag: { ms: lagOf(store.silentFor) },
    members: nodes.map(({ node: name, version, startedAt, servers, unfit, revision }) => ({
      node: name,
      leading: name === leader,
      version,
      startedAt,
      servers,
      ...describeCandidate(node, name),
      ...(unfit !== undefined && { unfit }),
      // A node of an earlier version does not report its revision.
      ...(revision !== undefined && {
        revision,
        inStep: name === options.nodeName ? store.revision >= known : revision >= reported,
      }),
    })),
    failsafe: node.failsafe?.state ?? null,
    etcd: {
      healthy: etcd.some(({ healthy }) => healthy),
      clusterId: store.cluster,
      roundTripMs: inMs(roundTrip.mean),
      roundTripWorstMs: inMs(roundTrip.worst),
      renewalMs: leading ? inMs(watch.renewals.mean) : null,
      renewalWorstMs: leading ? inMs(watch.renewals.worst) : null,
      ...(problem !== undefined && { problem }),
      warnings: watch.identity.warnings,
    },
    etcdMembers: etcd.map(({ answers: _, ...member }) => member),
    damagedKeys: store.damaged.slice(0, 100),
  };
}

/** Returns the time since etcd's majority last confirmed something, ms; −1: it has not since this node was started. */
export function lagOf(silentFor: number): number {
  return Number.isFinite(silentFor) ? Math.max(0, Math.round(silentFor)) : -1;
}

/** Returns what is known about a node as a candidate; nothing for one of an earlier version. */
function describeCandidate({ candidate: { board } }: ClusterNode, name: string) {
  const candidacy = board.candidacies.get(name);
  const rest = board.resting.get(name);
  return {
    ...(candidacy !== undefined && { priority: candidacy.priority }),
    ...(candidacy?.unfit !== undefined && { unfit: candidacy.unfit }),
    ...(rest !== undefined && { maintenance: { by: rest.by, since: rest.at } }),
  };
}

function inMs(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.round(ms * 10) / 10;
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
