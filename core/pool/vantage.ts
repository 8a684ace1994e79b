// Vantage: from where a worker looks at the pools: which of the workers it is, and of which Weldr of a fleet.
import { hashOf } from './hash.ts';

/** From where a worker looks at the pools. Plain JSON. */
export interface Vantage {
  /** Its place among the workers, from 0. */
  readonly worker: number;
  /** How many workers there are; they share what a server may have at once. */
  readonly workers: number;
  /** The zone of this Weldr. */
  readonly zone?: string | undefined;
  /** Where among the servers of a pool its subset begins, from 0 to below 1. */
  readonly start: number;
}

// Multiples of the golden ratio, modulo 1, lie evenly however many there are.
const goldenRatio = 0.618_033_988_749_894_9;

/**
 * Where the subset of a Weldr begins: those of any number of members, counted from 0, lie evenly; without a number chance decides,
 * by the name of the host.
 */
export function subsetStart(member: number | undefined, host: string): number {
  return member === undefined ? hashOf(host) / 2 ** 32 : (member * goldenRatio) % 1;
}

/**
 * What one worker may give a server at once, of what all may: the parts differ by one at most and add up to `all`; where that is less
 * than there are workers, each may still give one.
 */
export function shareOfWorker(all: number, { worker, workers }: Vantage): number {
  const rest = worker < all % workers ? 1 : 0;
  return Math.max(1, Math.floor(all / workers) + rest);
}
