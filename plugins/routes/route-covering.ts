// Whether one host and path of a route takes all that another one takes.
import type { HostKey } from './host-key.ts';
import type { PathKey, PathSegment } from './path-key.ts';
import type { IndexedRoute, RouteEntry } from './route-entry.ts';

type Place<R extends IndexedRoute> = Pick<RouteEntry<R>, 'host' | 'path'>;

/** Does `wide` match whatever `narrow` does, further conditions aside? False, too, where it cannot be told. */
export function covers<R extends IndexedRoute>(wide: Place<R>, narrow: Place<R>): boolean {
  return coversHost(wide.host, narrow.host) && coversPath(wide.path, narrow.path);
}

function coversHost(wide: HostKey, narrow: HostKey): boolean {
  if (wide.kind === 'any') return true;
  if (wide.kind === 'below') {
    if (narrow.kind === 'name')
      return narrow.name.length > wide.suffix.length && narrow.name.endsWith(wide.suffix);
    return narrow.kind === 'below' && narrow.suffix.endsWith(wide.suffix);
  }
  if (wide.kind === 'name') return narrow.kind === 'name' && narrow.name === wide.name;
  if (wide.kind === 'address') return narrow.kind === 'address' && wide.pattern.matches(narrow.address);
  return narrow.kind === 'expression' && String(narrow.expression) === String(wide.expression);
}

function coversPath(wide: PathKey, narrow: PathKey): boolean {
  if (wide.kind === 'any') return true;
  if (wide.kind === 'expression') {
    return narrow.kind === 'expression' && String(narrow.expression) === String(wide.expression);
  }
  if (narrow.kind !== 'segments') return false;
  const isLongEnough = wide.isPrefix
    ? narrow.segments.length >= wide.segments.length
    : !narrow.isPrefix && narrow.segments.length === wide.segments.length;
  return isLongEnough && wide.segments.every((segment, i) => coversSegment(segment, narrow.segments[i]));
}

function coversSegment(wide: PathSegment, narrow: PathSegment | undefined): boolean {
  if ('parameter' in wide) return true;
  return narrow !== undefined && 'literal' in narrow && narrow.literal === wide.literal;
}
