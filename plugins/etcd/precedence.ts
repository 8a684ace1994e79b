// Precedence: decides which node takes a free leadership first. No node is kept from it for long: the others wait for a moment, in which the
// better one can take it.
import type { Candidacy } from './board.ts';
import { gains } from './pool-reach.ts';

/** A candidate and its name. */
export type NamedCandidacy = readonly [name: string, candidacy: Candidacy];

/** What a node knows when a leadership is free. */
export interface FreeLeadership {
  readonly nodeName: string;
  readonly own: Candidacy;
  readonly others: Iterable<NamedCandidacy>;
  /** The last leader, which let go or died; undefined: unknown. */
  readonly last: string | undefined;
  /** The node that an operator or the previous leader has chosen. */
  readonly chosen: string | undefined;
}

/** How long a node waits for a better one, ms. */
export const behindAnother = 150;
/** How long the others wait for the chosen one, ms. */
export const behindChosen = 1000;

/** Returns how long this node leaves a free leadership to others, ms. */
export function standBack({ nodeName, own, others, last, chosen }: FreeLeadership): number {
  if (chosen === nodeName) return 0;
  const fit = [...others].filter(
    ([name, { unfit }]) => name !== nodeName && name !== last && unfit === undefined,
  );
  if (chosen !== undefined && fit.some(([name]) => name === chosen)) return behindChosen;
  return fit.some(([, other]) => isBefore(other, own)) ? behindAnother : 0;
}

/** Returns the candidates, best first: by the pools that they reach, then by priority. */
export function bestFirst(candidates: readonly NamedCandidacy[]): NamedCandidacy[] {
  return candidates.toSorted(([, a], [, b]) => Number(isBefore(b, a)) - Number(isBefore(a, b)));
}

function isBefore(a: Candidacy, b: Candidacy): boolean {
  if (gains(b, a).length > 0) return true;
  return a.priority > b.priority && gains(a, b).length === 0;
}
