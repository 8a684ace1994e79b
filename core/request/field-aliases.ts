// Field aliases: the names that an upstream may take for one field.
import type { HeaderList } from './headers.ts';

/**
 * Removes a field in all spellings that CGI and its heirs make one variable of (RFC 3875 section 4.1.18): `X_User`,
 * `X.User` and `X-User` are all `HTTP_X_USER`. For fields that an upstream trusts.
 */
export function deleteField(headers: HeaderList, name: string): void {
  headers.deleteSpellingsOf(folded(name));
}

/** The one spelling of a name that stands for all that {@link deleteField} takes for the same: `x-user`. */
export const folded = (name: string): string => name.toLowerCase().replace(/[._]/g, '-');

/**
 * Takes out of the fields behind a body what plugins set or deleted in the head of the message, in all spellings: who reads
 * it may add trailers to the head (RFC 9110 section 6.5.1), where the sender's would stand beside the plugin's, or in place
 * of it.
 */
export function deleteSettled(trailers: HeaderList, head: HeaderList): void {
  const settled = new Set(head.settled.map(folded));
  if (settled.size === 0) return;
  for (const key of trailers.keys) if (settled.has(folded(key))) trailers.delete(key);
}
