// Checks the etcd of each machine of a cluster over its JSON gateway, and reports problems with their remedies.
import { z } from 'zod';
import { describeError } from '../../core/errors.ts';
import { clientUrl, type Machine, peerUrl } from './machines.ts';

/** The result of a check. */
export interface EtcdFindings {
  /** A line for each machine. */
  readonly machines: readonly string[];
  /** What has to be repaired, with the remedy; none: the cluster is healthy. */
  readonly problems: readonly string[];
  /** What works, but not as well as it could. */
  readonly warnings: readonly string[];
}

const answerWithin = 2000;
/** The first releases in which a leader that hangs does not revoke leases that were renewed elsewhere (etcd#15247). */
const faultless = { '3.4': 31, '3.5': 13 } as const;
/** Round trips above this make the default lease too short, ms. */
const slowTrip = 20;

const header = z.looseObject({ cluster_id: z.string() });
const memberList = z.looseObject({
  header,
  members: z.array(
    z.looseObject({
      ID: z.string(),
      name: z.string().default(''),
      peerURLs: z.array(z.string()).default([]),
    }),
  ),
});
const status = z.looseObject({
  version: z.string(),
  leader: z.string().default('0'),
  errors: z.array(z.string()).default([]),
});
const grant = z.looseObject({ ID: z.string(), TTL: z.string() });

/** What the etcd of one machine reports. */
interface Answer {
  readonly machine: Machine;
  readonly cluster: string;
  readonly members: z.output<typeof memberList>['members'];
  readonly status: z.output<typeof status>;
  /** The median of some round trips, ms. */
  readonly trip: number;
}

/** Asks the etcd of each machine and compares the answers. Never rejects: a machine that does not answer is a problem. */
export async function checkEtcd(machines: readonly Machine[]): Promise<EtcdFindings> {
  const asked = await Promise.all(machines.map(async machine => await ask(machine).catch(describeError)));
  const answers = asked.filter(answer => typeof answer !== 'string');
  const problems = asked.flatMap((answer, index) => {
    const machine = machines[index];
    return typeof answer === 'string' && machine !== undefined ? [silent(machine, answer)] : [];
  });
  problems.push(...answers.flatMap(answer => problemsOf(answer, machines)));
  const clusters = Map.groupBy(answers, ({ cluster, members }) => `${cluster} ${idsOf(members)}`);
  const alone = answers.some(({ members }) => members.length === 1);
  if (clusters.size > 1 && !alone) problems.push(split([...clusters.values()]));
  const [first] = answers;
  const warnings = answers.flatMap(warningsOf);
  if (first !== undefined && problems.length === 0) warnings.push(...(await leaseWarning(first.machine)));
  return { machines: asked.map((answer, index) => line(machines[index], answer)), problems, warnings };
}

async function ask(machine: Machine): Promise<Answer> {
  const list = memberList.parse(await post(machine, 'cluster/member/list'));
  const trips: number[] = [];
  let said: z.output<typeof status> | undefined;
  for (let i = 0; i < 5; i++) {
    const from = performance.now();
    said = status.parse(await post(machine, 'maintenance/status'));
    trips.push(performance.now() - from);
  }
  if (said === undefined) throw new Error('its answer lacks the status');
  trips.sort((a, b) => a - b);
  return {
    machine,
    cluster: list.header.cluster_id,
    members: list.members,
    status: said,
    trip: trips[2] ?? 0,
  };
}

async function post(machine: Machine, path: string, body: unknown = {}): Promise<unknown> {
  const response = await fetch(`${clientUrl(machine)}/v3/${path}`, {
    method: 'POST',
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(answerWithin),
  });
  if (!response.ok) throw new Error(`it answers ${response.status}: is that etcd, 3.4 or newer?`);
  return await response.json();
}

function silent({ name, ip, port }: Machine, reason: string): string {
  const why = /ECONNREFUSED/.test(reason) ? 'the connection is refused' : reason;
  return `${name}: no etcd answers at ${ip} port ${port} (${why}); start it there ("systemctl start etcd"; "journalctl -u etcd" says why it does not start), and let the port through the firewall`;
}

