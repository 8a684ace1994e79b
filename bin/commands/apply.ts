// `weldr apply -f FILE`: applies a file of servers, pools and routes to the running Weldr, and shows the differences.
import { z } from 'zod';
import { exitCodes } from '../../core/process/exit-codes.ts';
import { maxBatch, maxPlanned } from '../../core/state/row.ts';
import type { AdminClient } from '../admin-client.ts';
import { CommandError } from '../command-error.ts';
import { understood } from './servers.ts';
import { readState, type StateFile, type StateRoute, trouble } from './state-file.ts';

const poolList = z.looseObject({
  pools: z.array(z.looseObject({ name: z.string(), fallback: z.string().optional() })),
});
const routeList = z.looseObject({ routes: z.array(z.looseObject({ name: z.string() })) });
const serverList = z.looseObject({ servers: z.array(z.looseObject({ id: z.string() })) });
const planned = z.looseObject({
  changes: z.array(
    z.looseObject({
      kind: z.string(),
      key: z.string(),
      op: z.enum(['add', 'change', 'remove']),
      field: z.string().optional(),
      from: z.unknown().optional(),
      to: z.unknown().optional(),
    }),
  ),
});

type Planned = z.output<typeof planned>['changes'];

/** Options of {@link applyFile}. */
export interface ApplyOptions {
  /** Only show what would change. */
  readonly dryRun: boolean;
  /** Remove what the file does not name: servers of its pools, pools, and routes if it names any. */
  readonly prune: boolean;
}

/**
 * Applies a file. The exit codes are those of diff: 0 when it is done or nothing differs; with `dryRun` 1 when something
 * differs; 2 when it fails.
 */
export async function applyFile(
  admin: AdminClient,
  path: string,
  { dryRun, prune }: ApplyOptions,
): Promise<{ text: string; exitCode: number }> {
  const state = await readState(path);
  try {
    const changes = [...changesFor(state), ...(prune ? await pruned(admin, state) : [])];
    const differences: Planned = [];
    for (const plan of slices(changes, maxPlanned)) {
      const answer = await admin.call({ method: 'POST', path: '/batch?dryRun', body: { changes: plan } });
      differences.push(...understood(planned, answer).changes);
    }
    if (!dryRun && differences.length > 0) {
      for (const batch of slices(changes, maxBatch))
        await admin.call({ method: 'POST', path: '/batch', body: { changes: batch } });
    }
    const exitCode = dryRun && differences.length > 0 ? exitCodes.failed : exitCodes.ok;
    return { text: describe(differences, dryRun), exitCode };
  } catch (thrown) {
    if (!(thrown instanceof CommandError) || thrown.exitCode !== exitCodes.failed) throw thrown;
    throw new CommandError(thrown.message, trouble);
  }
}

function slices<T>(list: readonly T[], length: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(list.length / length) }, (_, n) =>
    list.slice(n * length, (n + 1) * length),
  );
}

/** Returns the changes of a file, pools first: their servers, other pools and routes need them. */
function changesFor({ pools, routes = [] }: StateFile): object[] {
  return [
    ...fallbacksFirst(pools, ({ settings }) => settings['fallback']).map(({ name, settings }) => ({
      op: 'add',
      kind: 'pool',
      name,
      value: settings,
    })),
    ...pools.flatMap(({ name, servers }) =>
      servers.map(({ id, fields }) => ({ op: 'add', pool: name, url: id, value: fields })),
    ),
    // Replaced as a whole: a patch would keep the former target beside the new one.
    ...routes.map(({ name, fields }) => ({ op: 'put', kind: 'route', name, value: fields })),
  ];
}

/** Returns the pools so that each comes after its fallback. Those of a cycle, which the API refuses, are in any order. */
function fallbacksFirst<T extends { readonly name: string }>(
  pools: readonly T[],
  fallbackOf: (pool: T) => unknown,
): readonly T[] {
  const byName = new Map<unknown, T>(pools.map(pool => [pool.name, pool]));
  const ordered = new Set<T>();
  for (const pool of pools) {
    const chain = new Set<T>();
    let next: T | undefined = pool;
    while (next !== undefined && !ordered.has(next) && !chain.has(next)) {
      chain.add(next);
      next = byName.get(fallbackOf(next));
    }
    for (const one of [...chain].reverse()) ordered.add(one);
  }
  return [...ordered];
}

/** Returns the removals of what the file does not name. */
async function pruned(admin: AdminClient, { pools, routes }: StateFile): Promise<object[]> {
  const answer = await admin.call({ method: 'GET', path: '/pools' });
  const removals: object[] = [];
  const emptied: object[] = [];
  const known = fallbacksFirst(understood(poolList, answer).pools, ({ fallback }) => fallback);
  // A pool can be removed when no other one falls back to it.
  for (const { name } of known.toReversed()) {
    const said = pools.find(pool => pool.name === name);
    const path = `/pools/${encodeURIComponent(name)}/servers`;
    const { servers } = understood(serverList, await admin.call({ method: 'GET', path }));
    const ids = new Set(said?.servers.map(({ id }) => id));
    if (said !== undefined || name !== 'default') {
      const gone = servers.filter(({ id, reason }) => !ids.has(id) && reason !== 'removed');
      removals.push(...gone.map(({ id }) => ({ op: 'remove', pool: name, url: id })));
    }
    if (said === undefined && name !== 'default') emptied.push({ op: 'remove', kind: 'pool', name });
  }
  return [...(routes === undefined ? [] : await prunedRoutes(admin, routes)), ...removals, ...emptied];
}

/** Returns the removals of routes, which come before those of the pools that they lead to. */
async function prunedRoutes(admin: AdminClient, routes: readonly StateRoute[]): Promise<object[]> {
  const kept = new Set(routes.map(({ name }) => name));
  const answer = understood(routeList, await admin.call({ method: 'GET', path: '/routes' }));
  return answer.routes
    .filter(({ name }) => !kept.has(name))
    .map(({ name }) => ({ op: 'remove', kind: 'route', name }));
}

function describe(differences: Planned, dryRun: boolean): string {
  if (differences.length === 0) return 'nothing differs';
  const lines = differences.map(({ kind, key, op, field, from, to }) => {
    if (op === 'add') return `+ ${kind} ${key}`;
    if (op === 'remove') return `- ${kind} ${key}`;
    return `~ ${kind} ${key}: ${field ?? ''} ${show(from)} -> ${show(to)}`;
  });
  const things = (wanted: string): number =>
    new Set(differences.flatMap(({ op, kind, key }) => (op === wanted ? `${kind} ${key}` : []))).size;
  const counts = `${things('add')} to add, ${things('change')} to change, ${things('remove')} to remove`;
  lines.push(dryRun ? `${counts}; nothing was changed` : `${counts}: done`);
  return lines.join('\n');
}

function show(value: unknown): string {
  return value === undefined ? 'none' : JSON.stringify(value);
}
