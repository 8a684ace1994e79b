// `weldr cluster status`: nodes, leader, address and etcd as this node sees them, and what is wrong.
import { z } from 'zod';
import { exitCodes } from '../../core/process/exit-codes.ts';
import type { AdminClient } from '../admin-client.ts';
import { formatTable, printable } from '../table.ts';
import { toJson, understood } from './servers.ts';

const cluster = z.looseObject({
  node: z.string(),
  leader: z.string().nullable(),
  leaderSince: z.number().default(0),
  // Fields that earlier versions lack.
  election: z.looseObject({ state: z.string(), since: z.number(), reason: z.string().optional() }).optional(),
  address: z
    .looseObject({ held: z.boolean(), by: z.string().nullable(), reason: z.string().optional() })
    .optional(),
  stale: z.boolean(),
  reason: z.string().optional(),
  revision: z.number(),
  lag: z.looseObject({ ms: z.number() }),
  members: z.array(
    z.looseObject({
      node: z.string(),
      leading: z.boolean(),
      version: z.string(),
      startedAt: z.number(),
      servers: z.looseObject({ total: z.number(), available: z.number() }),
      unfit: z.string().optional(),
      priority: z.number().optional(),
      maintenance: z.looseObject({ by: z.string() }).optional(),
      inStep: z.boolean().optional(),
    }),
  ),
  // Absent or null: off.
  failsafe: z
    .looseObject({
      active: z.boolean(),
      since: z.number().default(0),
      members: z.array(z.string()).default([]),
      promisedTo: z.string().nullable().default(null),
    })
    .nullish(),
  etcd: z.looseObject({
    roundTripMs: z.number().nullable().default(null),
    roundTripWorstMs: z.number().nullable().default(null),
    problem: z.string().optional(),
    warnings: z.array(z.string()).default([]),
  }),
  etcdMembers: z.array(
    z.looseObject({
      host: z.string(),
      healthy: z.boolean(),
      leader: z.boolean(),
      version: z.string().optional(),
      revision: z.number().optional(),
      databaseBytes: z.number().optional(),
      reason: z.string().optional(),
    }),
  ),
  damagedKeys: z.array(z.string()).default([]),
});

type Cluster = z.output<typeof cluster>;

/** The output of the command, and its exit code: 1 when no node leads or something is wrong. */
export interface ClusterAnswer {
  readonly text: string;
  readonly exitCode: number;
}

/** Reads `GET /cluster`. */
export async function clusterStatus(admin: AdminClient, json: boolean): Promise<ClusterAnswer> {
  const answer = await admin.call({ method: 'GET', path: '/cluster' });
  const seen = understood(cluster, answer);
  const wrong = wrongWith(seen);
  const exitCode = wrong.length === 0 ? exitCodes.ok : exitCodes.failed;
  return { text: json ? toJson(answer) : pageOf(seen, wrong), exitCode };
}

/** Lists what is wrong, a sentence each; scripts wait until it is empty. */
function wrongWith({ leader, election, address, stale, reason, members, etcd, ...rest }: Cluster): string[] {
  const wrong: string[] = [];
  if (etcd.problem !== undefined) wrong.push(etcd.problem);
  if (leader === null) wrong.push(`no node leads: ${election?.reason ?? 'the reason is not known yet'}`);
  else if (address?.held === false)
    wrong.push(`no node holds the address: ${address.reason ?? 'the reason is not known'}`);
  if (election?.state === 'leading' && election.reason !== undefined) wrong.push(election.reason);
  if (stale) wrong.push(`this node may be out of date${reason === undefined ? '' : `: ${reason}`}`);
  for (const { node, inStep } of members) if (inStep === false) wrong.push(`${node} is not in step yet`);
  for (const { host, healthy, reason: why } of rest.etcdMembers) {
    if (!healthy) wrong.push(`etcd at ${host}: ${why ?? 'it is not healthy'}`);
  }
  if (rest.damagedKeys.length > 0) wrong.push(`unusable keys in etcd: ${rest.damagedKeys.join(', ')}`);
  return wrong.map(printable);
}

