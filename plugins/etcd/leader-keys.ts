// LeaderKeys: the two keys of the election in etcd: the leader, held by a lease, and how the previous leadership ended.
import type { IKeyValue } from 'etcd3';
import { z } from 'zod';
import { type CallLimits, type EtcdClient, revisionOf } from './client.ts';
import type { ElectionTimes } from './election-times.ts';
import { type SeenFailsafeList, seenFailsafeList } from './failsafe-list.ts';
import type { ClusterKeys } from './keys.ts';
import { type GrantedLease, leaseLives } from './leases.ts';

/** The `schema` that this version writes. */
const schema = 1;

const leaderValue = z.looseObject({ node: z.string(), since: z.number() });
const lastLeaderValue = z.looseObject({
  released: z.boolean(),
  holdOff: z.number().min(0).default(0),
  lease: z.number().min(0).default(0),
  leaseId: z.string().optional(),
});
const anyVersion = z.looseObject({ schema: z.number() });

/** The key `leader` as it was read. */
export interface SeenLeader {
  /** The leader; undefined: the value is unreadable. */
  readonly node: string | undefined;
  /** When it won, ms since the epoch. */
  readonly since: number;
  /** The revision at which it was created. */
  readonly created: number;
  /** The revision at which it was last written. */
  readonly mod: number;
  /** The id of its lease; `0`: none. */
  readonly lease: string;
  /** Whether it was written by a later version of Weldr. */
  readonly isNewer: boolean;
}

/** How the previous leadership ended. */
export interface LastLeadership {
  /** The current leadership; undefined: it is free. */
  readonly leader: SeenLeader | undefined;
  /** The mod revision of `last-leader`: the next winner must have seen the same. */
  readonly lastMod: number;
  readonly released: boolean;
  /** The hold-off in the last leader's config, ms. */
  readonly holdOff: number;
  /** The lease that etcd granted the last leader, ms; 0: unknown. */
  readonly lease: number;
  /** The id of that lease; undefined: unknown. */
  readonly leaseId: string | undefined;
  /** Whether `last-leader` exists with an unreadable value. */
  readonly isDamaged: boolean;
  /** The nodes that may stand with failsafe: the next winner must have seen the same. */
  readonly failsafe: SeenFailsafeList;
}

/** The contents of the key `last-leader`. */
export type LeadershipEnd = Omit<LastLeadership, 'leader' | 'failsafe'>;

/** The keys at one revision of etcd. */
export interface LeadershipLook extends LastLeadership {
  readonly revision: number;
}

/** What the keys record of a new leadership. */
export interface Taking {
  readonly since: number;
  readonly times: ElectionTimes;
  readonly usesFailsafe: boolean;
}

/** The keys of one cluster, as one node writes them. */
export class LeaderKeys {
  private readonly client: EtcdClient;
  private readonly keys: ClusterKeys;
  private readonly nodeName: string;

  constructor(client: EtcdClient, keys: ClusterKeys, nodeName: string) {
    this.client = client;
    this.keys = keys;
    this.nodeName = nodeName;
  }

  /** Reads which node leads and how the previous leadership ended, confirmed by etcd's majority. */
  async look(limits?: CallLimits): Promise<LeadershipLook> {
    const { leader, lastLeader, failsafeList } = this.keys;
    const reads = [leader, lastLeader, failsafeList].map(key => ({
      request_range: { key: Buffer.from(key) },
    }));
    const answer = await this.client.call(
      async (etcd, options) => await etcd.kv.txn({ success: reads }, options),
      limits,
    );
    const [held, last, list] = answer.responses.map(response => response.response_range.kvs[0]);
    return {
      leader: held && seenLeader(held),
      ...lastLeadership(last),
      failsafe: seenFailsafeList(list),
      revision: revisionOf(answer.header),
    };
  }

  /**
   * Returns how long the next winner has to wait until the previous leader is out, ms; `own`: the times of this node. If the lease
   * still lives, the key was deleted by hand, and its leader may not know yet.
   */
  async waitAfter(
    { released, holdOff, lease, leaseId, isDamaged }: LastLeadership,
    own: ElectionTimes & { readonly granted: number },
  ): Promise<number> {
    if (released) return 0;
    const usual = Math.max(own.holdOff, holdOff);
    if (isDamaged) return usual + own.granted;
    return leaseId !== undefined && (await leaseLives(this.client, leaseId)) ? usual + lease : usual;
  }

