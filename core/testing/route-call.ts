// Calls an admin route in a test as the admin server does, without a socket.
import type { AdminAnswer, AdminRoute, AdminRoutes } from '../plugin/admin.ts';
import { knownQuery } from '../plugin/admin-query.ts';
import { Precondition, type PreconditionFields } from '../plugin/precondition.ts';
import { throughJson } from './message-line.ts';

/** The header fields of a call that routes look at. */
export type RouteConditions = PreconditionFields & { readonly accept?: string };

/** Calls the route for a method and a target. Rejects with an Error when no route matches. */
export async function callRoute(
  routes: AdminRoutes,
  method: string,
  { target, body, conditions }: { target: string; body: unknown; conditions: RouteConditions },
): Promise<AdminAnswer> {
  const url = new URL(target, 'http://admin.invalid');
  for (const route of routes) {
    const params = route.method === method ? match(route, url.pathname) : undefined;
    if (params === undefined) continue;
    const answer = await route.handle({
      method,
      path: url.pathname,
      params,
      query: knownQuery(route, { path: url.pathname, search: url.search }, routes),
      precondition: conditionsOf(route, conditions),
      accept: conditions.accept,
      by: 'a test',
      role: 'operator',
      body: throughJson(body),
    });
    const isText = answer.contentType === 'application/json' && typeof answer.body === 'string';
    return { ...answer, body: isText ? JSON.parse(String(answer.body)) : throughJson(answer.body) };
  }
  throw new Error(`no plugin serves ${method} ${url.pathname}`);
}

function conditionsOf(route: AdminRoute, fields: PreconditionFields): Precondition {
  const precondition = new Precondition(fields);
  if (route.method !== 'GET' && route.conditional !== true)
    precondition.refuse(`${route.method} ${route.path}`);
  return precondition;
}

/** The `:names` of a route's path, if the path is of that form. */
function match(route: AdminRoute, path: string): Record<string, string> | undefined {
  const wanted = route.path.split('/');
  const given = path.split('/');
  if (wanted.length !== given.length) return undefined;
  const params: Record<string, string> = {};
  for (const [i, part] of wanted.entries()) {
    const value = given[i] ?? '';
    if (part.startsWith(':')) params[part.slice(1)] = decodeURIComponent(value);
    else if (part !== value) return undefined;
  }
  return params;
}
