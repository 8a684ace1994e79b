// LeaderMove: moves etcd's own leader off a machine that may stop. After its leader's death etcd takes a second or two to elect
// another one; if it is asked beforehand, it takes a moment.
import { networkInterfaces } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { type EtcdClient, type EtcdMember, plainReason } from './client.ts';

/** How long one question to etcd, and the move as a whole, may take, ms: a stop waits for them. */
const within = 200;
/** How long to wait first for the next leader of the Weldrs, and how often to look for it, ms. */
const takenWithin = 500;
const lookEvery = 20;

/** What {@link moveLeaderAway} works with. */
export interface LeaderMove {
  readonly client: EtcdClient;
  /** The key that the leader of the Weldrs holds. */
  readonly leaderKey: string;
  readonly log: Logger;
  /** Returns whether a URL leads to this machine; default: its host is an address of an interface, or `localhost`. */
  isOwn?(host: string): boolean;
}

/**
 * Moves etcd's leadership to another member if the current one runs on this machine. Call it after this node has given up the
 * leadership. Never rejects.
 */
export async function moveLeaderAway({
  client,
  leaderKey,
  log,
  isOwn = isOfThisMachine,
}: LeaderMove): Promise<void> {
  const own = client.inOrder().find(({ host }) => isOwn(host));
  // A single member has no other to move to.
  if (own === undefined || client.hosts.length < 2) return;
  try {
    const status = await client.callMember(own, (etcd, options) => etcd.maintenance.status(options), within);
    if (status.leader !== status.header.member_id) return;
    // While its leader moves, etcd drops requests without an answer, including the one by which the next leader takes the leadership.
    await isTaken(client, own, leaderKey);
    const end = performance.now() + within;
    const ask = async <T>(attempt: Parameters<typeof client.callMember<T>>[1]): Promise<T> =>
      await client.callMember(own, attempt, Math.max(1, end - performance.now()));
    const { members } = await ask((etcd, options) => etcd.cluster.memberList({}, options));
    const target = members.find(({ ID, clientURLs }) => ID !== status.leader && !clientURLs.some(isOwn));
    if (target === undefined) return;
    await ask((etcd, options) => etcd.maintenance.moveLeader({ targetID: target.ID }, options));
    log.info(
      { from: own.host, to: target.name },
      "moved etcd's leader off this machine, as the leadership has moved",
    );
  } catch (thrown) {
    // With etcd's authentication on, only root may do this.
    log.debug({ host: own.host, reason: plainReason(thrown) }, "etcd's leader stays where it is");
  }
}

/** Resolves once a node has the leadership, or when none takes it in time. */
async function isTaken(client: EtcdClient, member: EtcdMember, leaderKey: string): Promise<void> {
  const key = Buffer.from(leaderKey);
  const end = performance.now() + takenWithin;
  while (performance.now() < end) {
    const { kvs } = await client.callMember(
      member,
      (etcd, options) => etcd.kv.range({ key }, options),
      within,
    );
    if (kvs.length > 0) return;
    await sleep(lookEvery);
  }
}

/** Returns whether the URL's host is an address of a network interface, or `localhost`. */
function isOfThisMachine(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '');
  if (host === 'localhost') return true;
  return Object.values(networkInterfaces()).some(list => list?.some(({ address }) => address === host));
}
