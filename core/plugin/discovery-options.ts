// The options of all plugins that find servers: for which pool, under which name, and when a list is not accepted.
import { z } from 'zod';
import { nearest } from '../errors/nearest.ts';
import { WeldrError } from '../errors.ts';
import { namePattern } from '../pool/pool-name.ts';
import { type GuardOptions, guardOptions } from '../pool/source-guard.ts';
import type { Scope } from '../stages/scope.ts';
import type { ConfigFacts } from './plugin.ts';

const poolName = z
  .string()
  .regex(
    namePattern,
    'expected letters, digits, "_", "." and "-", at most 63, the first a letter or a digit',
  );

/** The schema of these options. */
export const discoveryOptions = {
  pool: poolName
    .optional()
    .describe(
      'The pool of the servers found; default: the pool whose `plugins` list it, otherwise `default`.',
    ),
  source: poolName.optional().describe('Its name: the servers are shown with the layer `discovered:NAME`.'),
  ...guardOptions,
};

const schema = z.strictObject(discoveryOptions);

type DiscoveryOptions = z.output<typeof schema>;

/** Returns the pool of the servers found. Throws CONFIG_INVALID if the place in the config and the option contradict each other. */
export function poolOf({ pool }: Pick<DiscoveryOptions, 'pool'>, scope: Scope): string {
  if (scope.kind !== 'pool') return pool ?? 'default';
  if (pool === undefined || pool === scope.name) return scope.name;
  throw new WeldrError(
    'CONFIG_INVALID',
    `pool: it is in the pool ${scope.name} but names the pool ${pool}; leave one of them out`,
    { field: 'pool' },
  );
}

/** Returns the name of a source: the option, or one made of kind and pool, such as `dns-api`. */
export function sourceNameOf(
  { source }: Pick<DiscoveryOptions, 'source'>,
  kind: string,
  pool: string,
): string {
  return source ?? `${kind}-${pool}`.slice(0, 63);
}

/** Returns the options of the guard. */
export function guardOf({ minServers, allowEmpty, maxChange, confirmations }: GuardOptions): GuardOptions {
  return { minServers, allowEmpty, maxChange, confirmations };
}

/** Warns in `weldr check` of options that are surely unintended. */
export function warnOfDiscovery({ pool }: Pick<DiscoveryOptions, 'pool'>, facts: ConfigFacts): void {
  if (pool === undefined || facts.pools.includes(pool)) return;
  const near = nearest(pool, facts.pools);
  const hint =
    near === undefined ? `list it, pools: { ${JSON.stringify(pool)}: [] }` : `did you mean ${near}?`;
  facts.warn('pool', `the config has no pool ${pool}, so none of its routes can name it; ${hint}`);
}
