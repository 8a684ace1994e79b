// EtcdIdentity: checks that the hosts of the config are members of one etcd. If each was set up alone, each has its own majority and
// elects a leader without knowing the others: then no node may lead.
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../core/time/clock.ts';
import { type EtcdClient, type EtcdMember, revisionOf } from './client.ts';
import { listOf, shortHost } from './etcd-members.ts';
import type { ClusterKeys } from './keys.ts';

/** The interval between checks, and the one after a check that found something, ms. */
const lookEvery = 5000;
const lookAgainAfter = 1000;
/** How long each host may take, ms. */
const patience = 1000;

/** One host's view of the cluster that it belongs to. */
export interface HostView {
  readonly host: string;
  readonly clusterId: string;
  /** The member that answered. */
  readonly memberId: string;
  readonly members: readonly MemberView[];
  /** The random text under `cluster-identity` at this host; undefined: none. */
  readonly identity: string | undefined;
  /** The revision at which the identity was written; 0: none. */
  readonly identityRevision: number;
  /** The revision up to which this host has etcd's history. */
  readonly revision: number;
}

/** An entry of etcd's member list. */
export interface MemberView {
  readonly id: string;
  readonly name: string;
  readonly clientUrls: readonly string[];
  readonly isLearner: boolean;
}

/** The result of comparing the views. */
export interface IdentityFinding {
  /** Why no node may lead by this etcd; undefined: nothing is known against it. */
  readonly problem: string | undefined;
  /** What works, but is probably not intended. */
  readonly warnings: readonly string[];
}

/** What an {@link EtcdIdentity} works with. */
export interface EtcdIdentityOptions {
  readonly client: EtcdClient;
  readonly keys: ClusterKeys;
  readonly clock: Clock;
  /** Called when the finding has changed. */
  changed(): void;
}

const notChecked = 'etcd has not been checked yet';

/** The finding of one node, kept up to date until `close`. */
export class EtcdIdentity {
  private readonly options: EtcdIdentityOptions;
  private readonly cancel: () => void;
  private nextLook = 0;
  private busy = false;
  private wasChecked = false;
  private isWritten = false;
  /** The problem that the last check found. */
  private suspicion: string | undefined;
  /** The problem that two checks in a row found: while members come and go, the hosts differ for a moment. */
  private confirmed: string | undefined;
  private warned: readonly string[] = [];

  constructor(options: EtcdIdentityOptions) {
    this.options = options;
    this.cancel = options.clock.every(lookAgainAfter, () => void this.look());
    void this.look();
  }

  /** Why no node may lead by this etcd; undefined: nothing is known against it. */
  get problem(): string | undefined {
    return this.confirmed;
  }

  get warnings(): readonly string[] {
    return this.warned;
  }

  /** Whether etcd has been checked, so that the finding counts. */
  get isKnown(): boolean {
    return this.wasChecked;
  }

  /** Returns why this node does not lead; a node that leads continues until that is certain. */
  objection(leads: boolean): string | undefined {
    if (!this.wasChecked && !leads) return notChecked;
    return leads ? this.confirmed : (this.confirmed ?? this.suspicion);
  }

  close(): void {
    this.cancel();
  }

  private async look(): Promise<void> {
    const { client, clock } = this.options;
    if (this.busy || clock.monotonic() < this.nextLook) return;
    this.busy = true;
    try {
      await this.writeOnce();
      const views = await Promise.all(client.inOrder().map(member => this.ask(member)));
      this.take(
        compareHosts(
          views.flatMap(view => view ?? []),
          client.hosts,
        ),
      );
    } finally {
      this.busy = false;
      const isQuiet = this.suspicion === undefined && this.wasChecked;
      this.nextLook = clock.monotonic() + (isQuiet ? lookEvery : lookAgainAfter) - 1;
    }
  }

  private take({ problem, warnings }: IdentityFinding): void {
    const before = JSON.stringify([this.wasChecked, this.confirmed, this.warned]);
    this.wasChecked = true;
    this.confirmed = problem !== undefined && this.suspicion !== undefined ? problem : undefined;
    this.suspicion = problem;
    this.warned = warnings;
    if (JSON.stringify([true, this.confirmed, this.warned]) !== before) this.options.changed();
  }

  /** Gives the cluster a unique name, unless it has one. If that fails, the rest is still compared. */
  private async writeOnce(): Promise<void> {
    if (this.isWritten) return;
    const { client, keys } = this.options;
    const key = Buffer.from(keys.clusterIdentity);
    try {
      await client.call(
        async (etcd, options) =>
          await etcd.kv.txn(
            {
              compare: [{ key, target: 'Create', result: 'Equal', create_revision: 0 }],
              success: [{ request_put: { key, value: Buffer.from(randomUUID()) } }],
            },
            options,
          ),
        { totalMs: patience, attemptMs: patience / 2 },
      );
      this.isWritten = true;
    } catch {
      // The next check tries again.
    }
  }

