// `weldr routes …`: the routes of a running Weldr.
import { z } from 'zod';
import type { AdminClient } from '../admin-client.ts';
import { usageError } from '../command-error.ts';
import { headersOf } from '../header-lines.ts';
import { formatTable } from '../table.ts';
import { toJson, understood } from './servers.ts';

const texts = z.union([z.string(), z.array(z.string())]).optional();
const route = z.looseObject({
  name: z.string(),
  layer: z.string().default('-'),
  priority: z.number().default(0),
  host: texts,
  path: texts,
  pool: z.string().optional(),
  split: z.record(z.string(), z.number()).optional(),
  redirect: z.looseObject({ to: z.string().default('') }).optional(),
  reply: z.looseObject({ status: z.number().default(200) }).optional(),
  code: z.array(z.string()).default([]),
  dangling: z.array(z.string()).default([]),
  warnings: z.array(z.string()).default([]),
  overrides: z.record(z.string(), z.unknown()).default({}),
});
type Route = z.output<typeof route>;
const routeList = z.looseObject({ routes: z.array(route) });

/** Conditions besides host and path. */
const conditions = ['method', 'header', 'query', 'cookie', 'clientIp', 'scheme', 'listener', 'not', 'any'];
/** Fields with a target: a route has one of them. */
const ends = ['pool', 'split', 'redirect', 'reply'];

/** Lists the routes. */
export async function listRoutes(admin: AdminClient, json: boolean): Promise<string> {
  const answer = await admin.call({ method: 'GET', path: '/routes' });
  if (json) return toJson(answer);
  const { routes } = understood(routeList, answer);
  if (routes.length === 0) return 'no routes; add one: weldr routes set api --path "/api/*" --pool api';
  const table = formatTable(
    ['ROUTE', 'MATCH', 'TARGET', 'PRIORITY', 'LAYER', 'CHANGED'],
    routes.map(one => [
      one.name,
      matchOf(one),
      targetOf(one),
      String(one.priority),
      one.layer,
      Object.keys(one.overrides).join(',') || '-',
    ]),
  );
  const problems = routes.flatMap(({ name, dangling, warnings }) => [
    ...dangling.map(pool => `${name}: there is no pool ${pool}: its requests get 503`),
    ...warnings,
  ]);
  return problems.length === 0 ? table : `${table}\n\n${problems.join('\n')}`;
}

/** A route, as flags describe it. */
export interface RouteFlags {
  readonly host: string | undefined;
  readonly path: string | undefined;
  readonly method: string | undefined;
  readonly pool: string | undefined;
  /** Such as `blue=95,green=5`. */
  readonly split: string | undefined;
  readonly redirect: string | undefined;
  readonly stripPrefix: string | undefined;
  readonly rewrite: string | undefined;
  readonly priority: string | undefined;
  /** The whole route as JSON. */
  readonly value: string | undefined;
}

/** Adds or replaces a route with `--value`; other flags add one, or change the fields of an existing one. */
export async function setRoute(
  admin: AdminClient,
  { name, flags }: { readonly name: string; readonly flags: RouteFlags },
  json: boolean,
): Promise<string> {
  const answer = await admin.call(await callFor(admin, name, flags));
  return json ? toJson(answer) : sentence(understood(route, answer));
}

/** Removes a route. */
export async function removeRoute(admin: AdminClient, name: string, json: boolean): Promise<string> {
  const answer = await admin.call({ method: 'DELETE', path: pathOf(name) });
  return json ? toJson(answer ?? {}) : `the route ${name} is removed`;
}

/** Drops an operator's changes of a route, or of some of its fields. */
export async function resetRoute(
  admin: AdminClient,
  { name, field }: { readonly name: string; readonly field: string | undefined },
  json: boolean,
): Promise<string> {
  const fields = field === undefined ? '' : `=${encodeURIComponent(field)}`;
  const answer = await admin.call({ method: 'DELETE', path: `${pathOf(name)}?override${fields}` });
  return json ? toJson(answer ?? {}) : sentence(understood(route, answer));
}

const trial = z.looseObject({
  route: z.string().nullable(),
  otherwise: z.boolean().optional(),
  pool: z.string().optional(),
  split: z.record(z.string(), z.number()).optional(),
  redirect: z.looseObject({ status: z.number(), location: z.string() }).optional(),
  reply: z.looseObject({ status: z.number() }).optional(),
  refused: z.looseObject({ status: z.number(), detail: z.string() }).optional(),
  sends: z.looseObject({ target: z.string(), host: z.string().optional() }).optional(),
  before: z.array(z.looseObject({ route: z.string(), why: z.array(z.string()) })),
  beforeCount: z.number(),
});

