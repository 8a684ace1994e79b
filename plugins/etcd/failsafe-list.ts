// FailsafeList: who may stand, as the leader wrote it in etcd: itself, and the members without whose promises it does
// not go on when etcd is away. Everybody else has to wait until the leader has put them on the list.
import type { IKeyValue } from 'etcd3';
import { z } from 'zod';

/** The longest promise, ms: a node that has just started may have made one before. */
export const longestPromise = 5000;

const listValue = z.looseObject({
  leader: z.string(),
  members: z.array(z.looseObject({ node: z.string(), address: z.string() })).max(64),
});

/** A member, and where it is asked. */
export interface FailsafeMember {
  readonly node: string;
  /** `HOST:PORT`. */
  readonly address: string;
}

/** What the key says. */
export interface FailsafeList {
  readonly leader: string;
  readonly members: readonly FailsafeMember[];
}

/** The key as read. */
export interface SeenFailsafeList {
  /** The revision that it was last written at; 0: there is none. */
  readonly mod: number;
  readonly list: FailsafeList | undefined;
}

/** What the key is; undefined: there is none. */
export function seenFailsafeList(kv: IKeyValue | undefined): SeenFailsafeList {
  return { mod: Number(kv?.mod_revision ?? 0), list: readFailsafeList(kv?.value) };
}

/** Reads the key's value. One that cannot be read lets nobody stand but its leader, who is nobody. */
export function readFailsafeList(value: Buffer | undefined): FailsafeList | undefined {
  if (value === undefined) return undefined;
  try {
    const { leader, members } = listValue.parse(JSON.parse(value.toString()));
    return { leader, members: members.map(({ node, address }) => ({ node, address })) };
  } catch {
    return { leader: '', members: [{ node: '', address: '' }] };
  }
}

/** What a list says of one node. */
export type Standing = 'may stand' | 'may stand after a while' | 'not listed';

/** May this node stand? After a while: when it was started so lately that it may have forgotten a promise. */
export function standingOf(node: string, list: FailsafeList | undefined): Standing {
  if (list === undefined || list.leader === node || list.members.length === 0) return 'may stand';
  return list.members.some(member => member.node === node) ? 'may stand after a while' : 'not listed';
}
