// Orders: the ways to sort servers.
import type { ServerLook } from './look.ts';

/** The words of `--sort`. */
export const orders = ['rate', 'failed', 'inflight', 'latency', 'id'] as const;

/** One way to sort. */
export type Order = (typeof orders)[number];

/** Whether it is one of the words. */
export const isOrder = (word: string): word is Order => orders.some(order => order === word);

/** Sorts servers, the greatest figure first, or by ids; without an order they stay as the API lists them. */
export function sorted(servers: readonly ServerLook[], order: Order | undefined): readonly ServerLook[] {
  if (order === undefined) return servers;
  return servers
    .map(server => ({ server, measures: measuresOf(server, order), name: nameOf(server) }))
    .sort((a, b) => compareMeasures(a.measures, b.measures) || compareTexts(a.name, b.name))
    .map(({ server }) => server);
}

/** Returns the figures to compare; unknown ones sort last. */
function measuresOf({ rate, failedRate, failed, inFlight, meanMs }: ServerLook, order: Order): number[] {
  switch (order) {
    case 'rate':
      return [rate ?? -1];
    case 'failed':
      return [failedRate ?? -1, failed];
    case 'inflight':
      return [inFlight ?? -1];
    case 'latency':
      return [meanMs ?? -1];
    case 'id':
      return [];
  }
}

function compareMeasures(a: readonly number[], b: readonly number[]): number {
  for (const [at, value] of a.entries()) {
    const difference = (b[at] ?? 0) - value;
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Returns a key that sorts numbers by value: 10.0.0.9 before 10.0.0.10. */
function nameOf({ id, pool }: ServerLook): string {
  return `${id} ${pool}`.replace(/\d+/g, digits => digits.padStart(12, '0'));
}

const compareTexts = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
