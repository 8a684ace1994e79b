// EtcdMembers: asks each member of etcd whether it is healthy and leads, and describes what is wrong with etcd as a whole.
import { type EtcdClient, type EtcdMember, plainReason, revisionOf } from './client.ts';
import { failureOf } from './etcd-failure.ts';

/** One member of etcd. */
export interface EtcdMemberState {
  readonly host: string;
  readonly healthy: boolean;
  /** Whether it is etcd's own leader. */
  readonly leader: boolean;
  readonly version?: string;
  readonly revision?: number;
  readonly databaseBytes?: number;
  /** What is wrong; undefined: nothing. */
  readonly reason?: string;
  /** Whether it answered. */
  readonly answers: boolean;
}

/** How long each may take, ms. */
const patience = 1000;

/** Asks all members at once; resolves with their states in the order of their hosts. */
export async function askMembers(client: EtcdClient): Promise<readonly EtcdMemberState[]> {
  const members = await Promise.all(client.inOrder().map(member => askMember(client, member)));
  return members.sort((a, b) => (a.host < b.host ? -1 : 1));
}

async function askMember(client: EtcdClient, member: EtcdMember): Promise<EtcdMemberState> {
  const { host } = member;
  try {
    const status = await client.callMember(
      member,
      (etcd, options) => etcd.maintenance.status(options),
      patience,
    );
    // Every member names each member that ran out of space, so a reason may occur several times.
    const alarms = new Set(status.errors.map(inWords));
    const reasons = [...(status.leader === '0' ? ['it knows no leader'] : []), ...alarms];
    return {
      host,
      healthy: reasons.length === 0,
      leader: status.leader === status.header.member_id,
      version: status.version,
      revision: revisionOf(status.header),
      databaseBytes: Number(status.dbSize),
      ...(reasons.length > 0 && { reason: reasons.join('; ') }),
      answers: true,
    };
  } catch (thrown) {
    return { host, healthy: false, leader: false, reason: plainReason(thrown), answers: false };
  }
}

/** Returns an alarm, which etcd writes as `memberID:… alarm:NOSPACE `, in an operator's words. */
function inWords(error: string): string {
  const [, alarm] = /alarm:([A-Z]+)/.exec(error) ?? [];
  if (alarm === 'NOSPACE') return failureOf('database space exceeded').text;
  if (alarm === 'CORRUPT') return failureOf('corrupt cluster').text;
  return error.trim();
}

/** Returns what is wrong with etcd as a whole; undefined: a majority is healthy. */
export function troubleOf(members: readonly EtcdMemberState[]): string | undefined {
  const silent = members.filter(({ answers }) => !answers);
  if (2 * silent.length >= members.length && silent.length > 0) {
    const who = listOf(silent.map(({ host }) => shortHost(host)));
    const reasons = new Set(silent.map(({ reason }) => reason));
    const why =
      reasons.size === 1
        ? [...reasons][0]
        : silent.map(({ host, reason }) => `${shortHost(host)}: ${reason}`).join('; ');
    return `etcd has no majority: ${who} ${silent.length === 1 ? 'does' : 'do'} not answer (${why})`;
  }
  const alarm = alarmOf(members);
  if (alarm !== undefined) return alarm;
  const answering = members.filter(({ answers }) => answers);
  if (answering.every(({ reason }) => reason === 'it knows no leader')) {
    return 'etcd has no leader: its members answer, but do not reach each other (port 2380)';
  }
  return undefined;
}

/** Returns the alarm because of which etcd accepts no changes; undefined: there is none. */
export function alarmOf(members: readonly EtcdMemberState[]): string | undefined {
  return members.find(({ reason }) => reason?.includes(' alarm)'))?.reason;
}

/** `a`, `a and b`, `a, b and c`. */
export function listOf(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}

/** Returns host and port, without the scheme. */
export function shortHost(host: string): string {
  return host.replace(/^https?:\/\//i, '');
}
