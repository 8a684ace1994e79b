// PathKey: a path condition of a route in the form in which the index takes it.
import { isParameter, segmentsOf } from '../../core/request/path-pattern.ts';
import { expressionOf } from './expression.ts';

/** One of a route's paths. */
export type PathKey =
  /** `/users/:id`; `isPrefix`: `/users/:id/*`. */
  | { readonly kind: 'segments'; readonly segments: readonly PathSegment[]; readonly isPrefix: boolean }
  | { readonly kind: 'expression'; readonly expression: RegExp }
  /** `/*`, or no path at all. */
  | { readonly kind: 'any' };

/** A segment which is compared, in lower case, or one which stands for any that is not empty. */
export type PathSegment = { readonly literal: string } | { readonly parameter: string };

/** The key of a path as it is written; undefined: there is none. */
export function pathKey(path: string | RegExp | undefined): PathKey {
  if (path === undefined) return { kind: 'any' };
  const expression = expressionOf(path);
  if (expression !== undefined) return { kind: 'expression', expression };
  const { segments, isPrefix } = segmentsOf(String(path));
  if (isPrefix && segments.length === 0) return { kind: 'any' };
  return { kind: 'segments', isPrefix, segments: segments.filter(segment => segment !== '').map(segmentKey) };
}

function segmentKey(segment: string): PathSegment {
  return isParameter(segment) ? { parameter: segment.slice(1) } : { literal: segment.toLowerCase() };
}

/**
 * How narrow a path is, as a text: the one that sorts first is asked first. Segment by segment a literal comes before a
 * parameter, and both before what matches all below; then come regular expressions, then any path.
 */
export function pathOrder(path: PathKey): string {
  if (path.kind === 'any') return 'f';
  if (path.kind === 'expression') return 'e';
  const segments = path.segments.map(segment => ('literal' in segment ? 'b' : 'c'));
  return `${segments.join('')}${path.isPrefix ? 'd' : 'a'}`;
}
