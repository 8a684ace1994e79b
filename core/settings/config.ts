// The config as people write it, and its checks.
import { basename } from 'node:path';
import { z } from 'zod';
import { WeldrError } from '../errors.ts';
import type { Plugin } from '../plugin/plugin.ts';
import { instantiate, type PluginInstance } from '../plugin/plugin-instance.ts';
import type { ServerInput } from '../pool/server-definition.ts';
import { parse } from './options.ts';
import {
  type Overrides,
  type PoolInput,
  type Settings,
  type SettingsInput,
  settingsSchema,
} from './settings.ts';

/** Plugins of a route or a pool: made in place, or by their names in `define`. */
export type ScopedPlugins = readonly (Plugin | string)[];

/** Everything that a `weldr.config.ts` says. */
export type WeldrConfig = SettingsInput & {
  /** The features, in the order in which their hooks run. */
  plugins: readonly Plugin[];
  /** Pools besides `default` by name: a list of servers, or an object. */
  pools?: Readonly<Record<string, readonly ServerInput[] | (PoolInput & { plugins?: ScopedPlugins })>>;
  /** Plugins that pools and routes name: config that is made at run time cannot carry code. */
  define?: Readonly<Record<string, Plugin>>;
};

/** A config as read and checked. */
export interface CheckedConfig {
  readonly settings: Settings;
  readonly plugins: readonly PluginInstance[];
}

/** Gives a config its type, so that an editor completes and checks it; returns it as it is. */
export function defineConfig(config: WeldrConfig): WeldrConfig {
  return config;
}

const configSchema = z.looseObject({
  plugins: z.array(z.unknown()).max(1000),
  define: z.record(z.string(), z.unknown()).default({}),
  pools: z.record(z.string(), z.unknown()).default({}),
});

const poolPlugins = z.array(z.unknown()).max(1000);

/**
 * Checks a config and fills in its defaults; `overrides` go before what it says. Throws CONFIG_INVALID with all that
 * is wrong, fields named as in `plugins[1].interval`.
 */
export function checkConfig(config: unknown, overrides: Overrides = {}): CheckedConfig {
  const { plugins, define, pools: poolInputs, ...rest } = parse(configSchema, config);
  const { pools, pluginsOf } = splitPools(poolInputs);
  const { listen, workers, logLevel } = overrides;
  const settings = parse(settingsSchema, {
    ...rest,
    pools,
    ...(listen === undefined ? {} : { listen }),
    ...(workers === undefined ? {} : { workers }),
    ...(logLevel === undefined ? {} : { logLevel }),
  });
  refuseTwoDefaults(settings);
  refuseBadFallbacks(settings.pools);
  return { settings, plugins: instantiate({ plugins, define, pools: pluginsOf }) };
}

/** Puts the file's name before each line of a config's problems. */
export function inFile(path: string, thrown: WeldrError): WeldrError {
  const name = basename(path);
  const message = thrown.message
    .split('\n')
    .map(line => `${name}: ${line}`)
    .join('\n');
  return new WeldrError('CONFIG_INVALID', message, {
    cause: thrown.cause,
    ...(thrown.field === undefined ? {} : { field: thrown.field }),
  });
}

/** Takes the plugins out of the pools: they are code, which no setting is. */
function splitPools(inputs: Readonly<Record<string, unknown>>) {
  const pools: Record<string, unknown> = {};
  const pluginsOf: Record<string, readonly unknown[]> = {};
  for (const [name, input] of Object.entries(inputs)) {
    if (typeof input !== 'object' || input === null || Array.isArray(input) || !('plugins' in input)) {
      pools[name] = input;
      continue;
    }
    const { plugins, ...rest } = input;
    pools[name] = rest;
    pluginsOf[name] = parse(poolPlugins, plugins, 'CONFIG_INVALID', `pools.${name}.plugins`);
  }
  return { pools, pluginsOf };
}

function refuseTwoDefaults({ servers, pools }: Settings): void {
  if (servers.length === 0 || (pools['default']?.servers.length ?? 0) === 0) return;
  throw invalid(
    'servers',
    'these are the pool default, which pools.default lists servers of too; keep one list',
  );
}

/** A fallback has to be there, and must not lead back to where it came from. */
function refuseBadFallbacks(pools: Settings['pools']): void {
  for (const [name, { fallback }] of Object.entries(pools)) {
    const seen = [name];
    for (let next = fallback; next !== undefined; next = pools[next]?.fallback) {
      const field = `pools.${seen.at(-1)}.fallback`;
      if (next !== 'default' && !Object.hasOwn(pools, next)) {
        const known = ['default', ...Object.keys(pools).filter(pool => pool !== 'default')].join(', ');
        throw invalid(field, `there is no pool ${JSON.stringify(next)}; there are ${known}`);
      }
      if (seen.includes(next))
        throw invalid(field, `goes round in a circle: ${[...seen, next].join(' -> ')}`);
      seen.push(next);
    }
  }
}

function invalid(field: string, message: string): WeldrError {
  return new WeldrError('CONFIG_INVALID', `${field}: ${message}`, { field });
}