  /** Resolves with a host's view; undefined: it does not answer, which proves nothing. */
  private async ask(member: EtcdMember): Promise<HostView | undefined> {
    const key = Buffer.from(this.options.keys.clusterIdentity);
    try {
      return await this.options.client.callMember(
        member,
        async (etcd, options) => {
          const [{ members }, held] = await Promise.all([
            etcd.cluster.memberList({}, options),
            etcd.kv.range({ key, serializable: true }, options),
          ]);
          const [kv] = held.kvs;
          return {
            host: member.host,
            clusterId: held.header.cluster_id,
            memberId: held.header.member_id,
            members: members.map(({ ID: id, name, clientURLs, isLearner }) => ({
              id,
              name,
              clientUrls: clientURLs,
              isLearner,
            })),
            identity: kv?.value.toString(),
            identityRevision: Number(kv?.create_revision ?? 0),
            revision: revisionOf(held.header),
          };
        },
        patience,
      );
    } catch {
      return undefined;
    }
  }
}

/** Returns whether these hosts, of all that the config names, belong to one etcd, and what is unusual about it. */
export function compareHosts(views: readonly HostView[], hosts: readonly string[]): IdentityFinding {
  const [first] = views;
  if (first === undefined) return { problem: undefined, warnings: [] };
  const problem = splitOf(views) ?? remnantOf(first, hosts.length - twins(views).length);
  return { problem, warnings: problem === undefined ? warningsOf(views, first, hosts) : [] };
}

const remedy =
  'stop etcd everywhere except where the data is to be kept, delete the data of the others (Debian: /var/lib/etcd/default), set' +
  ' the same ETCD_INITIAL_CLUSTER on all, and start them (docs/cluster.md)';

/** Returns how the hosts differ so that they cannot be one etcd; undefined: they do not. */
function splitOf(views: readonly HostView[]): string | undefined {
  const groups = new Map<string, HostView[]>();
  for (const view of views) {
    const key = `${view.clusterId} ${membersOf(view)}`;
    groups.set(key, [...(groups.get(key) ?? []), view]);
  }
  if (groups.size > 1) {
    const parts = [...groups.values()].map(group => {
      const names = group[0]?.members.map(({ id, name }) => name || id) ?? [];
      const said = names.length === 1 ? `only ${names[0]}` : listOf(names);
      return `${hostsOf(group)} ${group.length === 1 ? 'knows' : 'know'} ${said}`;
    });
    return `the hosts are not members of one etcd: ${parts.join('; ')}. No node leads: ${remedy}`;
  }
  const strangers = views.filter(view => views.some(other => isStranger(view, other)));
  if (strangers.length === 0) return undefined;
  return `the hosts are not members of one etcd, though they have the same cluster id: what is written at one is not at the other (${hostsOf(views)}). No node leads: ${remedy}`;
}

/**
 * Returns whether a host has another identity, or has none although it is the same member as the other host, or has reached the
 * revision of the other's identity.
 */
function isStranger(view: HostView, other: HostView): boolean {
  if (view.identity === other.identity || other.identity === undefined) return false;
  if (view.identity !== undefined) return true;
  return view.revision >= other.identityRevision || view.memberId === other.memberId;
}

/** Returns what is wrong when the config names at least twice as many members as etcd has: it may be a part of one. */
function remnantOf({ members, host }: HostView, hostCount: number): string | undefined {
  if (2 * members.length > hostCount || hostCount < 2) return undefined;
  const count = members.length === 1 ? 'one member' : `${members.length} members`;
  return `etcd at ${shortHost(host)} has ${count}, and \`hosts\` names ${hostCount}: it may be one of several that do not know each other. No node leads: ${remedy}; or remove from \`hosts\` what is not a member`;
}

function warningsOf(views: readonly HostView[], first: HostView, hosts: readonly string[]): string[] {
  const warnings: string[] = [];
  const { members } = first;
  const nameOf = (id: string): string => members.find(member => member.id === id)?.name || id;
  for (const { host, memberId } of twins(views)) {
    const other = views.find(view => view.memberId === memberId && view.host !== host);
    const same = hostsOf([other, { host }].flatMap(view => view ?? []));
    warnings.push(`\`hosts\` names one member of etcd twice: ${same} are both ${nameOf(memberId)}`);
  }
  const voters = members.filter(({ isLearner }) => !isLearner);
  if (voters.length % 2 === 0) {
    warnings.push(
      `etcd has ${voters.length} members, which survive no more failures than ${voters.length - 1}; add one`,
    );
  }
  for (const { name, id, isLearner } of members) {
    if (!isLearner) continue;
    warnings.push(
      `member ${name || id} of etcd is a learner: it does not count; \`etcdctl member promote ${hexOf(id)}\``,
    );
  }
  if (views.length < hosts.length) return warnings;
  const answered = new Set(views.map(({ memberId }) => memberId));
  const unnamed = members.filter(({ id }) => !answered.has(id));
  if (unnamed.length > 0) {
    const who = listOf(unnamed.map(({ name, id, clientUrls }) => clientUrls[0] ?? (name || id)));
    warnings.push(
      `\`hosts\` does not name ${who}: this node is cut off when the members of etcd that it names fail`,
    );
  }
  return warnings;
}

/** Returns the hosts that are the same member as an earlier one. */
function twins(views: readonly HostView[]): readonly HostView[] {
  return views.filter(({ memberId }, index) => views.findIndex(view => view.memberId === memberId) < index);
}

function membersOf({ members }: HostView): string {
  return members
    .map(({ id }) => id)
    .sort()
    .join(',');
}

function hostsOf(views: readonly { readonly host: string }[]): string {
  return listOf(views.map(({ host }) => shortHost(host)));
}

/** Returns the id as etcdctl takes it. */
function hexOf(id: string): string {
  return BigInt.asUintN(64, BigInt(id)).toString(16);
}
