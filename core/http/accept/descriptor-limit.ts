// The file descriptor limit of this process, and how many client connections it allows.
import { readFileSync } from 'node:fs';

/** Descriptors for the log, IPC, listening sockets, epoll and what the runtime keeps open. */
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
 * Returns how many client connections to allow if `wanted` are configured. A quarter of the descriptors is left for
 * connections to upstreams: idle clients need none. If descriptors ran out, clients would be refused silently.
 */
export function connectionsWithin(wanted: number, limit: number | undefined): number {
  return limit === undefined ? wanted : Math.max(1, Math.min(wanted, Math.floor((limit - reserved) * 0.75)));
}
