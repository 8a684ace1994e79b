// KindView: one kind that a plugin owns, for the plugin that serves it to operators.
import type { Condition } from '../stages/scope.ts';
import type { Entity } from '../state/entity.ts';
import type { PluginKind } from './plugin-kind.ts';

/** An instance of the plugin that owns a kind. */
export interface KindInstance {
  readonly name: string;
  /** The conditions under which the instance sees a request. */
  readonly conditions: readonly Condition[];
}

/** One kind, for the plugin that serves it to operators. */
export interface KindView {
  readonly kind: PluginKind;
  /** The names of all active things: those of the config in its order, then those of operators by name. */
  readonly keys: readonly string[];
  /** The instances that have things of it, in the order of the config. */
  readonly instances: readonly KindInstance[];
  /** The fields of a thing that are code in the config. */
  codeOf(key: string): readonly string[];
  /** Returns the missing pools that a thing leads to. */
  danglingOf(entity: Entity): readonly string[];
  /** Returns which of the plugins that a thing names do not run as listed, one sentence each. */
  problemsOf(key: string): readonly string[];
  /** Returns what else its plugin says about a thing. */
  moreOf(key: string, how: 'alone' | 'listed'): Readonly<Record<string, unknown>>;
}

/** Returns what a plugin says about a thing; for a thing shown alone, this may cost more. */
export type MoreOfEntity = (key: string, how: 'alone' | 'listed') => Readonly<Record<string, unknown>>;
