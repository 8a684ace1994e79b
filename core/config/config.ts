// The config as people write it, and its checks.
import { basename } from 'node:path';
import { z } from 'zod';
import { adoptError, WeldrError } from '../errors.ts';
import { parse } from '../options/options.ts';
import type { DefinedPlugins } from '../plugin/defined-plugins.ts';
import { kindListsOf } from '../plugin/kind-lists.ts';
import type { ConfigFacts, Plugin } from '../plugin/plugin.ts';
import type { PluginCatalogue } from '../plugin/plugin-form.ts';
import type { PluginInstance } from '../plugin/plugin-instance.ts';
import { instantiateAll } from '../plugin/plugin-lists.ts';
import type { ServerDefinition, ServerInput } from '../pool/server-definition.ts';
import {
  type Overrides,
  type PoolInput,
  poolsByName,
  type Settings,
  type SettingsInput,
  settingsSchema,
} from '../settings/settings.ts';
import type { PluginRemarks } from './warnings.ts';

/** Plugins of a route or a pool: made in place, or by their names in `define`. */
export type ScopedPlugins = readonly (Plugin | string)[];

/** The content of a `weldr.config.ts`. */
export type WeldrConfig = SettingsInput & {
  /** The features, in the order in which their hooks run. */
  plugins: readonly Plugin[];
  /** Pools besides `default` by name: a list of servers, or an object. */
  pools?: Readonly<
    Record<string, readonly ServerInput[] | (Omit<PoolInput, 'plugins'> & { plugins?: ScopedPlugins })>
  >;
  /** Plugins that pools and routes name: config made at run time cannot carry code. */
  define?: Readonly<Record<string, Plugin>>;
};

/** A config, parsed and checked. */
export interface CheckedConfig {
  readonly settings: Settings;
  readonly plugins: readonly PluginInstance[];
  /** The plugins that pools and routes made at run time can name. */
  readonly defined: DefinedPlugins;
  readonly remarks: PluginRemarks;
}

/** Types a config, so that an editor completes and checks it; returns it unchanged. */
export function defineConfig(config: WeldrConfig): WeldrConfig {
  return config;
}

const anyPlugins = pluginsOf(z.unknown());

const configSchema = configWith({ plugins: anyPlugins, scoped: anyPlugins, define: definedAs(z.unknown()) });

/** The schema of a list of plugins. */
export function pluginsOf<T extends z.ZodType>(plugin: T) {
  return z.array(plugin).max(1000);
}

/** The schema of `define`. */
export function definedAs<T extends z.ZodType>(plugin: T, name: z.ZodString = z.string()) {
  return z.record(name.min(1).max(100), plugin).prefault({});
}

/** The schema of a whole config, with the schemas of its lists of plugins. */
export function configWith<P extends z.ZodType, S extends z.ZodType, D extends z.ZodType>(lists: {
  readonly plugins: P;
  readonly scoped: S;
  readonly define: D;
}) {
  return settingsSchema.extend({
    plugins: lists.plugins.describe('The features, in the order in which their hooks run.'),
    define: lists.define.describe('Plugins by the names that pools and routes use for them.'),
    pools: poolsByName({
      plugins: lists.scoped
        .optional()
        .describe('Plugins for the requests of this pool: names of `define`, or made in place.'),
    }),
  });
}

/**
 * Checks a config and fills in its defaults; `overrides` take precedence over it. With a `catalogue`, plugins are named
 * as in JSON. Throws CONFIG_INVALID with everything that is wrong, fields named as in `plugins[1].interval`.
 */
