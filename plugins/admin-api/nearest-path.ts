// NearestPath: why nothing is at a path, with the path that was probably meant.
import { editDistance, nearest } from '../../core/errors/nearest.ts';
import type { AdminRoute } from '../../core/plugin/admin.ts';

/** Returns the message that no route has this path, with the path that was probably meant. */
export function noPath(asked: string, routes: Iterable<AdminRoute>): string {
  const meant = nearestPath(asked, routes);
  const hint = meant === undefined ? ';' : `; did you mean ${meant}?`;
  return `there is no ${asked}${hint} GET / lists what there is`;
}

/** Returns the most similar path that is served, its parameters as in the one that was asked for; undefined: none is near. */
function nearestPath(asked: string, routes: Iterable<AdminRoute>): string | undefined {
  const given = partsOf(asked);
  let best: string | undefined;
  let fewest = Number.POSITIVE_INFINITY;
  for (const { path, rel, access } of routes) {
    // Only its page asks for the files of a page.
    if (rel === undefined && access === 'everybody') continue;
    const wanted = partsOf(path);
    const edits = editsBetween(given, wanted);
    if (edits === undefined || edits >= fewest) continue;
    fewest = edits;
    best = `/${wanted.map((part, index) => (isParameter(part) ? given[index] : part)).join('/')}`;
  }
  return best;
}

/** Returns how many edits apart the fixed parts of a route's path are from those asked for; undefined: one is not near. */
function editsBetween(given: readonly string[], wanted: readonly string[]): number | undefined {
  if (given.length !== wanted.length) return undefined;
  let edits = 0;
  for (const [index, part] of wanted.entries()) {
    const word = given[index] ?? '';
    if (isParameter(part) || word === part) continue;
    if (nearest(word, [part]) === undefined) return undefined;
    edits += editDistance(word, part);
  }
  // The same path has another reason not to be served.
  return edits === 0 ? undefined : edits;
}

const partsOf = (path: string): string[] => path.split('/').filter(part => part !== '');
const isParameter = (part: string): boolean => part.startsWith(':');
