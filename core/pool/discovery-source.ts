// DiscoverySource: what a plugin finds by itself, such as the addresses of a name or the lines of a file.
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { WeldrError } from '../errors.ts';
import { parse, showInput } from '../settings/options.ts';
import { type ServerDefinition, type ServerInput, serverDefinition } from './server-definition.ts';

/** What a {@link DiscoverySource.replace} changed of the source's list: numbers of servers. */
export interface SourceChange {
  readonly added: number;
  readonly removed: number;
  /** Those whose weight or another setting is not what it was. */
  readonly changed: number;
  /** Why the list was not taken, where the source has a guard; then nothing has changed. */
  readonly held?: string;
}

/** What a source has of one pool. */
export interface SourceSummary {
  readonly source: string;
  /** How many servers it names that are in force, or below what the config and operators say. */
  readonly servers: number;
  /** Why its last list was not taken. */
  readonly held?: string;
}

/**
 * The servers that a plugin finds, by pool. They are in memory only, and lie below what the config and operators say:
 * a server that the config lists is as the config says, and one that an operator removed stays away until the operator
 * adds it again. Of two sources that name the same server, the one whose plugin is first in the config decides.
 */
export interface DiscoverySource {
  /** Its servers are shown with the layer `discovered:NAME`. */
  readonly name: string;
  /** The pools for which it has servers now, what it had before a reload included. */
  readonly pools: readonly string[];
  /**
   * Makes `servers` all that this source knows of a pool, which is made where there is none. Who is new may be given
   * requests at once; who is missing leaves when it has finished what it has; who is there with other settings keeps
   * its requests. The same list again changes nothing, so it may be called as often as one looks. After the end of
   * the plugin it does nothing.
   *
   * Throws INPUT_INVALID with the place (`servers[3].weight`) for the first server that is not valid or is named
   * twice, LIMIT_REACHED for more servers or pools than there may be; and then nothing has changed.
   *
   * With a guard, a list that names suspiciously few servers is not taken either, and the answer says why (`held`).
   *
   * @example
   * const source = pools.source('inventory');
   * onClose(clock.every(5000, () => source.replace('default', readInventory())));
   */
  replace(pool: string, servers: readonly ServerInput[]): SourceChange;
  /** The source is not for this pool any more: its servers leave, whatever a guard says. */
  leave(pool: string): SourceChange;
}

/** The servers of one pool by id, as a source knows them. */
export type DiscoveredServers = ReadonlyMap<string, ServerDefinition>;

const discoveredServer = z.preprocess(
  input => (typeof input === 'string' ? { url: input } : input),
  serverDefinition.refine(server => server.ttl === undefined, {
    path: ['ttl'],
    message: 'a source says itself when a server leaves; leave it out of the next list',
  }),
);

/**
 * The list of a source, checked; what is as `before` is the very definition of before. Throws INPUT_INVALID for the
 * first server that is wrong: a list of thousands that are wrong needs no message of thousands of lines.
 */
export function discoveredServers(input: unknown, before: DiscoveredServers | undefined): DiscoveredServers {
  if (!Array.isArray(input)) throw invalid('servers', `expected a list of servers, got ${showInput(input)}`);
  const found = new Map<string, ServerDefinition>();
  for (let i = 0; i < input.length; i++) {
    const server = parse(discoveredServer, input[i], 'INPUT_INVALID', `servers[${i}]`);
    const { url } = server;
    if (found.has(url)) throw invalid(`servers[${i}]`, `${url} is in the list twice`);
    const known = before?.get(url);
    found.set(url, known !== undefined && isDeepStrictEqual(known, server) ? known : server);
  }
  return found;
}

function invalid(field: string, why: string): WeldrError {
  return new WeldrError('INPUT_INVALID', `${field}: ${why}`, { field });
}
