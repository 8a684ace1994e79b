// Loads a config file: in the manager from disk, in a worker from the manager's recording. Modules are imported; .json and
// .yaml are parsed by data-reading.ts.
import { constants } from 'node:fs';
import { access, readFile, stat } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type CheckedConfig, checkConfig, inFile } from '../core/config/config.ts';
import { thrownAt } from '../core/errors/thrown-at.ts';
import { adoptError, describeError, WeldrError } from '../core/errors.ts';
import { showInput } from '../core/options/options.ts';
import type { LoadConfig, ReplayConfig } from '../core/process/config-source.ts';
import type { Overrides } from '../core/settings/settings.ts';
import { builtInPlugins } from './built-in-plugins.ts';
import { readModules, replayModules } from './module-reading.ts';
import { whileReading } from './reading-end.ts';
import { Recorder } from './recorder.ts';

/**
 * Reads and checks the config file at a path. A module's default export is the config; a .json or .yaml file names
 * its plugins: `"plugins": ["roundRobin", { "healthCheck": { "interval": "30s" } }]`.
 */
export const loadConfig: LoadConfig = async (path, overrides) => {
  await refuseUnreadable(path);
  const recorder = new Recorder();
  const { href } = pathToFileURL(path);
  const { config, given } = await checked(path, overrides, {
    modules: url => readModules(url, recorder),
    text: async () => {
      const text = await readFile(path, 'utf8');
      recorder.read(href, 'data', text);
      return text;
    },
  });
  const recording = recorder.seal();
  // Workers do not need this, and valid configs do not need the other imports below.
  const { warningsOf } = await import('../core/config/warnings.ts');
  const warnings = warningsOf(config, given).map(text => `${basename(path)}: ${text}`);
  return { ...config, recording, warnings };
};

/** Loads a config from the manager's recording of it, as {@link loadConfig} does from the file. */
export const replayConfig: ReplayConfig = async ({ path, overrides, recording, onUnrecorded }) => {
  const { href } = pathToFileURL(path);
  const { config } = await checked(path, overrides, {
    modules: url => replayModules(url, recording, onUnrecorded),
    text: async () =>
      recording.modules.find(({ url }) => url === href)?.source ?? (await readFile(path, 'utf8')),
  });
  return config;
};

/** The sources of a config: the disk or a recording. */
interface Sources {
  /** Imports a module, and resolves with its exports. */
  modules(url: URL): Promise<unknown>;
  /** The text of a .json or .yaml file. */
  text(): Promise<string>;
}

/** A config as it was written, and checked. */
interface ReadConfig {
  readonly given: unknown;
  readonly config: CheckedConfig;
}

async function checked(path: string, overrides: Overrides, sources: Sources): Promise<ReadConfig> {
  const isCode = isModule(path);
  const given = isCode ? await readModule(path, sources) : await readData(path, sources);
  const catalogue = isCode ? undefined : await builtInPlugins();
  try {
    return { given, config: checkConfig(given, overrides, catalogue) };
  } catch (thrown) {
    if (thrown instanceof WeldrError && thrown.code === 'CONFIG_INVALID') throw inFile(path, thrown);
    // Thrown by a getter of the config or by a plugin's check.
    if (thrownAt(thrown) !== undefined) throw await problemOf(path, thrown);
    throw thrown;
  }
}

function isModule(path: string): boolean {
  return ['.ts', '.mts', '.js', '.mjs'].includes(extname(path));
}

async function readModule(path: string, sources: Sources): Promise<unknown> {
  const file = basename(path);
  if (/\.m?ts$/.test(path) && !process.features.typescript) {
    throw unreadable(
      `${file}: this Node runs no TypeScript because type stripping is turned off (--no-strip-types, NODE_OPTIONS); turn it on, or write the config as .mjs`,
    );
  }
  let exports: unknown;
  try {
    exports = await whileReading(sources.modules(pathToFileURL(path)));
  } catch (raised) {
    const thrown = adoptError(raised);
    throw thrown instanceof WeldrError ? inFile(path, thrown) : await problemOf(path, thrown);
  }
  if (typeof exports !== 'object' || exports === null || !('default' in exports)) {
    throw unreadable(`${file} exports no config; write ${example}`);
  }
  const config = await exportedBy(path, exports.default);
  if (typeof config === 'object' && config !== null && !Array.isArray(config)) return config;
  const what = typeof config === 'function' ? 'a function' : showInput(config);
  throw unreadable(`${file} exports ${what}, which is not a config; write ${example}`);
}

async function problemOf(path: string, thrown: unknown): Promise<WeldrError> {
  const { moduleProblem } = await import('./module-problem.ts');
  return await moduleProblem(path, thrown);
}

const example = 'export default defineConfig({ plugins: [roundRobin()] })';

async function exportedBy(path: string, exported: unknown): Promise<unknown> {
  try {
    return await whileReading(Promise.resolve(exported));
  } catch (thrown) {
    if (thrown instanceof WeldrError) throw inFile(path, thrown);
    const { rejectedExport } = await import('./module-problem.ts');
    throw rejectedExport(path, thrown);
  }
}

async function readData(path: string, sources: Sources): Promise<unknown> {
  const file = basename(path);
  if (!['.json', '.yaml', '.yml'].includes(extname(path))) {
    throw unreadable(
      `${file} is not a config file; expected a .ts, .mts, .js, .mjs, .json, .yaml or .yml file`,
    );
  }
  const { parseData } = await import('./data-reading.ts');
  const data = await parseData(file, await sources.text());
  if (typeof data === 'object' && data !== null && !Array.isArray(data)) return withoutSchema(data);
  throw unreadable(
    `${file} holds ${showInput(data)}, which is not a config; expected fields such as plugins`,
  );
}

/** Throws CONFIG_INVALID, with the remedy, for a file that cannot be read. */
async function refuseUnreadable(path: string): Promise<void> {
  try {
    const found = await stat(path);
    if (found.isDirectory())
      throw unreadable(`${path} is a folder; name the config file in it with --config`);
    await access(path, constants.R_OK);
  } catch (thrown) {
    if (thrown instanceof WeldrError) throw thrown;
    const code: unknown = thrown instanceof Error ? Reflect.get(thrown, 'code') : undefined;
    if (code === 'ENOENT') throw unreadable(`there is no file ${path}; name the config with --config FILE`);
    if (code === 'EACCES') {
      throw unreadable(`${path} may not be read by this user; make it readable, or start as its owner`);
    }
    throw unreadable(`${path} cannot be read: ${describeError(thrown)}`);
  }
}

function unreadable(message: string): WeldrError {
  return new WeldrError('CONFIG_INVALID', message);
}

/** Removes `$schema`, which is for editors. */
function withoutSchema(data: unknown): unknown {
  if (typeof data !== 'object' || data === null || !('$schema' in data)) return data;
  const { $schema, ...config } = data;
  return config;
}
