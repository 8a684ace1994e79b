// Field aliases: the names that an upstream may read as one field.
import type { HeaderList } from './headers.ts';

/**
 * Removes a field in all spellings that CGI and its successors turn into one variable (RFC 3875 section 4.1.18):
 * `X_User`, `X.User` and `X-User` are all `HTTP_X_USER`. For fields that an upstream trusts.
 */
export function deleteField(headers: HeaderList, name: string): void {
  headers.deleteSpellingsOf(folded(name));
}

/** The spelling that stands for all names that {@link deleteField} treats as one: `x-user`. */
export const folded = (name: string): string => name.toLowerCase().replace(/[._]/g, '-');

/**
 * Removes from the trailers the fields that were decided in the head, in all spellings: a receiver may merge trailers into
 * the head (RFC 9110 section 6.5.1), where the sender's field would appear beside the decided one or replace it.
 */
export function deleteSettled(trailers: HeaderList, names: readonly string[]): void {
  if (names.length === 0) return;
  const settled = new Set(names.map(folded));
  for (const key of trailers.keys) if (settled.has(folded(key))) trailers.delete(key);
}
