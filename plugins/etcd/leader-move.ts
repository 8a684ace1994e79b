// Moving etcd's own leader off a machine that stops: etcd elects another one within a second or two after its leader died, and
// in a moment when it is asked to before.
import { networkInterfaces } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { type EtcdClient, type EtcdMember, plainReason } from './client.ts';

/** How long the move may take, ms: a stop does not wait for more. */
const within = 200;
/** How long the next leader of the Weldrs is waited for before, ms, and how often it is looked for. */
const takenWithin = 500;
const lookEvery = 20;

/** What is moved, and from where. */
export interface LeaderMove {
  readonly client: EtcdClient;
  /** The key that the Weldr has which leads. */
  readonly leaderKey: string;
  readonly log: Logger;
  /** Is this URL one of this machine? */
  isOwn?(host: string): boolean;
}

/**
 * Has etcd be led by another member, when the one that leads it runs on this machine. Call it after this node has given up
 * the leadership. Never rejects.
 */
export async function moveLeaderAway({
  client,
  leaderKey,
  log,
  isOwn = isOfThisMachine,
}: LeaderMove): Promise<void> {
  const own = client.inOrder().find(({ host }) => isOwn(host));
  // A single member leads itself: there has to be another one.
  if (own === undefined || client.hosts.length < 2) return;
  try {
    const status = await client.callMember(own, (etcd, options) => etcd.maintenance.status(options), within);
    if (status.leader !== status.header.member_id) return;
    // While its leader moves etcd drops what it is asked for without an answer: the next leader's taking, too.
    await isTaken(client, own, leaderKey);
    const end = performance.now() + within;
    const ask = async <T>(attempt: Parameters<typeof client.callMember<T>>[1]): Promise<T> =>
      await client.callMember(own, attempt, Math.max(1, end - performance.now()));
    const { members } = await ask((etcd, options) => etcd.cluster.memberList({}, options));
    const target = members.find(({ ID, clientURLs }) => ID !== status.leader && !clientURLs.some(isOwn));
    if (target === undefined) return;
    await ask((etcd, options) => etcd.maintenance.moveLeader({ targetID: target.ID }, options));
    log.info({ from: own.host, to: target.name }, "moved etcd's leader off this machine, as Weldr stops");
  } catch (thrown) {
    // With etcd's authentication on only root may.
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

/** Is it of an address of a network interface, or of this machine by another name? */
function isOfThisMachine(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '');
  if (host === 'localhost') return true;
  return Object.values(networkInterfaces()).some(list => list?.some(({ address }) => address === host));
}