export function checkConfig(
  config: unknown,
  overrides: Overrides = {},
  catalogue?: PluginCatalogue,
): CheckedConfig {
  const { plugins, define, pools, ...rest } = parse(configSchema, overridden(config, overrides));
  const settings: Settings = { ...rest, pools: withNamesOnly(pools, define) };
  refuseTwoDefaults(settings);
  refuseBadFallbacks(settings.pools);
  refuseDoubleServers('servers', settings.servers);
  for (const [name, { servers }] of Object.entries(settings.pools)) {
    refuseDoubleServers(`pools.${name}.servers`, servers);
  }
  const pluginsByPool: Record<string, readonly unknown[]> = {};
  for (const [name, pool] of Object.entries(pools)) {
    if (pool.plugins !== undefined) pluginsByPool[name] = pool.plugins;
  }
  const { instances, defined } = instantiateAll({ plugins, define, pools: pluginsByPool, catalogue });
  refuseTwoStores(instances);
  // Throws for two plugins of one name.
  kindListsOf(instances);
  const warnings: string[] = [];
  const addresses: string[] = [];
  const facts = {
    overrides,
    listen: settings.listen,
    hasStore: instances.some(({ plugin }) => plugin.stored !== undefined),
    leadershipNeed: Math.max(
      0,
      ...instances.map(({ plugin, options }) => plugin.leadershipNeed?.(options) ?? 0),
    ),
    pools: ['default', ...Object.keys(settings.pools).filter(name => name !== 'default')],
  };
  for (const instance of instances) {
    checkPlugin(instance, {
      ...facts,
      warn: (field, text) => warnings.push(`${instance.at}.${field}: ${text}`),
      listensOn: address => addresses.push(address),
    });
  }
  defined.check = instance => checkPlugin(instance, { ...facts, warn: () => {}, listensOn: () => {} });
  return { settings, plugins: instances, defined, remarks: { warnings, addresses } };
}

function checkPlugin({ plugin, options, at }: PluginInstance, facts: ConfigFacts): void {
  try {
    plugin.check?.(options, facts);
  } catch (raised) {
    const thrown = adoptError(raised);
    if (!(thrown instanceof WeldrError) || thrown.code !== 'CONFIG_INVALID') throw thrown;
    throw invalid(thrown.field === undefined ? at : `${at}.${thrown.field}`, thrown.message);
  }
}

function overridden(config: unknown, { listen, workers, logLevel, zone, member }: Overrides): unknown {
  if (typeof config !== 'object' || config === null || Array.isArray(config)) return config;
  return {
    ...config,
    ...(listen === undefined ? {} : { listen }),
    ...(workers === undefined ? {} : { workers }),
    ...(logLevel === undefined ? {} : { logLevel }),
    ...(zone === undefined ? {} : { zone }),
    ...(member === undefined ? {} : { member }),
  };
}

/** Plugins are code, not settings; names of `define` are settings. */
function withNamesOnly(
  pools: z.output<typeof configSchema>['pools'],
  define: Readonly<Record<string, unknown>>,
): Settings['pools'] {
  const isName = (item: unknown): item is string => typeof item === 'string' && Object.hasOwn(define, item);
  return Object.fromEntries(
    Object.entries(pools).map(([name, { plugins = [], ...pool }]) => {
      const names = plugins.filter(isName);
      return [name, names.length === 0 ? pool : { ...pool, plugins: names }] as const;
    }),
  );
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

/** Two spellings of one URL are one server: the later one would silently win. */
function refuseDoubleServers(where: string, servers: readonly ServerDefinition[]): void {
  const places = new Map<string, number>();
  for (const [index, { url }] of servers.entries()) {
    const before = places.get(url);
    if (before !== undefined) {
      throw invalid(`${where}[${index}]`, `${url} is ${where}[${before}] already; take one of them out`);
    }
    places.set(url, index);
  }
}

function refuseTwoStores(plugins: readonly PluginInstance[]): void {
  const [first, second] = plugins.filter(({ plugin }) => plugin.stored !== undefined);
  if (first === undefined || second === undefined) return;
  throw invalid(second.at, `${first.at} keeps what operators change already; take one of them out`);
}

function refuseTwoDefaults({ servers, pools }: Settings): void {
  if (servers.length === 0 || (pools['default']?.servers.length ?? 0) === 0) return;
  throw invalid(
    'servers',
    'these are the servers of the pool default, which pools.default lists too; keep one list',
  );
}

/** A fallback must exist, and must not lead back to its pool. */
function refuseBadFallbacks(pools: Settings['pools']): void {
  for (const [name, { fallback }] of Object.entries(pools)) {
    const seen = [name];
    for (let next = fallback; next !== undefined; next = pools[next]?.fallback) {
      const field = `pools.${seen.at(-1)}.fallback`;
      if (next !== 'default' && !Object.hasOwn(pools, next)) {
        const known = ['default', ...Object.keys(pools).filter(pool => pool !== 'default')].join(', ');
        throw invalid(field, `there is no pool ${JSON.stringify(next)}; there are ${known}`);
      }
      if (seen.includes(next)) throw invalid(field, `forms a cycle: ${[...seen, next].join(' -> ')}`);
      seen.push(next);
    }
  }
}

function invalid(field: string, message: string): WeldrError {
  return new WeldrError('CONFIG_INVALID', `${field}: ${message}`, { field });
}
