// Precedence: who takes a free leadership first. Nobody is kept from it for long: those behind wait a moment, that the
// one before them can.
import type { Candidacy } from './board.ts';
import { gains } from './pool-reach.ts';

/** A candidate by its name. */
export type NamedCandidacy = readonly [name: string, candidacy: Candidacy];

/** What a node knows when a leadership is free. */
export interface FreeLeadership {
  readonly nodeName: string;
  readonly own: Candidacy;
  readonly others: Iterable<NamedCandidacy>;
  /** Who led last: it let go, or is dead. Undefined: nobody is known to. */
  readonly last: string | undefined;
  /** Whom an operator, or the leader before, has chosen. */
  readonly chosen: string | undefined;
}

/** How long those behind a better one wait, ms. */
export const behindAnother = 150;
/** How long others wait for the one that was chosen, and who has led for anybody else, ms. */
export const behindChosen = 1000;

/** How long this node leaves a free leadership to others, ms. */
export function standBack({ nodeName, own, others, last, chosen }: FreeLeadership): number {
  if (chosen === nodeName) return 0;
  const fit = [...others].filter(
    ([name, { unfit }]) => name !== nodeName && name !== last && unfit === undefined,
  );
  if (chosen !== undefined && fit.some(([name]) => name === chosen)) return behindChosen;
  return fit.some(([, other]) => isBefore(other, own)) ? behindAnother : 0;
}

/** The one that should lead first: by the pools that they reach, then by priority. */
export function bestFirst(candidates: readonly NamedCandidacy[]): NamedCandidacy[] {
  return candidates.toSorted(([, a], [, b]) => Number(isBefore(b, a)) - Number(isBefore(a, b)));
}

function isBefore(a: Candidacy, b: Candidacy): boolean {
  if (gains(b, a).length > 0) return true;
  return a.priority > b.priority && gains(a, b).length === 0;
}
