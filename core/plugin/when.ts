// when: plugins that see only the requests that a matcher takes.

import { compileMatcher } from '../request/compiled-matcher.ts';
import { conditionResult } from '../request/condition-result.ts';
import { type ProxyContext, stateOf } from '../request/context.ts';
import { describeMatcher, type MatcherOptions } from '../request/matcher.ts';
import { RequestFacts } from '../request/request-facts.ts';
import type { ConditionResult } from '../request/request-state.ts';
import type { Condition } from '../stages/scope.ts';
import type { ListedPlugin, Plugin } from './plugin.ts';

/**
 * Which requests a `when` takes: a matcher of what the client sent, or a function of it. A function that does not return
 * a boolean, such as an async one, fails its requests with 500.
 */
export type WhenMatcher = MatcherOptions | ((ctx: ProxyContext) => boolean);

/**
 * Plugins that see only some requests. The matcher runs once per request, on what the client sent. A request whose path
 * servers could read in two ways, one of which matches, is refused with 400. The plugins keep their place in the order of
 * the config; a plugin of a role replaces the one outside for these requests. Throws CONFIG_INVALID for an invalid
 * matcher.
 *
 * @example when({ path: '/login', method: 'POST' }, rateLimit({ rate: 5 }))
 */
export function when(matcher: WhenMatcher, ...plugins: readonly Plugin[]): Plugin {
  return whenOf(matcher, plugins);
}

/** Like {@link when}, but also takes plugins as a config in JSON lists them. */
export function whenOf(matcher: WhenMatcher, plugins: readonly ListedPlugin[]): Plugin {
  const name = typeof matcher === 'function' ? matcher.name || 'function' : describeMatcher(matcher);
  const ask = typeof matcher === 'function' ? asking(matcher, name) : askingFacts(matcher);
  return {
    name: `when(${name})`,
    children: [{ scope: { kind: 'when', name, condition: askedOnce(ask) }, plugins }],
  };
}

function asking(matcher: Condition, name: string): Condition {
  return ctx => conditionResult(matcher(ctx), name);
}

function askingFacts(matcher: MatcherOptions): Condition {
  const holds = compileMatcher(matcher, 'when');
  return ctx => holds(RequestFacts.of(ctx));
}

/** The decision for a request holds at all stages, as does a failure to decide. */
function askedOnce(ask: Condition): Condition {
  const condition: Condition = ctx => {
    const rare = stateOf(ctx).ensureRare();
    rare.conditions ??= new Map();
    let holds = rare.conditions.get(condition);
    if (holds === undefined) {
      holds = resultOf(ask, ctx);
      rare.conditions.set(condition, holds);
    }
    if (typeof holds !== 'boolean') throw holds.thrown;
    return holds;
  };
  return condition;
}

function resultOf(ask: Condition, ctx: ProxyContext): ConditionResult {
  try {
    return ask(ctx);
  } catch (thrown) {
    return { thrown };
  }
}
