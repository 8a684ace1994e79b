// PathKey: a path condition of a route, in the form that the index uses.
import { isParameter, segmentsOf } from '../../core/request/path-pattern.ts';
import { expressionOf } from './expression.ts';

/** One of a route's paths. */
export type PathKey =
  | SegmentsKey
  | { readonly kind: 'expression'; readonly expression: RegExp }
  /** `/*`, or no path. */
  | { readonly kind: 'any' };

/** `/users/:id`; `isPrefix`: `/users/:id/*`. */
export interface SegmentsKey {
  readonly kind: 'segments';
  readonly segments: readonly PathSegment[];
  readonly isPrefix: boolean;
}

/** A literal segment in lower case, or a parameter, which matches any segment that is not empty. */
export type PathSegment = { readonly literal: string } | { readonly parameter: string };

/** Returns the key of a path as written in a route; undefined: any path. */
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
 * Less than 0: `a` is more specific than `b` and comes first. Segment by segment, a literal comes before a parameter, and both
 * come before `*`. Regular expressions follow, then any path.
 */
export function comparePaths(a: PathKey, b: PathKey): number {
  if (a.kind !== 'segments' || b.kind !== 'segments') return kinds[a.kind] - kinds[b.kind];
  for (let i = 0; i < a.segments.length && i < b.segments.length; i++) {
    const difference = widthAt(a, i) - widthAt(b, i);
    if (difference !== 0) return difference;
  }
  const shorter = Math.min(a.segments.length, b.segments.length);
  return widthAt(a, shorter) - widthAt(b, shorter);
}

const kinds = { segments: 0, expression: 1, any: 2 };

function widthAt({ segments, isPrefix }: SegmentsKey, at: number): number {
  const segment = segments[at];
  if (segment === undefined) return isPrefix ? 3 : 0;
  return 'literal' in segment ? 1 : 2;
}
