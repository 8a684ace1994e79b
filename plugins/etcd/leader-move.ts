// Moving etcd's own leader off a machine that stops: etcd elects another one within a second or two after its leader died, and
// in a moment when it is asked to before.
import { networkInterfaces } from 'node:os';
import type { Logger } from 'pino';
import { type EtcdClient, plainReason } from './client.ts';

/** All of it together, ms: a stop does not wait for more. */
const within = 200;

/** Has etcd be led by another member, when the one that leads it runs on this machine. Never rejects. */
export async function moveLeaderAway(
  client: EtcdClient,
  log: Logger,
  isOwn: (host: string) => boolean = isOfThisMachine,
): Promise<void> {
  const own = client.inOrder().find(({ host }) => isOwn(host));
  // Who moves it must know that others are there: a single member leads itself.
  if (own === undefined || client.hosts.length < 2) return;
  const end = performance.now() + within;
  const ask = async <T>(attempt: Parameters<typeof client.callMember<T>>[1]): Promise<T> =>
    await client.callMember(own, attempt, Math.max(1, end - performance.now()));
  try {
    const status = await ask((etcd, options) => etcd.maintenance.status(options));
    if (status.leader !== status.header.member_id) return;
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

/** Is it of an address of a network interface, or of this machine by another name? */
function isOfThisMachine(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '');
  if (host === 'localhost') return true;
  return Object.values(networkInterfaces()).some(list => list?.some(({ address }) => address === host));
}
