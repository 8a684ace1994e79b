// Captures: the parts of a request's path that a route's path matched, by name: `*` is `1`, `:id` is `id`.
import type { PathKey } from './path-key.ts';

/** By name; parts of the path in normal form, still encoded. */
export type Captures = Readonly<Record<string, string>>;

const none: Captures = Object.freeze({});

/** Returns the names of a path's captures. */
export function captureNames(path: PathKey): readonly string[] {
  if (path.kind === 'any') return ['1'];
  if (path.kind === 'segments') {
    const parameters = path.segments.flatMap(segment => ('parameter' in segment ? [segment.parameter] : []));
    return path.isPrefix ? [...parameters, '1'] : parameters;
  }
  // An empty alternative matches everything and reveals all groups.
  const found = new RegExp(`${path.expression.source}|`, path.expression.flags).exec('');
  const numbers = Array.from({ length: (found?.length ?? 1) - 1 }, (_, i) => String(i + 1));
  return [...numbers, ...Object.keys(found?.groups ?? {})];
}

/** Returns the captures in a text in normal form; undefined: it does not match. */
export function capture(path: PathKey, text: string): Captures | undefined {
  if (path.kind === 'any') return { '1': text.replace(/^\//, '') };
  if (path.kind === 'expression') {
    const found = path.expression.exec(text);
    if (found === null) return undefined;
    const groups = found
      .slice(1)
      .map((group: string | undefined, i) => [String(i + 1), group ?? ''] as const);
    const named = Object.entries(found.groups ?? {}).map(([name, group]) => [name, group ?? ''] as const);
    return Object.fromEntries([...groups, ...named]);
  }
  return captureSegments(path, text);
}

function captureSegments(
  { segments, isPrefix }: Extract<PathKey, { kind: 'segments' }>,
  text: string,
): Captures | undefined {
  const parts = text.split('/').slice(1);
  if (parts.at(-1) === '' && parts.length > segments.length && !isPrefix) parts.pop();
  if (parts.length < segments.length || (!isPrefix && parts.length > segments.length)) return undefined;
  if (segments.length === 0) return none;
  const found: Record<string, string> = {};
  for (const [i, segment] of segments.entries()) {
    const part = parts[i] ?? '';
    if ('parameter' in segment) found[segment.parameter] = part;
    if ('parameter' in segment ? part === '' : part.toLowerCase() !== segment.literal) return undefined;
  }
  return isPrefix ? { ...found, '1': parts.slice(segments.length).join('/') } : found;
}
