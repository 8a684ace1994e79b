// Reading a config file: modules by import, .json and .yaml by cosmiconfig's loaders.
import { readFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describeError, toError, WeldrError } from '../core/errors.ts';
import type { LoadConfig } from '../core/process/config-source.ts';
import { checkConfig, inFile } from '../core/settings/config.ts';
import { builtInPlugins } from './built-in-plugins.ts';
import { freshUrl } from './fresh-modules.ts';

/**
 * Reads and checks the config file at a path. A module's default export is the config; a .json or .yaml file names
 * its plugins by text: `"plugins": ["roundRobin", { "healthCheck": { "interval": "30s" } }]`.
 */
export const loadConfig: LoadConfig = async (path, overrides) => {
  try {
    if (isModule(path)) return checkConfig(await readModule(path), overrides);
    return checkConfig(await readData(path), overrides, await builtInPlugins());
  } catch (thrown) {
    if (thrown instanceof WeldrError && thrown.code === 'CONFIG_INVALID') throw inFile(path, thrown);
    throw thrown;
  }
};

function isModule(path: string): boolean {
  return ['.ts', '.mts', '.js', '.mjs'].includes(extname(path));
}

async function readModule(path: string): Promise<unknown> {
  if (/\.m?ts$/.test(path) && !process.features.typescript) {
    throw new WeldrError(
      'CONFIG_INVALID',
      `Node ${process.version} does not run TypeScript; use Node 22.18 or newer, or a .mjs config`,
    );
  }
  let exports: { default?: unknown };
  try {
    exports = await import(freshUrl(pathToFileURL(path)));
  } catch (thrown) {
    if (thrown instanceof WeldrError) throw thrown;
    throw new WeldrError('CONFIG_INVALID', `cannot be read: ${describeImportError(thrown)}`, {
      cause: thrown,
    });
  }
  if (exports.default === undefined) {
    throw new WeldrError('CONFIG_INVALID', 'expected `export default defineConfig({ … })`');
  }
  return await exports.default;
}

/** The message, and for a syntax error its place, which only the stack's first line tells. */
function describeImportError(thrown: unknown): string {
  const error = toError(thrown);
  const place = /^(.+:\d+)$/m.exec(error.stack?.split('\n')[0] ?? '')?.[1];
  return place === undefined ? describeError(error) : `${error.message} (${basename(place)})`;
}

async function readData(path: string): Promise<unknown> {
  const { defaultLoaders } = await import('cosmiconfig');
  const extension = extname(path);
  const loader = extension === '.json' ? defaultLoaders['.json'] : defaultLoaders['.yaml'];
  if (!['.json', '.yaml', '.yml'].includes(extension)) {
    throw new WeldrError('CONFIG_INVALID', 'expected a .ts, .mts, .js, .mjs, .json or .yaml file');
  }
  let data: unknown;
  try {
    data = await loader(path, await readFile(path, 'utf8'));
  } catch (thrown) {
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
