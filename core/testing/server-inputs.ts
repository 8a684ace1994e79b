// The servers of a manager side in a test, as a config lists them.
import { z } from 'zod';
import { parse } from '../options/options.ts';
import { type ServerDefinition, type ServerInput, serverDefinition } from '../pool/server-definition.ts';

/** Servers of the pool `default`, or of pools by their names. */
export type ServerInputs = readonly ServerInput[] | Readonly<Record<string, readonly ServerInput[]>>;

/** The definitions of the servers, by pool. Throws CONFIG_INVALID. */
export function definitionsOf(servers: ServerInputs): Record<string, ServerDefinition[]> {
  const named = isList(servers) ? { default: servers } : servers;
  const list = z.array(serverDefinition);
  return Object.fromEntries(
    Object.entries(named).map(([name, inputs]) => [
      name,
      parse(
        list,
        inputs.map(input => (typeof input === 'string' ? { url: input } : input)),
        'CONFIG_INVALID',
        'servers',
      ),
    ]),
  );
}

function isList(servers: ServerInputs): servers is readonly ServerInput[] {
  return Array.isArray(servers);
}
