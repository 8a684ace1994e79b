// A state file: servers, pools and routes as the config writes them, for `weldr apply` and `weldr get`.
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { describeError } from '../../core/errors.ts';
import { parseServerAddress } from '../../core/pool/server-address.ts';
import { CommandError } from '../command-error.ts';

/** The exit code of a failure, as diff(1) has it. */
export const trouble = 2;

const server = z.union([z.string(), z.looseObject({ url: z.string() })], {
  error: 'expected a URL, or an object with url',
});
const pool = z.union([z.array(server), z.looseObject({ servers: z.array(server).optional() })], {
  error: 'expected a list of servers, or an object',
});
const file = z.strictObject({
  servers: z.array(server).optional(),
  pools: z.record(z.string(), pool).optional(),
  routes: z.array(z.looseObject({ name: z.string() }, { error: 'expected an object with name' })).optional(),
});

/** A server of a state file: its identity, and its fields. */
export interface StateServer {
  readonly id: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A pool of a state file. */
export interface StatePool {
  readonly name: string;
  /** Its fields beside its servers. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly servers: readonly StateServer[];
}

/** A route of a state file. */
export interface StateRoute {
  readonly name: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** The content of a state file. */
export interface StateFile {
  readonly pools: readonly StatePool[];
  /** Undefined: the file has no `routes`. */
  readonly routes: readonly StateRoute[] | undefined;
}

/** Reads a file, YAML or JSON; `-` is stdin. Throws a CommandError that names the place of the mistake. */
export async function readState(path: string): Promise<StateFile> {
  let parsed: unknown;
  try {
    const content = path === '-' ? await text(process.stdin) : await readFile(path, 'utf8');
    const { defaultLoaders } = await import('cosmiconfig');
    parsed = defaultLoaders['.yaml'](path, content);
  } catch (thrown) {
    throw new CommandError(`cannot read ${path}: ${describeError(thrown)}`, trouble);
  }
  const checked = file.safeParse(parsed);
  if (!checked.success) {
    const [issue] = checked.error.issues;
    const place = issue?.path.join('.') || 'the file';
    throw new CommandError(`${path}: ${place}: ${issue?.message ?? 'not valid'}`, trouble);
  }
  const { servers, pools = {} } = checked.data;
  const routes = checked.data.routes?.map(({ name, ...fields }) => ({ name, fields }));
  refuseTwice(path, routes ?? []);
  const named = Object.entries(pools).map(([name, said]) => poolOf(path, name, said));
  if (servers === undefined) return { pools: named, routes };
  if (Object.hasOwn(pools, 'default')) {
    throw new CommandError(
      `${path}: \`servers\` is the pool default, which \`pools\` has too; keep one`,
      trouble,
    );
  }
  return { pools: [poolOf(path, 'default', servers), ...named], routes };
}

function refuseTwice(path: string, routes: readonly StateRoute[]): void {
  const seen = new Set<string>();
  for (const { name } of routes) {
    if (seen.has(name)) throw new CommandError(`${path}: two routes have the name ${name}`, trouble);
    seen.add(name);
  }
}

function poolOf(path: string, name: string, said: z.output<typeof pool>): StatePool {
  const { servers = [], ...settings } = Array.isArray(said) ? { servers: said } : said;
  const seen = new Set<string>();
  const list = servers.map(one => {
    const { url, ...fields } = typeof one === 'string' ? { url: one } : one;
    const id = idOf(path, url);
    if (seen.has(id)) throw new CommandError(`${path}: ${id} is in the pool ${name} twice`, trouble);
    seen.add(id);
    return { id, fields };
  });
  return { name, settings, servers: list };
}

function idOf(path: string, url: string): string {
  try {
    return parseServerAddress(url).id;
  } catch (thrown) {
    throw new CommandError(`${path}: ${describeError(thrown)}`, trouble);
  }
}