  /**
   * Takes the leadership if no node has it and `seen` still holds; resolves with its revision, and the term of Raft in which it was
   * taken. Undefined: another node was faster, or the list of failsafe has changed.
   */
  async take(
    seen: LastLeadership,
    lease: GrantedLease,
    { since, times, usesFailsafe }: Taking,
  ): Promise<{ readonly revision: number; readonly term: string } | undefined> {
    const node = this.nodeName;
    const { leader, lastLeader, failsafeList } = this.keys;
    // After a leader without failsafe any node may stand.
    const endsList = !usesFailsafe && seen.failsafe.mod > 0;
    const answer = await this.client.call(
      async (etcd, options) =>
        await etcd.kv.txn(
          {
            compare: [
              createdAt(leader, 0),
              writtenAt(lastLeader, seen.lastMod),
              writtenAt(failsafeList, seen.failsafe.mod),
            ],
            success: [
              put(leader, { node, since, times }, lease.id),
              put(lastLeader, {
                node,
                released: false,
                holdOff: times.holdOff,
                lease: lease.ttl,
                leaseId: lease.id,
              }),
              ...(endsList ? [{ request_delete_range: { key: Buffer.from(failsafeList) } }] : []),
            ],
          },
          options,
        ),
    );
    const { header } = answer;
    return answer.succeeded ? { revision: revisionOf(header), term: header.raft_term } : undefined;
  }

  /** Gives up the leadership with this create revision; `released`: the next leader need not wait. */
  async giveUp(revision: number, released: boolean, limits: CallLimits): Promise<void> {
    const { leader, lastLeader } = this.keys;
    await this.client.call(
      async (etcd, options) =>
        await etcd.kv.txn(
          {
            compare: [createdAt(leader, revision)],
            success: [
              { request_delete_range: { key: Buffer.from(leader) } },
              ...(released ? [put(lastLeader, { node: this.nodeName, released: true })] : []),
            ],
          },
          options,
        ),
      limits,
    );
  }

  /**
   * Removes a leadership that no node has, if both keys are still as `seen`; the next winner waits for `holdOff` ms before it
   * acts. Resolves with false when they have changed.
   */
  async clear({ leader: seen, lastMod }: LastLeadership, holdOff: number): Promise<boolean> {
    const { leader, lastLeader } = this.keys;
    const answer = await this.client.call(
      async (etcd, options) =>
        await etcd.kv.txn(
          {
            compare: [writtenAt(leader, seen?.mod ?? 0), writtenAt(lastLeader, lastMod)],
            success: [
              { request_delete_range: { key: Buffer.from(leader) } },
              put(lastLeader, { node: this.nodeName, released: false, holdOff }),
            ],
          },
          options,
        ),
    );
    return answer.succeeded;
  }
}

/** Returns what the key `last-leader` says; `last`: undefined if it does not exist. */
export function lastLeadership(last: IKeyValue | undefined): LeadershipEnd {
  const { data } = lastLeaderValue.safeParse(json(last?.value));
  return {
    lastMod: Number(last?.mod_revision ?? 0),
    released: data?.released ?? false,
    holdOff: data?.holdOff ?? 0,
    lease: data?.lease ?? 0,
    leaseId: data?.leaseId,
    isDamaged: last !== undefined && data === undefined,
  };
}

/** Returns what the key `leader` says. */
export function seenLeader({ value, create_revision, mod_revision, lease }: IKeyValue): SeenLeader {
  const content = json(value);
  const { data } = leaderValue.safeParse(content);
  return {
    node: data?.node,
    since: data?.since ?? 0,
    created: Number(create_revision),
    mod: Number(mod_revision),
    lease,
    isNewer: (anyVersion.safeParse(content).data?.schema ?? 0) > schema,
  };
}

function put(key: string, value: object, lease?: string) {
  return {
    request_put: {
      key: Buffer.from(key),
      value: Buffer.from(JSON.stringify({ schema, ...value })),
      ...(lease !== undefined && { lease }),
    },
  };
}

function createdAt(key: string, revision: number) {
  return {
    key: Buffer.from(key),
    target: 'Create' as const,
    result: 'Equal' as const,
    create_revision: revision,
  };
}

function writtenAt(key: string, revision: number) {
  return { key: Buffer.from(key), target: 'Mod' as const, result: 'Equal' as const, mod_revision: revision };
}

function json(value: Buffer | undefined): unknown {
  try {
    return JSON.parse(value?.toString() ?? 'null');
  } catch {
    return undefined;
  }
}
