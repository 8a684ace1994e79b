// AddressView: which node holds the service address, as far as one node knows.
import type { NodeReport } from './membership.ts';

/** The field `address` of `GET /cluster`. */
export interface AddressView {
  readonly held: boolean;
  readonly by: string | null;
  /** Why no node holds it. */
  readonly reason?: string;
}

/** What a node knows. */
export interface AddressKnowledge {
  readonly nodeName: string;
  /** Its own addresses; undefined: it keeps none. */
  readonly own: NodeReport['address'];
  readonly leader: string | undefined;
  /** Why no node leads. */
  readonly whyNoLeader: string | undefined;
  /** The last reports of the nodes. */
  readonly nodes: readonly Pick<NodeReport, 'node' | 'address' | 'revision'>[];
}

/** Returns the view; undefined: no node keeps an address, or the leader is of an earlier version, which does not report it. */
export function addressView({
  nodeName,
  own,
  leader,
  whyNoLeader,
  nodes,
}: AddressKnowledge): AddressView | undefined {
  if (own?.held) return { held: true, by: nodeName };
  if (own === undefined && nodes.every(({ address }) => address === undefined)) return undefined;
  if (leader === undefined) return { held: false, by: null, reason: whyNoLeader ?? 'no node leads' };
  // What a node reported before it was cut off does not count.
  const report = nodes.find(({ node }) => node === leader);
  const address = leader === nodeName ? own : report?.address;
  if (address?.held === true) return { held: true, by: leader };
  const isSilent = leader !== nodeName && report !== undefined && report.revision === undefined;
  if (isSilent) return undefined;
  const reason =
    address === undefined
      ? `${leader} leads, but keeps no address`
      : (address.reason ?? `${leader} leads, but does not hold it yet`);
  return { held: false, by: null, reason };
}
