// FailsafeList: the nodes that may stand, as the leader wrote them into etcd: itself, and the members without whose promises it does
// not continue while etcd is away. Every other node waits until the leader has put it on the list.
import type { IKeyValue } from 'etcd3';
import { z } from 'zod';

/** The longest promise, ms. A node that has just started may have made one before. */
export const longestPromise = 5000;

const listValue = z.looseObject({
  leader: z.string(),
  members: z.array(z.looseObject({ node: z.string(), address: z.string() })).max(64),
});

/** A member, and the address where it is asked. */
export interface FailsafeMember {
  readonly node: string;
  /** `HOST:PORT`. */
  readonly address: string;
}

/** The value of the key. */
export interface FailsafeList {
  readonly leader: string;
  readonly members: readonly FailsafeMember[];
}

/** The key as it was read. */
export interface SeenFailsafeList {
  /** The revision at which it was last written; 0: the key does not exist. */
  readonly mod: number;
  readonly list: FailsafeList | undefined;
}

/** Returns the key as it was read; `kv`: undefined if it does not exist. */
export function seenFailsafeList(kv: IKeyValue | undefined): SeenFailsafeList {
  return { mod: Number(kv?.mod_revision ?? 0), list: readFailsafeList(kv?.value) };
}

/** Returns the parsed value. An unreadable one yields a list that lets no node stand. */
export function readFailsafeList(value: Buffer | undefined): FailsafeList | undefined {
  if (value === undefined) return undefined;
  try {
    const { leader, members } = listValue.parse(JSON.parse(value.toString()));
    return { leader, members: members.map(({ node, address }) => ({ node, address })) };
  } catch {
    return { leader: '', members: [{ node: '', address: '' }] };
  }
}

/** What a list means for one node. */
export type Standing = 'may stand' | 'may stand after a while' | 'not listed';

/** Returns whether this node may stand. `may stand after a while`: a process that has just started may have forgotten a promise. */
export function standingOf(node: string, list: FailsafeList | undefined): Standing {
  if (list === undefined || list.leader === node || list.members.length === 0) return 'may stand';
  return list.members.some(member => member.node === node) ? 'may stand after a while' : 'not listed';
}
