// Loading a config file, in the manager from the disk and in a worker from the manager's recording of it: modules by
// import, .json and .yaml by cosmiconfig's loaders.
import { readFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { adoptError, describeError, toError, WeldrError } from '../core/errors.ts';
import type { LoadConfig, LoadedConfig, ReplayConfig } from '../core/process/config-source.ts';
import { checkConfig, inFile } from '../core/settings/config.ts';
import type { Overrides } from '../core/settings/settings.ts';
import { builtInPlugins } from './built-in-plugins.ts';
import { readModules, replayModules, withoutMarks } from './module-reading.ts';
import { Recorder } from './recorder.ts';

/**
 * Reads and checks the config file at a path. A module's default export is the config; a .json or .yaml file names
 * its plugins by text: `"plugins": ["roundRobin", { "healthCheck": { "interval": "30s" } }]`.
 */
export const loadConfig: LoadConfig = async (path, overrides) => {
  const recorder = new Recorder();
  const { href } = pathToFileURL(path);
  const config = await checked(path, overrides, {
    modules: url => readModules(url, recorder),
    text: async () => {
      const text = await readFile(path, 'utf8');
      recorder.read(href, 'data', text);
      return text;
    },
  });
  return { ...config, recording: recorder.seal() };
};

/** Loads a config from the manager's recording of it, as {@link loadConfig} does from the file. */
export const replayConfig: ReplayConfig = async ({ path, overrides, recording, onUnrecorded }) => {
  const { href } = pathToFileURL(path);
  return await checked(path, overrides, {
    modules: url => replayModules(url, recording, onUnrecorded),
    text: async () =>
      recording.modules.find(({ url }) => url === href)?.source ?? (await readFile(path, 'utf8')),
  });
};

/** Where the config comes from. */
interface Sources {
  /** Imports a module, and resolves with its exports. */
  modules(url: URL): Promise<unknown>;
  /** The text of a .json or .yaml file. */
  text(): Promise<string>;
}

async function checked(path: string, overrides: Overrides, sources: Sources): Promise<LoadedConfig> {
  try {
    if (isModule(path)) return checkConfig(await readModule(path, sources), overrides);
    return checkConfig(await readData(path, sources), overrides, await builtInPlugins());
  } catch (thrown) {
    if (thrown instanceof WeldrError && thrown.code === 'CONFIG_INVALID') throw inFile(path, thrown);
    throw thrown;
  }
}

function isModule(path: string): boolean {
  return ['.ts', '.mts', '.js', '.mjs'].includes(extname(path));
}

async function readModule(path: string, sources: Sources): Promise<unknown> {
  if (/\.m?ts$/.test(path) && !process.features.typescript) {
    throw new WeldrError(
      'CONFIG_INVALID',
      `Node ${process.version} does not run TypeScript; use Node 22.18 or newer, or a .mjs config`,
    );
  }
  let exports: unknown;
  try {
    exports = await sources.modules(pathToFileURL(path));
  } catch (raised) {
    const thrown = adoptError(raised);
    if (thrown instanceof WeldrError) throw thrown;
    throw new WeldrError('CONFIG_INVALID', `cannot be read: ${describeImportError(thrown)}`, {
      cause: thrown,
    });
  }
  if (typeof exports !== 'object' || exports === null || !('default' in exports)) {
    throw new WeldrError('CONFIG_INVALID', 'expected `export default defineConfig({ … })`');
  }
  return await exports.default;
}

/** The message, and for a syntax error its place, which only the stack's first line tells. */
function describeImportError(thrown: unknown): string {
  const error = toError(thrown);
  const place = /^(.+:\d+)$/m.exec(withoutMarks(error.stack?.split('\n')[0] ?? ''))?.[1];
  const message = place === undefined ? describeError(error) : `${error.message} (${basename(place)})`;
  return withoutMarks(message);
}

async function readData(path: string, sources: Sources): Promise<unknown> {
  const { defaultLoaders } = await import('cosmiconfig');
  const extension = extname(path);
  const loader = extension === '.json' ? defaultLoaders['.json'] : defaultLoaders['.yaml'];
  if (!['.json', '.yaml', '.yml'].includes(extension)) {
    throw new WeldrError('CONFIG_INVALID', 'expected a .ts, .mts, .js, .mjs, .json or .yaml file');
  }
  let data: unknown;
  try {
    data = await loader(path, await sources.text());
  } catch (thrown) {
    if (thrown instanceof WeldrError) throw thrown;
    throw new WeldrError('CONFIG_INVALID', `cannot be read: ${describeError(thrown)}`, { cause: thrown });
  }
  return withoutSchema(data);
}

/** `$schema` is for editors. */
function withoutSchema(data: unknown): unknown {
  if (typeof data !== 'object' || data === null || !('$schema' in data)) return data;
  const { $schema, ...config } = data;
  return config;
}
