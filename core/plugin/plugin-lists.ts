// PluginLists: what a config says about plugins, and the instances made from it.
import { DefinedPlugins } from './defined-plugins.ts';
import { invalid } from './listed-item.ts';
import type { PluginCatalogue } from './plugin-form.ts';
import type { PluginInstance } from './plugin-instance.ts';

/** What a config says about plugins. */
export interface PluginLists {
  readonly plugins: readonly unknown[];
  /** The plugins of pools, by the pools' names. */
  readonly pools?: Readonly<Record<string, readonly unknown[]>>;
  /** Plugins, by the names that lists of pools and routes use. */
  readonly define?: Readonly<Record<string, unknown>>;
  /** For a config in JSON or YAML: the plugins that its lists ask for by name. */
  readonly catalogue?: PluginCatalogue | undefined;
}

/** The plugins of a config, and those that lists made at run time can name. */
export interface InstantiatedPlugins {
  readonly instances: PluginInstance[];
  readonly defined: DefinedPlugins;
}

/**
 * Returns all plugins of a config with their options parsed, in the order of the config, those of pools last. Throws
 * CONFIG_INVALID with the place of the mistake: something that is not a plugin, options that its schema refuses, two
 * plugins of one name or of one role at one place, a name that `define` does not have.
 */
export function instantiate(lists: PluginLists): PluginInstance[] {
  return instantiateAll(lists).instances;
}

/** The same, with the plugins that pools and routes made at run time can name. */
export function instantiateAll(lists: PluginLists): InstantiatedPlugins {
  const { plugins, pools = {}, define = {}, catalogue } = lists;
  refuseNames(plugins, define);
  const defined = new DefinedPlugins(define, catalogue);
  return { instances: defined.readConfig(plugins, pools), defined };
}

/** Refuses names of `define`, which are for pools and routes; plugins for all requests are written in the list itself. */
function refuseNames(plugins: readonly unknown[], define: Readonly<Record<string, unknown>>): void {
  for (const [index, item] of plugins.entries()) {
    if (typeof item !== 'string' || !Object.hasOwn(define, item)) continue;
    throw invalid(
      `plugins[${index}]`,
      `${JSON.stringify(item)} is a name of define, which is for pools and routes; write the plugin itself here`,
    );
  }
}