/** Returns which route a request would take; `headers` are lines such as `X-Beta: 1`. */
export async function testRoute(
  admin: AdminClient,
  request: { readonly method: string; readonly url: string; readonly headers: readonly string[] },
  json: boolean,
): Promise<string> {
  const { method, url } = request;
  const headers = headersOf(request.headers);
  const answer = await admin.call({ method: 'POST', path: '/routes/test', body: { method, url, headers } });
  if (json) return toJson(answer);
  const tried = understood(trial, answer);
  const lines = tried.before.map(({ route: name, why }) => `not ${name}: ${why.join(' and ')}`);
  if (tried.beforeCount > lines.length) lines.push(`and ${tried.beforeCount - lines.length} more before`);
  return [...lines, outcomeOf(tried)].join('\n');
}

function outcomeOf({ route: name, otherwise, refused, sends, ...ending }: z.output<typeof trial>): string {
  if (refused !== undefined) return `refused with ${refused.status}: ${refused.detail}`;
  const taken = name ?? (otherwise === true ? 'otherwise' : 'no route');
  const { redirect } = ending;
  const end =
    redirect === undefined ? targetOf(ending) : `a redirect (${redirect.status}) to ${redirect.location}`;
  const as =
    sends === undefined ? '' : ` as ${sends.target}${sends.host === undefined ? '' : ` of ${sends.host}`}`;
  return `${taken}: to ${end}${as}`;
}

// --- one route ---------------------------------------------------------------------------------------------------

async function callFor(admin: AdminClient, name: string, flags: RouteFlags) {
  const path = pathOf(name);
  const fields = fieldsOf(flags);
  if (flags.value !== undefined) {
    if (Object.keys(fields).length > 0)
      throw usageError('--value is the whole route: leave the other flags out');
    return { method: 'PUT', path, body: parsed(flags.value) } as const;
  }
  if (Object.keys(fields).length === 0) {
    throw usageError(`nothing to set for ${name}: add flags such as --path "/api/*" --pool api`);
  }
  const before = await admin.find(path);
  if (before === undefined) return { method: 'PUT', path, body: fields } as const;
  // A route has one target: the one that the flags name replaces the existing one.
  const leads = ends.some(end => end in fields);
  const gone = leads ? ends.filter(end => end in Object(before) && !(end in fields)) : [];
  const body = { ...fields, ...Object.fromEntries(gone.map(end => [end, null])) };
  return { method: 'PATCH', path, body } as const;
}

function fieldsOf(flags: RouteFlags): Readonly<Record<string, unknown>> {
  const { host, path, method, pool, split, redirect, stripPrefix, rewrite, priority } = flags;
  if (priority !== undefined && !/^-?\d{1,7}$/.test(priority)) {
    throw usageError(`--priority: expected a number, got ${priority}`);
  }
  const fields = {
    host: listOf(host),
    path: listOf(path),
    method: listOf(method),
    pool,
    split: split === undefined ? undefined : weightsOf(split),
    redirect: redirect === undefined ? undefined : { to: redirect },
    stripPrefix,
    rewrite,
    priority: priority === undefined ? undefined : Number(priority),
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** A regular expression (`~…`) may contain commas. */
function listOf(text: string | undefined): string | readonly string[] | undefined {
  return text === undefined || text.startsWith('~') || !text.includes(',') ? text : text.split(',');
}

function weightsOf(text: string): Readonly<Record<string, number>> {
  const weights = text.split(',').map(part => {
    const [, name, weight] = /^([^=]+)=(\d{1,7})$/.exec(part.trim()) ?? [];
    if (name === undefined)
      throw usageError(`--split: expected pools and weights such as blue=95,green=5, got ${text}`);
    return [name, Number(weight)] as const;
  });
  return Object.fromEntries(weights);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw usageError(`--value: expected JSON such as '{"path":"/api/*","pool":"api"}', got ${text}`);
  }
}

function sentence(one: Route): string {
  const what = `${one.name} (${one.layer}) leads ${matchOf(one)} to ${targetOf(one)}`;
  return [what, ...one.warnings].join('\n');
}

function matchOf(one: Route): string {
  const host = [one.host ?? []].flat();
  const path = [one.path ?? '/*'].flat();
  const more = conditions.filter(key => one[key] !== undefined);
  const inCode = one.code.length === 0 ? [] : [`(${one.code.join(', ')} in code)`];
  return [
    `${host.join(',')}${host.length > 0 && path.length > 1 ? ' ' : ''}${path.join(',')}`,
    ...more,
    ...inCode,
  ].join(' ');
}

function targetOf({
  pool,
  split,
  redirect,
  reply,
}: Partial<Pick<Route, 'pool' | 'split' | 'reply'>> & { redirect?: object | undefined }): string {
  if (pool !== undefined) return `pool ${pool}`;
  if (split !== undefined) {
    return `pools ${Object.entries(split)
      .map(([name, weight]) => `${name}=${weight}`)
      .join(',')}`;
  }
  if (redirect !== undefined) return `a redirect to ${String(Reflect.get(redirect, 'to'))}`;
  return `a reply of ${reply?.status ?? 200}`;
}

const pathOf = (name: string): string => `/routes/${encodeURIComponent(name)}`;
