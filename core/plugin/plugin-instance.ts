// PluginInstance: one plugin at one place of a config, with its options parsed. Its name, made of place and plugin, identifies
// its memory, channel and metrics.
import type { Condition, Scope } from '../stages/scope.ts';
import type { Plugin } from './plugin.ts';

/** One plugin at one place of a config. */
export interface PluginInstance {
  readonly plugin: Plugin;
  /** Scope, name and id, such as `rate-limit`, `rate-limit#bursts` or `pool:api/round-robin`. Unique in a config. */
  readonly name: string;
  /** The options as the plugin's schema parsed them. */
  readonly options: unknown;
  /** Where they are in the config, such as `plugins[1]`. */
  readonly at: string;
  readonly scope: Scope;
  readonly conditions: readonly Condition[];
  /** The name of `define` in the list of its scope; undefined: it was made in place. */
  readonly definedAs?: string | undefined;
}
