// Field aliases: the names that an upstream may take for one field.
import type { HeaderList } from './headers.ts';

/**
 * Removes a field in all spellings that CGI and its heirs make one variable of (RFC 3875 section 4.1.18): `X_User`,
 * `X.User` and `X-User` are all `HTTP_X_USER`. For fields that an upstream trusts.
 */
export function deleteField(headers: HeaderList, name: string): void {
  headers.deleteSpellingsOf(name.toLowerCase().replace(/[._]/g, '-'));
}
