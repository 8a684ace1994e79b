// The descriptor limit of this process, and how many client connections fit under it.
import { readFileSync } from 'node:fs';

/** For the log, IPC, listening sockets, epoll and what the runtime itself keeps open. */
const reserved = 48;

/** How many files this process may have open; undefined if the system does not say. */
export function descriptorLimit(): number | undefined {
  try {
    const match = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'));
    return match === null ? undefined : Number(match[1]);
  } catch {
    return undefined;
  }
}

/**
 * How many client connections to allow if `wanted` are configured. A quarter of the descriptors is left for connections
 * to upstreams, which idle clients do not need: without descriptors, clients would be refused without a word.
 */
export function connectionsWithin(wanted: number, limit: number | undefined): number {
  return limit === undefined ? wanted : Math.max(1, Math.min(wanted, Math.floor((limit - reserved) * 0.75)));
}
