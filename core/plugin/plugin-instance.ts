// PluginInstance: one plugin at one place of a config, its options parsed. The name of the place and of the plugin is the
// identity by which memory, channels and metrics are kept.
import type { Condition, Scope } from '../stages/scope.ts';
import { DefinedPlugins } from './defined-plugins.ts';
import { invalid } from './listed-item.ts';
import type { Plugin } from './plugin.ts';
import type { PluginCatalogue } from './plugin-form.ts';

/** One plugin at one place of a config. */
export interface PluginInstance {
  readonly plugin: Plugin;
  /** Scope, name and id, such as `rate-limit`, `rate-limit#bursts` or `pool:api/round-robin`. Unique in a config. */
  readonly name: string;
  /** What the plugin's schema made of its options. */
  readonly options: unknown;
  /** Where the config gives them, such as `plugins[1]`. */
  readonly at: string;
  readonly scope: Scope;
  readonly conditions: readonly Condition[];
  /** The name of `define` by which the list of its scope has it; undefined: it was made in place. */
  readonly definedAs?: string | undefined;
}

/** What a config says of plugins. */
export interface PluginLists {
  readonly plugins: readonly unknown[];
  /** The plugins of pools, by the names of these. */
  readonly pools?: Readonly<Record<string, readonly unknown[]>>;
  /** Plugins by the names that lists of pools and routes use for them. */
  readonly define?: Readonly<Record<string, unknown>>;
  /** For a config in JSON or YAML: the plugins that its lists ask for by name. */
  readonly catalogue?: PluginCatalogue | undefined;
}

/** The plugins of a config, and what lists that are made at run time can name. */
export interface InstantiatedPlugins {
  readonly instances: PluginInstance[];
  readonly defined: DefinedPlugins;
}

/**
 * All plugins of a config with their options parsed, in the order of the config, those of pools behind. Throws
 * CONFIG_INVALID with the place of what is wrong: no plugin, options that its schema refuses, two of one name or of one
 * role at one place, a name that `define` does not have.
 */
export function instantiate(lists: PluginLists): PluginInstance[] {
  return instantiateAll(lists).instances;
}

/** The same, with what pools and routes that are made at run time can name. */
export function instantiateAll(lists: PluginLists): InstantiatedPlugins {
  const { plugins, pools = {}, define = {}, catalogue } = lists;
  refuseNames(plugins, define);
  const defined = new DefinedPlugins(define, catalogue);
  return { instances: defined.readConfig(plugins, pools), defined };
}

/** Names of `define` are for pools and routes; what is for all requests stands in its place in the list. */
function refuseNames(plugins: readonly unknown[], define: Readonly<Record<string, unknown>>): void {
  for (const [index, item] of plugins.entries()) {
    if (typeof item !== 'string' || !Object.hasOwn(define, item)) continue;
    throw invalid(
      `plugins[${index}]`,
      `${JSON.stringify(item)} is a name of define, which is for pools and routes; write the plugin itself here`,
    );
  }
}