function pageOf(seen: Cluster, wrong: readonly string[]): string {
  const { etcd, members, etcdMembers } = seen;
  const parts = [
    formatTable(['', ''], factsOf(seen)).trimStart(),
    nodesTable(members),
    etcdTable(etcdMembers),
  ];
  if (etcd.warnings.length > 0)
    parts.push(etcd.warnings.map(text => `warning: ${printable(text)}`).join('\n'));
  if (wrong.length > 0) parts.push(wrong.map(text => `wrong: ${text}`).join('\n'));
  return parts.join('\n\n');
}

function factsOf(seen: Cluster): string[][] {
  const { node, leader, leaderSince, election, address, etcd, revision, lag, failsafe } = seen;
  const { roundTripMs, roundTripWorstMs } = etcd;
  const since = leaderSince === 0 ? '' : `, since ${timeOf(leaderSince)}`;
  const facts = [
    ['node', node],
    ['leader', leader === null ? 'none' : `${leader}${since}`],
  ];
  if (election !== undefined) {
    facts.push([
      'election',
      `this node is ${phrases[election.state] ?? election.state}, since ${timeOf(election.since)}`,
    ]);
  }
  if (address !== undefined) facts.push(['address', address.held ? `held by ${address.by}` : 'not held']);
  if (failsafe) facts.push(['failsafe', failsafeOf(failsafe, leader === node)]);
  const confirmed = lag.ms < 0 ? 'not confirmed since this node started' : `confirmed ${lag.ms} ms ago`;
  facts.push(['revision', `${revision}, ${confirmed}`]);
  if (roundTripMs !== null) {
    facts.push([
      'round trip',
      `${roundTripMs} ms, ${roundTripWorstMs ?? roundTripMs} ms at most in the last minute`,
    ]);
  }
  return facts;
}

/** Describes what failsafe does now, or could do. */
function failsafeOf(
  { active, since, members, promisedTo }: NonNullable<Cluster['failsafe']>,
  leads: boolean,
): string {
  if (active) return `leads without etcd by the promises of ${members.join(', ')}, since ${timeOf(since)}`;
  if (promisedTo !== null) return `has promised ${promisedTo} not to stand`;
  if (!leads) return 'on';
  if (members.length === 0) return 'on, but not possible now: the list has no other candidate';
  return `on, by the promises of ${members.join(', ')}`;
}

const phrases: Readonly<Record<string, string>> = {
  unfit: 'not fit to lead',
  'no etcd': 'without etcd',
  'split etcd': 'at a split etcd',
};

function nodesTable(members: Cluster['members']): string {
  return formatTable(
    ['NODE', 'PART', 'PRIORITY', 'IN STEP', 'SERVERS', 'VERSION', 'STARTED'],
    members.map(({ node, leading, priority, inStep, servers, version, startedAt, ...rest }) => [
      node,
      leading ? 'leads' : standingOf(rest),
      String(priority ?? '-'),
      inStep === undefined ? '-' : inStep ? 'yes' : 'no',
      `${servers.available} of ${servers.total}`,
      version,
      timeOf(startedAt),
    ]),
  );
}

function standingOf({
  maintenance,
  unfit,
}: Pick<Cluster['members'][number], 'maintenance' | 'unfit'>): string {
  if (maintenance !== undefined) return `in maintenance, by ${maintenance.by}`;
  return unfit === undefined ? 'stands by' : `cannot lead: ${unfit}`;
}

function etcdTable(members: Cluster['etcdMembers']): string {
  return formatTable(
    ['ETCD', 'HEALTH', 'VERSION', 'REVISION', 'SIZE'],
    members.map(({ host, healthy, leader, version, revision, databaseBytes, reason }) => [
      host,
      healthy ? (leader ? 'healthy, leads' : 'healthy') : (reason ?? 'not healthy'),
      version ?? '-',
      String(revision ?? '-'),
      databaseBytes === undefined ? '-' : `${(databaseBytes / 1024 / 1024).toFixed(1)} MB`,
    ]),
  );
}

function timeOf(at: number): string {
  return new Date(at).toISOString().replace('T', ' ').slice(0, 19);
}