function problemsOf({ machine, members, status }: Answer, machines: readonly Machine[]): string[] {
  const { name } = machine;
  if (members.length === 1) {
    return [
      `${name}: its etcd is a separate cluster, because it was started before it was configured: put etcd.env at /etc/default/etcd there, then "systemctl restart etcd"`,
    ];
  }
  const problems: string[] = [];
  const wanted = new Set(machines.map(peerUrl));
  const found = new Set(members.flatMap(({ peerURLs }) => peerURLs));
  const missing = [...wanted].filter(url => !found.has(url));
  const foreign = [...found].filter(url => !wanted.has(url));
  if (missing.length > 0 || foreign.length > 0) {
    const parts = [
      ...(missing.length > 0 ? [`lacks ${missing.join(', ')}`] : []),
      ...(foreign.length > 0 ? [`also has ${foreign.join(', ')}`] : []),
    ];
    problems.push(`${name}: its etcd has other members than you gave: it ${parts.join(' and ')}`);
  }
  if (status.leader === '0')
    problems.push(`${name}: its etcd has no leader: no majority of the members is connected`);
  for (const error of status.errors.filter(text => !/no leader/.test(text)))
    problems.push(alarm(name, error));
  // All members name each member that ran out of space.
  return [...new Set(problems)];
}

function alarm(name: string, error: string): string {
  return /NOSPACE/.test(error)
    ? `${name}: its etcd is out of space and accepts no changes: compact and defragment it, then "etcdctl alarm disarm"`
    : `${name}: its etcd reports ${error}`;
}

function split(clusters: readonly (readonly Answer[])[]): string {
  const parts = clusters.map(answers => answers.map(({ machine }) => machine.name).join(' and '));
  return `these are ${clusters.length} clusters, not one: ${parts.join('; ')}. No Weldr can lead with them. On each machine, stop etcd, move /var/lib/etcd/weldr away, and start etcd with the settings of a single "weldr cluster init"`;
}

function warningsOf({ machine, status, trip }: Answer): string[] {
  const warnings: string[] = [];
  const [, minor = '', patch = ''] = /^(3\.[45])\.(\d+)/.exec(status.version) ?? [];
  const from = minor === '3.4' || minor === '3.5' ? faultless[minor] : 0;
  if (patch !== '' && Number(patch) < from) {
    warnings.push(
      `${machine.name}: etcd ${status.version} may revoke leases that were renewed, when its leader hangs for seconds; ${minor}.${from} does not`,
    );
  }
  if (trip > slowTrip) {
    warnings.push(
      `${machine.name}: a round trip takes ${Math.round(trip)} ms from here; a Weldr that far away needs a longer lease, such as etcd({ lease: '3s' })`,
    );
  }
  return warnings;
}

/** The shortest lease that etcd grants is 1.5 times its election timeout, in whole seconds. */
async function leaseWarning(machine: Machine): Promise<string[]> {
  try {
    const { ID, TTL } = grant.parse(await post(machine, 'lease/grant', { TTL: 1 }));
    await post(machine, 'lease/revoke', { ID });
    return TTL === '1'
      ? []
      : [
          `etcd grants no lease below ${TTL} s because its election timeout is long: ETCD_HEARTBEAT_INTERVAL=50 and ETCD_ELECTION_TIMEOUT=500 make a fail-over a second faster`,
        ];
  } catch (thrown) {
    return [`etcd grants no lease (${describeError(thrown)})`];
  }
}

function idsOf(members: Answer['members']): string {
  return members
    .map(({ ID }) => ID)
    .sort()
    .join(' ');
}

function line(machine: Machine | undefined, answer: Answer | string): string {
  const where = `${machine?.name ?? '?'}  ${machine?.ip ?? '?'}`;
  if (typeof answer === 'string') return `${where}  does not answer`;
  const { status, members, trip } = answer;
  return `${where}  etcd ${status.version}, ${members.length} members, ${trip.toFixed(1)} ms away`;
}
