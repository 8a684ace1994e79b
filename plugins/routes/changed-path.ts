// ChangedPath: the path of a request after a route's changes, checked again so that no server reads it differently than the
// routes did.
import { WeldrError } from '../../core/errors.ts';
import { RequestPath } from '../../core/request/path.ts';

/** Returns a changed path for a path in normal form; undefined: it cannot be changed. */
export type PathChange = (path: string) => string | undefined;

/**
 * Returns the changed path. Throws BAD_REQUEST if some server could read the result as a path that comes from no reading of
 * the original. For example, `/api/%2Fevil/x` without `/api` is `/%2Fevil/x`, which some servers read as the host `evil`.
 */
export function changedPath(path: RequestPath, change: PathChange): string {
  const changed = path.problem === undefined ? change(path.normal) : undefined;
  if (changed === undefined) throw unclear(path, path.problem ?? 'the route cannot change it');
  const result = new RequestPath(changed);
  if (result.plainEnd === changed.length) return changed;
  const originals = path.plainEnd < 0 ? path.readings : [path.normal];
  const meant = new Set(originals.map(change));
  if (result.problem === undefined && result.readings.every(reading => meant.has(reading))) return changed;
  throw unclear(
    path,
    `servers could read the path after the route's change, ${JSON.stringify(changed.slice(0, 200))}, in other ways`,
  );
}

function unclear(path: RequestPath, why: string): WeldrError {
  return new WeldrError(
    'BAD_REQUEST',
    `the path ${JSON.stringify(path.text.slice(0, 200))} is ambiguous: ${why}`,
  );
}
