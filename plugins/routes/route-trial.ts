// RouteTrial: which route a request would take, and why earlier ones do not match: POST /routes/test.

import { describeError, WeldrError } from '../../core/errors.ts';
import { rehearsedOf, triedRequest } from '../../core/explain/tried-request.ts';
import { parse } from '../../core/options/options.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import { rehearse } from '../../core/request/rehearsal.ts';
import { RequestFacts } from '../../core/request/request-facts.ts';
import type { Condition } from '../../core/stages/scope.ts';
import { capture } from './captures.ts';
import { type HostKey, hostEnd } from './host-key.ts';
import type { PathKey } from './path-key.ts';
import { maxForExpressions } from './path-table.ts';
import { locationOf, redirectTarget } from './redirect.ts';
import { requestEdits } from './request-edits.ts';
import { compileConditions } from './route-conditions.ts';
import { precedes, type RouteEntry } from './route-entry.ts';
import type { RouteList, TriedRoute } from './route-list.ts';
import type { OtherwiseOptions, RouteOptions } from './route-options.ts';

/** The most routes that are explained. */
const mostExplained = 100;

/** One list of routes, and the requests that it applies to. */
export interface TriedList {
  readonly list: RouteList;
  readonly conditions: readonly Condition[];
  readonly otherwise: OtherwiseOptions | undefined;
}

/** A route that does not take the request, and the conditions that do not match. */
interface Passed {
  readonly route: string;
  readonly why: readonly string[];
}

/** Tests a request on lists in their order. Throws INPUT_INVALID for an invalid request. */
export function tryRoutes(lists: readonly TriedList[], input: unknown): Readonly<Record<string, unknown>> {
  const ctx = rehearse(rehearsedOf(parse(triedRequest, input, 'INPUT_INVALID')));
  const passed: Passed[] = [];
  let count = 0;
  try {
    for (const { list, conditions, otherwise } of lists) {
      if (!conditions.every(holds => holds(ctx))) continue;
      const found = list.choose(ctx);
      for (const each of passedBefore(list, found, ctx)) {
        count++;
        if (passed.length < mostExplained) passed.push(each);
      }
      const before = { before: passed, beforeCount: count };
      if (found !== undefined) return { ...takenBy(found, ctx), ...before };
      if (otherwise !== undefined) return { route: null, otherwise: true, ...endOf(otherwise), ...before };
    }
    return { route: null, pool: 'default', before: passed, beforeCount: count };
  } catch (thrown) {
    // A 400 of a worker and an error of a condition are results here.
    const { status } = thrown instanceof WeldrError ? thrown : { status: 500 };
    return {
      route: null,
      refused: { status, detail: describeError(thrown) },
      before: passed,
      beforeCount: count,
    };
  }
}

// --- the route that takes it -------------------------------------------------------------------------------------

function takenBy({ route, path }: RouteEntry<TriedRoute>, ctx: ProxyContext) {
  const { options, name } = route;
  const facts = RequestFacts.of(ctx);
  const captures = capture(path, facts.path.normal) ?? {};
  const { redirect } = options;
  if (redirect !== undefined) {
    const location = locationOf(redirectTarget(redirect.to), captures, facts.path);
    return { route: name, redirect: { status: redirect.status, location }, captures };
  }
  return { route: name, ...endOf(options), captures, ...sentBy(options, path, ctx) };
}

function endOf({ pool, redirect, reply, split }: OtherwiseOptions & Pick<RouteOptions, 'split'>) {
  if (pool !== undefined) return { pool };
  if (split !== undefined) return { split };
  if (redirect !== undefined) return { redirect: { status: redirect.status, location: redirect.to } };
  return { reply: { status: reply?.status ?? 200 } };
}

/** Returns what the server would get. Throws BAD_REQUEST as in a worker. */
function sentBy(options: RouteOptions, path: RouteEntry['path'], ctx: ProxyContext) {
  if (options.pool === undefined && options.split === undefined) return {};
  const entry = { path } as RouteEntry;
  for (const edit of requestEdits(options)) edit(ctx, entry);
  const { target, host } = ctx.outgoing;
  const changedHost = options.upstreamHost === undefined ? {} : { host };
  return { sends: { target, ...changedHost } };
}

// --- those before it -----------------------------------------------------------------------------------------------

/** Yields the routes before the one found whose host or path matches the request, in order. */
function* passedBefore(
  list: RouteList,
  found: RouteEntry<TriedRoute> | undefined,
  ctx: ProxyContext,
): Generator<Passed> {
  const { host, path } = RequestFacts.of(ctx);
  const text = path.normal;
  const name = host.slice(0, hostEnd(host)).toLowerCase();
  const said = new Set<TriedRoute>();
  for (const { entry, isHost, isPath } of likeOf(list, found, { name, text })) {
    const { route } = entry;
    if (said.has(route)) continue;
    said.add(route);
    const why = [...(isHost ? [] : ['host']), ...(isPath ? [] : ['path'])];
    yield { route: route.name, why: why.length > 0 ? why : failing(route.options, ctx) };
  }
}

/** Returns the entries before the one found whose host or path matches the request, in order. */
function likeOf(
  list: RouteList,
  found: RouteEntry<TriedRoute> | undefined,
  { name, text }: { readonly name: string; readonly text: string },
) {
  const alike: { entry: RouteEntry<TriedRoute>; isHost: boolean; isPath: boolean }[] = [];
  for (const entry of list.entries()) {
    if (found !== undefined && (entry.route === found.route || !precedes(entry, found))) continue;
    const isHost = matchesHost(entry.host, name);
    const isPath = mayBeTried(entry.path, text) && capture(entry.path, text) !== undefined;
    // A match by "any host" alone does not count.
    if (isPath || (isHost && entry.host.kind !== 'any')) alike.push({ entry, isHost, isPath });
  }
  return alike.sort((a, b) => (a.entry === b.entry ? 0 : precedes(a.entry, b.entry) ? -1 : 1));
}

/** As for requests, expressions are not tried on long texts. */
const mayBeTried = ({ kind }: PathKey, text: string): boolean =>
  kind !== 'expression' || text.length <= maxForExpressions;

function matchesHost(host: HostKey, name: string): boolean {
  switch (host.kind) {
    case 'any':
      return true;
    case 'name':
      return host.name === name;
    case 'below':
      return name.length > host.suffix.length && name.endsWith(host.suffix);
    case 'address':
      return host.pattern.matches(name);
    case 'expression':
      return host.expression.test(name);
  }
}

const plainKeys = ['method', 'clientIp', 'scheme', 'listener', 'not', 'any', 'when'] as const;
const namedKeys = ['header', 'query', 'cookie'] as const;

/** Returns which of the further conditions do not hold. */
function failing(options: RouteOptions, ctx: ProxyContext): string[] {
  const { name, priority } = options;
  const isMet = (condition: Partial<RouteOptions>): boolean =>
    compileConditions({ name, priority, ...condition }, name)?.(ctx) ?? true;
  const plain = plainKeys.filter(key => options[key] !== undefined && !isMet({ [key]: options[key] }));
  const named = namedKeys.flatMap(key =>
    Object.entries(options[key] ?? {})
      .filter(([field, wanted]) => !isMet({ [key]: { [field]: wanted } }))
      .map(([field]) => `${key} ${field}`),
  );
  return [...plain, ...named];
}
