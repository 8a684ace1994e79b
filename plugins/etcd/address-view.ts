// Who holds the service address, as one node can tell it.
import type { NodeReport } from './membership.ts';

/** As `GET /cluster` has it. */
export interface AddressView {
  readonly held: boolean;
  readonly by: string | null;
  /** Why nobody does. */
  readonly reason?: string;
}

/** What a node knows. */
export interface AddressKnowledge {
  readonly nodeName: string;
  /** Its own addresses; undefined: it keeps none. */
  readonly own: NodeReport['address'];
  readonly leader: string | undefined;
  /** Why nobody leads. */
  readonly whyNobody: string | undefined;
  /** What the nodes said last. */
  readonly nodes: readonly Pick<NodeReport, 'node' | 'address' | 'revision'>[];
}

/** Undefined: no node keeps one, or the leader is of an earlier version, which does not say. */
export function addressView({
  nodeName,
  own,
  leader,
  whyNobody,
  nodes,
}: AddressKnowledge): AddressView | undefined {
  if (own?.held) return { held: true, by: nodeName };
  if (own === undefined && nodes.every(({ address }) => address === undefined)) return undefined;
  if (leader === undefined) return { held: false, by: null, reason: whyNobody ?? 'nobody leads' };
  // What a node reported before it was cut off does not count.
  const report = nodes.find(({ node }) => node === leader);
  const told = leader === nodeName ? own : report?.address;
  if (told?.held === true) return { held: true, by: leader };
  const isSilent = leader !== nodeName && report !== undefined && report.revision === undefined;
  if (isSilent) return undefined;
  const reason =
    told === undefined
      ? `${leader} leads, and keeps no address`
      : (told.reason ?? `${leader} leads, and does not hold it yet`);
  return { held: false, by: null, reason };
}
