// The parameters that a call of the admin API may have in its query: those that its route declares.
import { nearest } from '../errors/nearest.ts';
import { WeldrError } from '../errors.ts';
import type { AdminRoute } from './admin.ts';

/** The most characters of a caller's text that a message repeats. */
const mostShown = 100;

/**
 * Returns the query of a call. Throws INPUT_INVALID for a parameter that the route does not declare: ignoring it would do
 * something other than what the caller wants. A route that is open to everybody, such as a file of a page, takes any.
 */
export function knownQuery(
  route: AdminRoute,
  { path, search }: { readonly path: string; readonly search: string },
  routes: Iterable<AdminRoute>,
): URLSearchParams {
  const query = new URLSearchParams(search);
  if (route.access === 'everybody' || route.ignoresQuery === true) return query;
  const known = Object.keys(route.query ?? {});
  for (const [name, value] of query) {
    if (known.includes(name)) continue;
    const field = name.slice(0, mostShown);
    const call = `${route.method} ${path.slice(0, mostShown)}`;
    const meant = callWithPart(route, { path, name, value }, routes) ?? nearest(field, known);
    throw new WeldrError(
      'INPUT_INVALID',
      `${call} has no parameter ${JSON.stringify(field)}; it takes ${known.length === 0 ? 'none' : known.join(', ')}` +
        (meant === undefined ? '' : `; did you mean ${meant}?`),
      { field },
    );
  }
  return query;
}

/** The call that has the parameter in its path, as `/pools/shop/servers` has the pool; undefined: there is none. */
function callWithPart(
  { method, path: pattern }: AdminRoute,
  { path, name, value }: { readonly path: string; readonly name: string; readonly value: string },
  routes: Iterable<AdminRoute>,
): string | undefined {
  const wanted = `/${name}s/:${name}${pattern}`;
  for (const route of routes) {
    if (route.method !== method || route.path !== wanted) continue;
    return `${method} /${name}s/${encodeURIComponent(value.slice(0, mostShown))}${path.slice(0, mostShown)}`;
  }
  return undefined;
}
