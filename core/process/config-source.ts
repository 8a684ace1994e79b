// Where the manager and its workers get a config from; the code that reads files is outside the core.
import type { DefinedPlugins } from '../plugin/defined-plugins.ts';
import type { PluginInstance } from '../plugin/plugin-instance.ts';
import type { Overrides, Settings } from '../settings/settings.ts';

/** A config as read and checked. */
export interface LoadedConfig {
  readonly settings: Settings;
  readonly plugins: readonly PluginInstance[];
  /** The plugins that pools and routes made at run time can name. */
  readonly defined: DefinedPlugins;
}

/** One source file as the manager read it. */
export interface RecordedModule {
  /** The URL of its file, links resolved. */
  readonly url: string;
  /** The format that Node found, such as `module-typescript`; absent where Node inspects the source, as for some CommonJS. */
  readonly format?: string | undefined;
  /** Its text; for a binary module the bytes, as base64. */
  readonly source: string;
}

/**
 * The sources of a config and of everything that it imports by path, as the manager read them. Plain JSON: workers and
 * their replacements load this, even if the files have changed since.
 */
export interface ConfigRecording {
  readonly modules: readonly RecordedModule[];
  /** What each import resolved to: the importing module with the specifier, and the URL of the module. */
  readonly imports: readonly (readonly [request: string, url: string])[];
}

/** The recording of a config that was passed in from code. */
export const emptyRecording: ConfigRecording = { modules: [], imports: [] };

/** A config with its sources. */
export interface RecordedConfig extends LoadedConfig {
  readonly recording: ConfigRecording;
  /** What is valid in it but probably a mistake, a sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Reads the config at a path afresh, including the modules that it imports. Rejects with CONFIG_INVALID and a
 * message that names file and field.
 */
export type LoadConfig = (path: string, overrides: Overrides) => Promise<RecordedConfig>;

/** What a worker loads a config from. */
export interface ConfigSource {
  /** The path of the config. */
  readonly path: string;
  readonly overrides: Overrides;
  readonly recording: ConfigRecording;
  /** Called once, with its path, for each unrecorded module that a recorded one imports. */
  onUnrecorded(path: string): void;
}

/** Loads a config from a recording. Rejects as {@link LoadConfig} does. */
export type ReplayConfig = (source: ConfigSource) => Promise<LoadedConfig>;
