// KindViews: the kinds that plugins own as the manager sides of one config have them: their own things, and all for an admin plugin.

import type { Condition } from '../stages/scope.ts';
import type { Entity } from '../state/entity.ts';
import { EntityViews, type EntityViewsOptions } from './entity-views.ts';
import type { KindList } from './kind-lists.ts';
import type { ManagerKinds } from './manager-kinds.ts';
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

/** The kinds of one config. */
export class KindViews extends EntityViews {
  readonly kinds: readonly KindView[];
  private readonly more = new Map<string, MoreOfEntity>();

  constructor(options: EntityViewsOptions, kinds: ManagerKinds) {
    super(options);
    this.kinds = [...options.lists.values()].map(list => this.view(list, kinds));
  }

  showMore(instance: string, more: MoreOfEntity): void {
    this.more.set(instance, more);
  }

  private view(list: KindList, kinds: ManagerKinds): KindView {
    const { kind } = list;
    const keys = (): string[] =>
      list.instances.flatMap(({ name }) => [...this.of(name, kind.name).all.keys()]);
    return {
      kind,
      instances: list.instances.map(({ name, conditions }) => ({ name, conditions })),
      get keys() {
        return keys();
      },
      codeOf: key => list.codeOf(key),
      danglingOf: ({ value }) => kinds.missing(kind.pools(value)),
      problemsOf: key => kinds.problemsOf(kind, key),
      moreOf: (key, how) => this.more.get(list.instanceOf(key) ?? '')?.(key, how) ?? {},
    };
  }
}
