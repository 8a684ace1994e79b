// PoolLimits: how many pools and servers one Weldr may hold.
import { WeldrError } from '../errors.ts';
import type { DiscoveredServers } from './discovery-source.ts';
import type { KnownPools } from './known-pools.ts';
import type { Layer } from './pool.ts';
import type { PoolMembers } from './pool-members.ts';

/** The most servers that all pools together may hold. */
export const maxServers = 50_000;
/** The most pools, those that plugins make included. */
export const maxPools = 10_000;

/** Checks that there is room before something is added. */
export class PoolLimits {
  private readonly members: PoolMembers;
  private readonly known: KnownPools;

  constructor(members: PoolMembers, known: KnownPools) {
    this.members = members;
    this.known = known;
  }

  /** Throws LIMIT_REACHED when one more pool would be too many. */
  expectRoomForPool(name: string): void {
    const { pools } = this.members;
    if (pools.size < maxPools || (pools.get(name) !== undefined && this.known.takesRoom(name))) return;
    let existing = 0;
    for (const pool of pools) if (this.known.takesRoom(pool.name)) existing++;
    if (existing < maxPools) return;
    throw new WeldrError('LIMIT_REACHED', `there are ${maxPools} pools already, which is the limit`);
  }

  /** Throws LIMIT_REACHED when a server that is new would be too many. */
  expectRoomForServer(pool: string, id: string): void {
    const isNew = this.members.get(pool, id) === undefined;
    if (isNew && this.members.size >= maxServers) throw tooManyServers();
  }

  /** Throws LIMIT_REACHED when the list of a source would be too long. */
  expectRoomForList(poolName: string, servers: DiscoveredServers, layer: Layer): void {
    if (this.members.size + servers.size <= maxServers) return;
    let others = 0;
    let leaving = 0;
    for (const member of this.members) {
      const { pool, id } = member.upstream;
      if (pool === poolName && servers.has(id)) continue;
      if (member.leaving || (pool === poolName && member.layer === layer)) leaving++;
      else others++;
    }
    // Draining servers do not count: otherwise one long list could not replace another.
    if (servers.size + others > maxServers || leaving > maxServers) throw tooManyServers();
  }
}

function tooManyServers(): WeldrError {
  return new WeldrError('LIMIT_REACHED', `the pools hold ${maxServers} servers already, which is the limit`);
}
