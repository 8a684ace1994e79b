// PluginInstance: one plugin at one place of a config, its options parsed. The name of the place and of the plugin is the
// identity by which memory, channels and metrics are kept.
import type { Condition, Scope } from '../stages/scope.ts';
import type { Plugin } from './plugin.ts';

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
