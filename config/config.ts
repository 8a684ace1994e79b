// The config as people write it, and its checks.
import { basename } from 'node:path';
import { z } from 'zod';
import { WeldrError } from '../core/errors.ts';
import type { Plugin } from '../core/plugin/plugin.ts';
import type { LoadedConfig } from '../core/process/config-source.ts';
import { parse } from '../core/settings/options.ts';
import { type Overrides, type SettingsInput, settingsSchema } from '../core/settings/settings.ts';

/** Everything that a `weldr.config.ts` says. */
export type WeldrConfig = SettingsInput & {
  /** The features, in the order in which their hooks run. */
  plugins: readonly Plugin[];
};

/** Gives a config its type, so that an editor completes and checks it; answers it as it is. */
export function defineConfig(config: WeldrConfig): WeldrConfig {
  return config;
}

const plugin = z.custom<Plugin>(isPlugin, {
  error: issue => `expected a plugin such as roundRobin(), got ${describeValue(issue.input)}`,
});

const configSchema = z.looseObject({ plugins: z.array(plugin).max(1000) });

/**
 * Checks a config and fills in its defaults; `overrides` go before what it says. Throws CONFIG_INVALID with all that
 * is wrong, fields named as in `plugins[1].interval`.
 */
export function checkConfig(config: unknown, overrides: Overrides = {}): LoadedConfig {
  const { plugins, ...rest } = parse(configSchema, config);
  const { listen, workers, logLevel } = overrides;
  const settings = parse(settingsSchema, {
    ...rest,
    ...(listen === undefined ? {} : { listen }),
    ...(workers === undefined ? {} : { workers }),
    ...(logLevel === undefined ? {} : { logLevel }),
  });
  for (const [index, { invalid }] of plugins.entries()) {
    if (invalid !== undefined) throw invalid(`plugins[${index}]`);
  }
  refuseDoubles(plugins);
  return { settings, plugins };
}

/** Puts the file's name before each line of a config's problems. */
export function inFile(path: string, thrown: WeldrError): WeldrError {
  const name = basename(path);
  const message = thrown.message
    .split('\n')
    .map(line => `${name}: ${line}`)
    .join('\n');
  return new WeldrError('CONFIG_INVALID', message, {
    cause: thrown.cause,
    ...(thrown.field === undefined ? {} : { field: thrown.field }),
  });
}

function refuseDoubles(plugins: readonly Plugin[]): void {
  const first = new Map<string, number>();
  for (const [index, { name }] of plugins.entries()) {
    const before = first.get(name);
    if (before !== undefined) {
      const field = `plugins[${index}]`;
      throw new WeldrError('CONFIG_INVALID', `${field}: plugins[${before}] is named ${name} already`, {
        field,
      });
    }
    first.set(name, index);
  }
}

function isPlugin(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || !('name' in value)) return false;
  if (typeof value.name !== 'string' || value.name === '') return false;
  const side = (name: string): boolean => {
    const fn: unknown = Reflect.get(value, name);
    return fn === undefined || typeof fn === 'function';
  };
  return side('worker') && side('manager') && side('invalid');
}

function describeValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'function') return `the function ${value.name}: call it, with (), to make the plugin`;
  return JSON.stringify(value);
}
