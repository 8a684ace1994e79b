// RouteConditions: the conditions of a route besides host and path: how many there are, whether they hold, and whether those of
// one route imply those of another.
import { isDeepStrictEqual } from 'node:util';
import { compileMatcher } from '../../core/request/compiled-matcher.ts';
import { conditionResult } from '../../core/request/condition-result.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import { folded } from '../../core/request/field-aliases.ts';
import type { MatcherOptions } from '../../core/request/matcher.ts';
import { RequestFacts } from '../../core/request/request-facts.ts';
import type { RouteOptions } from './route-options.ts';

/** The condition on each subject, by its name, such as `method` or `header.x-beta`. */
export type Conditions = ReadonlyMap<string, unknown>;

const lists = ['method', 'clientIp', 'scheme', 'listener'] as const;
const named = ['header', 'query', 'cookie'] as const;
const wholes = ['not', 'any', 'when'] as const;

/** Returns the conditions of a route besides host and path. Lists, true and false mean the same as in matchers. */
export function conditionsOf(route: RouteOptions): Conditions {
  const conditions = new Map<string, unknown>();
  for (const key of lists) {
    const value = route[key];
    if (value === undefined) continue;
    conditions.set(
      key,
      asList(value).map(each => (key === 'method' ? each.toUpperCase() : each)),
    );
  }
  for (const key of named) {
    for (const [name, value] of Object.entries(route[key] ?? {})) {
      const place = `${key}.${key === 'header' ? folded(name) : name}`;
      conditions.set(place, typeof value === 'boolean' ? value : asList(value));
    }
  }
  for (const key of wholes) if (route[key] !== undefined) conditions.set(key, route[key]);
  return conditions;
}

/** Returns whether every request that meets `narrow` also meets `wide`; false if that is unknown. */
export function implies(narrow: Conditions, wide: Conditions): boolean {
  for (const [key, wanted] of wide) if (!isImplied(narrow.get(key), wanted)) return false;
  return true;
}

function isImplied(given: unknown, wanted: unknown): boolean {
  if (wanted === true) return given === true || isList(given);
  if (isList(wanted)) return isList(given) && given.every(value => wanted.includes(value));
  return given !== undefined && isDeepStrictEqual(given, wanted);
}

/**
 * Compiles the conditions of a route; undefined: it has none. Throws CONFIG_INVALID for an invalid matcher, with `where`
 * before the place of the mistake.
 */
export function compileConditions(
  route: RouteOptions,
  where: string,
): ((ctx: ProxyContext) => boolean) | undefined {
  const { method, header, query, cookie, clientIp, scheme, listener, not, any, when } = route;
  const options: MatcherOptions = { method, header, query, cookie, clientIp, scheme, listener, not, any };
  const isEmpty = Object.values(options).every(value => value === undefined);
  const matches = isEmpty ? undefined : compileMatcher(options, where);
  if (when === undefined) return matches === undefined ? undefined : ctx => matches(RequestFacts.of(ctx));
  const asked = (ctx: ProxyContext): boolean => conditionResult(when(ctx), `when of route ${route.name}`);
  return matches === undefined ? asked : ctx => matches(RequestFacts.of(ctx)) && asked(ctx);
}

export function asList<T>(value: T | readonly T[]): readonly T[] {
  return isList(value) ? value : [value];
}

function isList<T>(value: T | readonly T[]): value is readonly T[] {
  return Array.isArray(value);
}
