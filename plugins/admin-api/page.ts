// Pages of long lists: `?state=&layer=&label=&limit=&after=`.
import { WeldrError } from '../../core/errors.ts';
import type { PoolEntry } from '../../core/pool/pool-entry.ts';

/** The most servers of one page. */
const maxLimit = 10_000;

/**
 * Returns the entries that a query selects; with `limit` or `after` sorted by id. `next` is the query of the next page.
 * Throws INPUT_INVALID.
 */
export function pageOf(
  entries: readonly PoolEntry[],
  query: URLSearchParams,
): { page: readonly PoolEntry[]; next: string | undefined } {
  const [state, layer, after] = [query.get('state'), query.get('layer'), query.get('after')];
  const limit = limitOf(query.get('limit'));
  const labels = query.getAll('label').map(labelOf);
  const wanted = entries.filter(
    ({ upstream, layer: of }) =>
      (state === null || upstream.state === state) &&
      (layer === null || of === layer) &&
      labels.every(([label, value]) => upstream.labels[label] === value),
  );
  if (limit === undefined && after === null) return { page: wanted, next: undefined };
  const sorted = wanted
    .filter(({ upstream }) => after === null || upstream.id > after)
    .sort((one, other) => (one.upstream.id < other.upstream.id ? -1 : 1));
  const page = sorted.slice(0, limit);
  const last = page.at(-1);
  if (page.length === sorted.length || last === undefined) return { page, next: undefined };
  const next = new URLSearchParams(query);
  next.set('after', last.upstream.id);
  return { page, next: next.toString() };
}

/** The same for names, with `limit` and `after`. Throws INPUT_INVALID. */
export function pageOfNames(
  names: readonly string[],
  query: URLSearchParams,
): { page: readonly string[]; next: string | undefined } {
  const after = query.get('after');
  const limit = limitOf(query.get('limit'));
  if (limit === undefined && after === null) return { page: names, next: undefined };
  const sorted = names.filter(name => after === null || name > after).sort();
  const page = sorted.slice(0, limit);
  const last = page.at(-1);
  if (page.length === sorted.length || last === undefined) return { page, next: undefined };
  const next = new URLSearchParams(query);
  next.set('after', last);
  return { page, next: next.toString() };
}

/** `zone:a`, or `zone=a` percent-encoded. */
function labelOf(text: string): readonly [label: string, value: string] {
  const [, label, value] = /^([^:=]+)[:=](.*)$/.exec(text) ?? [];
  if (label !== undefined && value !== undefined) return [label, value];
  throw new WeldrError('INPUT_INVALID', `label: expected NAME:VALUE, got ${text}`, { field: 'label' });
}

function limitOf(text: string | null): number | undefined {
  if (text === null) return undefined;
  const limit = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= maxLimit) return limit;
  throw new WeldrError('INPUT_INVALID', `limit: expected a number from 1 to ${maxLimit}, got ${text}`, {
    field: 'limit',
  });
}
