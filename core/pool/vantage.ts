// Vantage: a worker's place among the workers and in the fleet, which decides what part of the pools it uses.
import { hashOf } from './hash.ts';

/** A worker's place. Plain JSON. */
export interface Vantage {
  /** Its place among the workers, from 0. */
  readonly worker: number;
  /** The number of workers; they share a server's `maxConnections`. */
  readonly workers: number;
  /** The zone of this Weldr. */
  readonly zone?: string | undefined;
  /** Where the subset begins among the servers of a pool, from 0 to below 1. */
  readonly start: number;
}

// Multiples of the golden ratio, modulo 1, are spread evenly for any number of them.
const goldenRatio = 0.618_033_988_749_894_9;

/**
 * Where the subset of a Weldr begins: evenly spread for any number of members, counted from 0; without a number, by the
 * hash of the host name.
 */
export function subsetStart(member: number | undefined, host: string): number {
  return member === undefined ? hashOf(host) / 2 ** 32 : (member * goldenRatio) % 1;
}

/**
 * One worker's part of the requests that a server may have at once: parts differ by at most one and add up to `all`, but
 * each worker may give at least one.
 */
export function shareOfWorker(all: number, { worker, workers }: Vantage): number {
  const rest = worker < all % workers ? 1 : 0;
  return Math.max(1, Math.floor(all / workers) + rest);
}
