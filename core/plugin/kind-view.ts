// KindView: one kind that a plugin owns, as who serves it to operators sees it.
import type { Condition } from '../stages/scope.ts';
import type { Entity } from '../state/entity.ts';
import type { PluginKind } from './plugin-kind.ts';

/** An instance of the plugin that owns a kind. */
export interface KindInstance {
  readonly name: string;
  /** What a request must hold for the instance to see it. */
  readonly conditions: readonly Condition[];
}

/** One kind, for who serves it to operators. */
export interface KindView {
  readonly kind: PluginKind;
  /** The names of all that is in force: those of the config in its order, then those of operators by name. */
  readonly keys: readonly string[];
  /** The instances that have things of it, in the order of the config. */
  readonly instances: readonly KindInstance[];
  /** The fields of a thing that the config writes in code. */
  codeOf(key: string): readonly string[];
  /** The pools that a thing leads to and that are not there. */
  danglingOf(entity: Entity): readonly string[];
  /** What of the plugins that a thing names is not as it is listed, a sentence each. */
  problemsOf(key: string): readonly string[];
  /** What its plugin says besides of a thing. */
  moreOf(key: string, how: 'alone' | 'listed'): Readonly<Record<string, unknown>>;
}

/** What a plugin says of a thing; of one that is shown alone it may cost more. */
export type MoreOfEntity = (key: string, how: 'alone' | 'listed') => Readonly<Record<string, unknown>>;
