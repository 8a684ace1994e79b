// Where the two processes get a config from; who reads files stands outside of the core.
import type { DefinedPlugins } from '../plugin/defined-plugins.ts';
import type { PluginInstance } from '../plugin/plugin-instance.ts';
import type { Overrides, Settings } from '../settings/settings.ts';

/** A config as read and checked. */
export interface LoadedConfig {
  readonly settings: Settings;
  readonly plugins: readonly PluginInstance[];
  /** What pools and routes that are made at run time can name. */
  readonly defined: DefinedPlugins;
}

/** One source as the manager read it. */
export interface RecordedModule {
  /** The true URL of its file. */
  readonly url: string;
  /** What Node took it for, such as `module-typescript`; absent where Node looks into it, as it does with some CommonJS. */
  readonly format?: string | undefined;
  /** Its text; of a binary module the bytes, as base64. */
  readonly source: string;
}

/**
 * The sources of a config and of all that it imports by path, as the manager read them. Plain JSON: workers and their
 * replacements load this, whatever became of the files meanwhile.
 */
export interface ConfigRecording {
  readonly modules: readonly RecordedModule[];
  /** What each import led to: who imports what, and the URL of the module. */
  readonly imports: readonly (readonly [request: string, url: string])[];
}

/** The recording of a config that comes from code. */
export const emptyRecording: ConfigRecording = { modules: [], imports: [] };

/** A config, with the sources that it came from. */
export interface RecordedConfig extends LoadedConfig {
  readonly recording: ConfigRecording;
  /** What in it is legal and surely not meant, a sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Reads the config at a path afresh, the modules that it is made of included. Rejects with CONFIG_INVALID, a
 * message that names file and field.
 */
export type LoadConfig = (path: string, overrides: Overrides) => Promise<RecordedConfig>;

/** What a worker loads a config from. */
export interface ConfigSource {
  /** The path of the config. */
  readonly path: string;
  readonly overrides: Overrides;
  readonly recording: ConfigRecording;
  /** Is called once for each module that a recorded one imports and that is not recorded, with its path. */
  onUnrecorded(path: string): void;
}

/** Loads a config from a recording. Rejects as {@link LoadConfig} does. */
export type ReplayConfig = (source: ConfigSource) => Promise<LoadedConfig>;
