// BearerToken: finds the token of a request, and removes it from what servers get.
import type { ProxyContext } from '../../core/request/context.ts';
import { deleteField } from '../../core/request/field-aliases.ts';
import { cookiesOf, parameterNamed, parametersOf } from '../../core/request/named-values.ts';
import { queryOf } from '../../core/request/target-query.ts';
import type { TokenPlace } from './options.ts';

/** The result of a search; `several`: there is more than one token, and a server might use another. */
export type FoundToken = { readonly token: string } | 'none' | 'several';

const bearer = /^bearer(?: +(.*))?$/i;

/** Returns the only token in all places of a request. */
export function findToken(ctx: ProxyContext, places: readonly TokenPlace[]): FoundToken {
  let found: string | undefined;
  for (const place of places) {
    const values = valuesAt(ctx, place);
    if (values.length > 1) return 'several';
    const [value] = values;
    if (value === undefined) continue;
    if (found !== undefined && found !== value) return 'several';
    found = value;
  }
  return found === undefined ? 'none' : { token: found };
}

function valuesAt({ request: { headers, target } }: ProxyContext, place: TokenPlace): readonly string[] {
  if (place === 'authorization') {
    const fields = headers.getAll('authorization');
    if (fields.length > 1) return fields;
    const match = bearer.exec(fields[0] ?? '');
    // Another scheme has no token.
    return match === null ? [] : [match[1]?.trim() ?? ''];
  }
  if ('header' in place) return headers.getAll(place.header).map(value => bearer.exec(value)?.[1] ?? value);
  if ('cookie' in place) return cookiesOf(headers.getAll('cookie'), place.cookie);
  return parametersOf(queryOf(target), place.query);
}

/** Removes the token from all places, so that servers do not get it. */
export function removeToken(ctx: ProxyContext, places: readonly TokenPlace[]): void {
  const { outgoing } = ctx;
  for (const place of places) {
    if (place === 'authorization') deleteField(outgoing.headers, 'authorization');
    else if ('header' in place) deleteField(outgoing.headers, place.header);
    else if ('cookie' in place) removeCookie(ctx, place.cookie);
    else outgoing.target = withoutParameter(outgoing.target, place.query);
  }
}

function removeCookie({ outgoing: { headers } }: ProxyContext, name: string): void {
  const fields = headers.getAll('cookie');
  if (fields.length === 0) return;
  headers.delete('cookie');
  for (const field of fields) {
    const left = field.split(';').filter(pair => cookiesOf([pair], name).length === 0);
    if (left.length > 0) headers.append('Cookie', left.join(';').trim());
  }
}

function withoutParameter(target: string, name: string): string {
  const at = target.indexOf('?');
  if (at < 0) return target;
  const left = target
    .slice(at + 1)
    .split('&')
    .filter(pair => !parameterNamed(pair, name));
  return left.length === 0 ? target.slice(0, at) : `${target.slice(0, at)}?${left.join('&')}`;
}
