// SourceGuard: keeps the last good list of a source when the next one names suspiciously few servers.
import { z } from 'zod';
import type { DiscoveredServers } from './discovery-source.ts';

/** The options of a guard, which discovery plugins include in their own. */
export const guardOptions = {
  minServers: z
    .number()
    .int()
    .min(1)
    .max(50_000)
    .default(1)
    .describe('A list of fewer servers does not replace a longer one.'),
  allowEmpty: z
    .boolean()
    .default(false)
    .describe('Whether the pool may lose all servers that were found for it.'),
  maxChange: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe('The share of its servers that a pool may lose at once; more must be confirmed.'),
  confirmations: z
    .number()
    .int()
    .min(1)
    .max(1000)
    .default(3)
    .describe('Answers in a row that must name the same servers before a greater loss is accepted.'),
};

const schema = z.strictObject(guardOptions);

/** When a source's list is held back. */
export type GuardOptions = z.output<typeof schema>;

/** The list of one pool that was held back. */
export interface HeldList {
  readonly servers: DiscoveredServers;
  /** How many times in a row it came. */
  readonly seen: number;
  /** Why, and what would make it pass; for people. */
  readonly reason: string;
}

/**
 * Returns the list as held back, or undefined when it may replace the previous one. `held`: the list that was held back
 * last. What counts is how many servers a pool keeps: a deployment may replace all of them by as many others.
 */
export function guardedList(
  guard: GuardOptions,
  lists: { readonly before: DiscoveredServers; readonly after: DiscoveredServers; readonly held?: HeldList },
): HeldList | undefined {
  const { before, after, held } = lists;
  if (after.size >= before.size) return undefined;
  const seen = held !== undefined && sameIds(held.servers, after) ? held.seen + 1 : 1;
  const reason = objection(guard, before.size, after.size, seen);
  return reason === undefined ? undefined : { servers: after, seen, reason };
}

function objection(guard: GuardOptions, before: number, after: number, seen: number): string | undefined {
  const { minServers, allowEmpty, maxChange, confirmations } = guard;
  if (after === 0 && !allowEmpty) {
    return `it names no servers, where there were ${before}; allowEmpty: true would let them go`;
  }
  if (after > 0 && after < minServers) {
    return `it names ${after} of ${before} servers, fewer than minServers (${minServers})`;
  }
  if ((before - after) / before <= maxChange || seen >= confirmations) return undefined;
  return `it names ${after} of ${before} servers, a loss greater than maxChange (${maxChange}); ${confirmations} answers in a row with the same servers would confirm it`;
}

function sameIds(one: DiscoveredServers, other: DiscoveredServers): boolean {
  if (one.size !== other.size) return false;
  for (const id of one.keys()) if (!other.has(id)) return false;
  return true;
}
