// EtcdIdentity: are the hosts of the config members of one etcd? Where each was set up alone, each is a majority of its
// own, elects a leader and knows nothing of the others: then nobody may lead.
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../core/time/clock.ts';
import { type EtcdClient, type EtcdMember, revisionOf } from './client.ts';
import { listOf, shortHost } from './etcd-members.ts';
import type { ClusterKeys } from './keys.ts';

/** From one look to the next, and to the one after a look that found something, ms. */
const lookEvery = 5000;
const lookAgainAfter = 1000;
/** How long each host may take, ms. */
const patience = 1000;

/** What one host says of the cluster that it belongs to. */
export interface HostView {
  readonly host: string;
  readonly clusterId: string;
  /** The member that answered. */
  readonly memberId: string;
  readonly members: readonly MemberView[];
  /** The random text under `cluster-identity`, as this host has it; undefined: it has none. */
  readonly identity: string | undefined;
  /** The revision that the identity was written at; 0: it has none. */
  readonly identityRevision: number;
  /** Up to where this host has etcd's history. */
  readonly revision: number;
}

/** A member of etcd as the member list has it. */
export interface MemberView {
  readonly id: string;
  readonly name: string;
  readonly clientUrls: readonly string[];
  readonly isLearner: boolean;
}

/** What follows from the views. */
export interface IdentityFinding {
  /** Why nobody may lead by this etcd. */
  readonly problem: string | undefined;
  /** What works, and is surely not meant. */
  readonly warnings: readonly string[];
}

/** What it works with. */
export interface EtcdIdentityOptions {
  readonly client: EtcdClient;
  readonly keys: ClusterKeys;
  readonly clock: Clock;
  /** Is told when what was found has changed. */
  changed(): void;
}

const notLooked = 'etcd was not looked at yet';

/** What this node finds, looked at until closed. */
export class EtcdIdentity {
  private readonly options: EtcdIdentityOptions;
  private readonly cancel: () => void;
  private nextLook = 0;
  private busy = false;
  private wasLooked = false;
  private isWritten = false;
  /** Of the last look. */
  private suspicion: string | undefined;
  /** Of two looks in a row: members that come and go make the hosts differ for a moment. */
  private confirmed: string | undefined;
  private warned: readonly string[] = [];

  constructor(options: EtcdIdentityOptions) {
    this.options = options;
    this.cancel = options.clock.every(lookAgainAfter, () => void this.look());
    void this.look();
  }

  /** Why nobody may lead by this etcd; undefined: nothing is known against it. */
  get problem(): string | undefined {
    return this.confirmed;
  }

  get warnings(): readonly string[] {
    return this.warned;
  }

  /** Was etcd looked at, so that what is known of it counts? */
  get isKnown(): boolean {
    return this.wasLooked;
  }

  /** Why this node does not lead; one that does goes on until it is certain. */
  objection(leads: boolean): string | undefined {
    if (!this.wasLooked && !leads) return notLooked;
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
      const isQuiet = this.suspicion === undefined && this.wasLooked;
      this.nextLook = clock.monotonic() + (isQuiet ? lookEvery : lookAgainAfter) - 1;
    }
  }

  private take({ problem, warnings }: IdentityFinding): void {
    const before = JSON.stringify([this.wasLooked, this.confirmed, this.warned]);
    this.wasLooked = true;
    this.confirmed = problem !== undefined && this.suspicion !== undefined ? problem : undefined;
    this.suspicion = problem;
    this.warned = warnings;
    if (JSON.stringify([true, this.confirmed, this.warned]) !== before) this.options.changed();
  }

  /** Gives the cluster a name that no other has, unless it has one. Without it the rest is compared all the same. */
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
      // Tried again with the next look.
    }
  }

  /** Undefined: it does not answer, which says nothing. */
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

/** Do these hosts, of all that the config names, belong to one etcd, and is it made well? */
export function compareHosts(views: readonly HostView[], hosts: readonly string[]): IdentityFinding {
  const [first] = views;
  if (first === undefined) return { problem: undefined, warnings: [] };
  const problem = splitOf(views) ?? remnantOf(first, hosts.length - twins(views).length);
  return { problem, warnings: problem === undefined ? warningsOf(views, first, hosts) : [] };
}

const remedy =
  'stop etcd everywhere but where the data is to be kept, remove what the others have (Debian: /var/lib/etcd/default), set' +
  ' ETCD_INITIAL_CLUSTER alike, and start them (docs/cluster.md)';

/** How the hosts tell that they are not of one etcd; undefined: they do not. */
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
    return `the hosts are not members of one etcd: ${parts.join('; ')}. Nobody leads: ${remedy}`;
  }
  const strangers = views.filter(view => views.some(other => isStranger(view, other)));
  if (strangers.length === 0) return undefined;
  return `the hosts are not members of one etcd, though they have the same cluster id: what is written at one is not at the other (${hostsOf(views)}). Nobody leads: ${remedy}`;
}

/** Has a host another identity, or none although it is as far as the other, or is the same member? */
function isStranger(view: HostView, other: HostView): boolean {
  if (view.identity === other.identity || other.identity === undefined) return false;
  if (view.identity !== undefined) return true;
  return view.revision >= other.identityRevision || view.memberId === other.memberId;
}

/** An etcd of which the config names twice as many members as it has is what is left of one, or one that never met them. */
function remnantOf({ members, host }: HostView, hostCount: number): string | undefined {
  if (2 * members.length > hostCount || hostCount < 2) return undefined;
  const count = members.length === 1 ? 'one member' : `${members.length} members`;
  return `etcd at ${shortHost(host)} has ${count}, and \`hosts\` names ${hostCount}: it may be one of several that do not know each other. Nobody leads: ${remedy}; or take what is no member out of \`hosts\``;
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
      `etcd has ${voters.length} members: an even number survives no more failures than one member less; add one`,
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
      `\`hosts\` does not name ${who}, of etcd's members: without the others this node is cut off`,
    );
  }
  return warnings;
}

/** Hosts that are a member which another host before them is. */
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

/** As etcdctl takes it. */
function hexOf(id: string): string {
  return BigInt.asUintN(64, BigInt(id)).toString(16);
}
