// DiscoverySource: the servers that a plugin finds, such as the addresses of a name or the lines of a file.
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { WeldrError } from '../errors.ts';
import { parse, showInput } from '../options/options.ts';
import { type ServerDefinition, type ServerInput, serverDefinition } from './server-definition.ts';

/** How many servers a {@link DiscoverySource.replace} changed in the source's list. */
export interface SourceChange {
  readonly added: number;
  readonly removed: number;
  /** Those with another weight or setting than before. */
  readonly changed: number;
  /** Why the guard held the list back; then nothing has changed. */
  readonly held?: string;
}

/** What a source holds of one pool. */
export interface SourceSummary {
  readonly source: string;
  /** How many servers it names, active or overridden by the config and operators. */
  readonly servers: number;
  /** Why its last list was held back. */
  readonly held?: string;
}

/**
 * The servers that a plugin finds, by pool. They are in memory only, below the config and the operators: the config's
 * definition of a server wins, and one that an operator removed stays away until the operator adds it again. When two
 * sources name the same server, the plugin that comes first in the config decides.
 */
export interface DiscoverySource {
  /** Its servers are shown with the layer `discovered:NAME`. */
  readonly name: string;
  /** The pools for which it has servers now, including those from before a reload. */
  readonly pools: readonly string[];
  /**
   * Makes `servers` the whole list of this source for a pool, and makes the pool if needed. New servers may get requests at
   * once; missing ones leave when they have finished their requests; changed ones keep theirs. The same list again changes
   * nothing, so call it as often as you like. After the end of the plugin it does nothing.
   *
   * Throws INPUT_INVALID with the place (`servers[3].weight`) for the first server that is invalid or named twice, and
   * LIMIT_REACHED for too many servers or pools; nothing has changed then.
   *
   * A guard holds back a list that names suspiciously few servers, and the result says why (`held`).
   *
   * @example
   * const source = pools.source('inventory');
   * onClose(clock.every(5000, () => source.replace('default', readInventory())));
   */
  replace(pool: string, servers: readonly ServerInput[]): SourceChange;
  /** The source no longer serves this pool: its servers leave, regardless of a guard. */
  leave(pool: string): SourceChange;
}

/** The servers of one pool by id, as a source names them. */
export type DiscoveredServers = ReadonlyMap<string, ServerDefinition>;

const discoveredServer = z.preprocess(
  input => (typeof input === 'string' ? { url: input } : input),
  serverDefinition.refine(server => server.ttl === undefined, {
    path: ['ttl'],
    message: 'a source ends a server by leaving it out of its next list',
  }),
);

/**
 * Checks the list of a source; a server that equals the one in `before` is returned as that same object. Throws
 * INPUT_INVALID for the first invalid server only: a list of thousands needs no message of thousands of lines.
 */
export function discoveredServers(input: unknown, before: DiscoveredServers | undefined): DiscoveredServers {
  if (!Array.isArray(input)) throw invalid('servers', `expected a list of servers, got ${showInput(input)}`);
  const found = new Map<string, ServerDefinition>();
  for (let i = 0; i < input.length; i++) {
    const server = parse(discoveredServer, input[i], 'INPUT_INVALID', `servers[${i}]`);
    const { url } = server;
    if (found.has(url)) throw invalid(`servers[${i}]`, `${url} is listed twice`);
    const known = before?.get(url);
    found.set(url, known !== undefined && isDeepStrictEqual(known, server) ? known : server);
  }
  return found;
}

function invalid(field: string, why: string): WeldrError {
  return new WeldrError('INPUT_INVALID', `${field}: ${why}`, { field });
}
