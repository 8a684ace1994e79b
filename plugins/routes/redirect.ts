// Redirect: a Location built from a template, which leads to the host in the config and to no other.

import { isAuthority } from '../../core/grammar/request-line.ts';
import type { RequestPath } from '../../core/request/path.ts';
import type { Captures } from './captures.ts';
import { fillFragment, fillPath, fillQuery, parseTemplate, type Template } from './template.ts';

/** Returns what is wrong with the target of a redirect; undefined: nothing. */
export function redirectTargetProblem(to: string): string | undefined {
  if (/^\/(?!\/)/.test(to)) return undefined;
  const [, authority] = /^https?:\/\/([^/?#]*)/.exec(to) ?? [];
  if (authority === undefined)
    return 'expected a path such as "/new/$1" or a URL such as "https://shop.example/$1"';
  if (authority.includes('$')) {
    return 'a capture in the host would let clients choose it: put it after a "/", as in "https://shop.example/$1"';
  }
  return isAuthority(authority) ? undefined : `${JSON.stringify(authority)} is not a host`;
}

/** A parsed template that {@link redirectTargetProblem} finds no problem with. */
export interface RedirectTarget {
  /** Scheme and host; empty: those of the request. */
  readonly origin: string;
  readonly template: Template;
}

export function redirectTarget(to: string): RedirectTarget {
  const [origin = ''] = /^https?:\/\/[^/?#]*/.exec(to) ?? [];
  return { origin, template: parseTemplate(to.slice(origin.length)) };
}

/** Returns the value of Location. */
export function locationOf(
  { origin, template }: RedirectTarget,
  captures: Captures,
  { query }: RequestPath,
): string {
  // A path that begins with "//" would name a host.
  const path = fillPath(template, captures).replace(/^\/{2,}/, '/');
  return `${origin}${path}${fillQuery(template, captures, query)}${fillFragment(template, captures)}`;
}
