// Where the two processes get a config from; who reads files stands outside of the core.
import type { PluginInstance } from '../plugin/plugin-instance.ts';
import type { Overrides, Settings } from '../settings/settings.ts';

/** A config as read and checked. */
export interface LoadedConfig {
  readonly settings: Settings;
  readonly plugins: readonly PluginInstance[];
}

/**
 * Reads the config at a path afresh, the modules that it is made of included. Rejects with CONFIG_INVALID, a
 * message that names file and field.
 */
export type LoadConfig = (path: string, overrides: Overrides) => Promise<LoadedConfig>;
