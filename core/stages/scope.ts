// Scope: the place of a plugin in a config, which decides what requests it sees.
import type { ProxyContext } from '../request/context.ts';

/** The whole config, one route, or one pool. */
export type Scope =
  | { readonly kind: 'config' }
  | { readonly kind: 'route'; readonly name: string }
  | { readonly kind: 'pool'; readonly name: string };

/** What a request must fulfil for a plugin to see it: `when` adds it to a scope. */
export type Condition = (ctx: ProxyContext) => boolean;

/** What only one plugin can do for a request: the innermost plugin of a role replaces the outer ones. */
export type Role = 'balancer' | 'retry' | 'passive-health' | 'active-check';

export const configScope: Scope = Object.freeze({ kind: 'config' });

/** The scope as text: `''` for the config, otherwise such as `pool:api`. */
export function scopeName(scope: Scope): string {
  return scope.kind === 'config' ? '' : `${scope.kind}:${scope.name}`;
}
