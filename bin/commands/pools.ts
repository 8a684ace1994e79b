// `weldr pools …`: the pools of a running Weldr.
import { z } from 'zod';
import type { AdminClient } from '../admin-client.ts';
import { usageError } from '../command-error.ts';
import { formatTable } from '../table.ts';
import { toJson, understood } from './servers.ts';

const pool = z.looseObject({
  name: z.string(),
  servers: z.number(),
  available: z.number(),
  layer: z.string().default('-'),
  fallback: z.string().optional(),
  plugins: z.array(z.string()).default([]),
  pluginsInPlace: z.array(z.string()).default([]),
  problems: z.array(z.string()).default([]),
  overrides: z.record(z.string(), z.unknown()).default({}),
});
const poolList = z.looseObject({ pools: z.array(pool) });

/** Lists the pools. */
export async function listPools(admin: AdminClient, json: boolean): Promise<string> {
  const answer = await admin.call({ method: 'GET', path: '/pools' });
  if (json) return toJson(answer);
  const { pools } = understood(poolList, answer);
  const table = formatTable(
    ['POOL', 'SERVERS', 'AVAILABLE', 'LAYER', 'CHANGED', 'FALLBACK', 'PLUGINS'],
    pools.map(({ name, servers, available, layer, overrides, fallback, plugins, pluginsInPlace }) => [
      name,
      String(servers),
      String(available),
      layer,
      Object.keys(overrides).join(',') || '-',
      fallback ?? '-',
      // Plugins that `--plugins` cannot change are in brackets.
      [...pluginsInPlace.map(plugin => `(${plugin})`), ...plugins].join(',') || '-',
    ]),
  );
  const problems = pools.flatMap(({ name, problems }) => problems.map(problem => `${name}: ${problem}`));
  return problems.length === 0 ? table : `${table}\n\n${problems.join('\n')}`;
}

/** Splits names at commas; undefined: the flag is not given. */
export function namesOf(text: string | undefined): readonly string[] | undefined {
  return text?.split(',').map(name => name.trim());
}

/** Returns the settings of the flags, with those of `--set`, each `timeouts.response=5s`. Throws a CommandError. */
export function settingsOf(
  flags: Readonly<Record<string, unknown>>,
  sets: readonly string[],
): Readonly<Record<string, unknown>> {
  const settings: Record<string, unknown> = { ...flags };
  for (const set of sets) {
    const [, path, text] = /^([A-Za-z0-9]+(?:\.[A-Za-z0-9]+)*)=(.*)$/s.exec(set) ?? [];
    if (path === undefined || text === undefined) {
      throw usageError(`--set: expected FIELD=VALUE such as timeouts.response=5s, got ${set}`);
    }
    setField(settings, path.split('.'), text === '' ? null : parsed(text));
  }
  return settings;
}

function setField(
  settings: Record<string, unknown>,
  [name = '', ...rest]: readonly string[],
  value: unknown,
): void {
  if (rest.length === 0) {
    settings[name] = value;
    return;
  }
  const inner: Record<string, unknown> = { ...Object(settings[name]) };
  setField(inner, rest, value);
  settings[name] = inner;
}

/** Parses JSON; returns the text itself if it is not JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Adds a pool, or changes the one of this name. */
export async function addPool(
  admin: AdminClient,
  definition: Readonly<Record<string, unknown>> & { readonly name: string },
  json: boolean,
): Promise<string> {
  const { name, ...settings } = definition;
  const call = takesBack(settings)
    ? ({ method: 'PATCH', path: poolPath(name), body: settings } as const)
    : ({ method: 'POST', path: '/pools', body: definition } as const);
  const answer = await admin.call(call);
  return json ? toJson(answer) : `the pool ${name} is set`;
}

/** Returns whether a setting goes back to its default, which only an existing pool allows. */
function takesBack(settings: object): boolean {
  return Object.values(settings).some(
    value => value === null || (typeof value === 'object' && !Array.isArray(value) && takesBack(value)),
  );
}

/** Removes a pool. */
export async function removePool(
  admin: AdminClient,
  { name, how }: { readonly name: string; readonly how: { readonly force: boolean } },
  json: boolean,
): Promise<string> {
  const path = `${poolPath(name)}${how.force ? '?force' : ''}`;
  const answer = await admin.call({ method: 'DELETE', path });
  return json ? toJson(answer ?? {}) : `the pool ${name} is removed`;
}

/** Drops an operator's changes of a pool. */
export async function dropPoolChanges(admin: AdminClient, name: string, json: boolean): Promise<string> {
  const answer = await admin.call({ method: 'DELETE', path: `${poolPath(name)}?override` });
  return json ? toJson(answer ?? {}) : `the pool ${name} is as the config says`;
}

const poolPath = (name: string): string => `/pools/${encodeURIComponent(name)}`;
