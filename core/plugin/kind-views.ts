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
  readonly options: unknown;
  /** What it has in force, in order. */
  readonly all: ReadonlyMap<string, unknown>;
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
  /** What its plugin says besides of a thing. */
  moreOf(key: string): Readonly<Record<string, unknown>>;
}

type More = (key: string) => Readonly<Record<string, unknown>>;

/** The kinds of one config. */
export class KindViews extends EntityViews {
  readonly kinds: readonly KindView[];
  private readonly more = new Map<string, More>();

  constructor(options: EntityViewsOptions, kinds: ManagerKinds) {
    super(options);
    this.kinds = [...options.lists.values()].map(list => this.view(list, kinds));
  }

  showMore(instance: string, more: More): void {
    this.more.set(instance, more);
  }

  private view(list: KindList, kinds: ManagerKinds): KindView {
    const { kind } = list;
    const instances = (): KindInstance[] =>
      list.instances.map(({ name, conditions, options }) => ({
        name,
        conditions,
        options,
        all: this.of(name, kind.name).all,
      }));
    return {
      kind,
      get instances() {
        return instances();
      },
      get keys() {
        return instances().flatMap(({ all }) => [...all.keys()]);
      },
      codeOf: key => list.codeOf(key),
      danglingOf: ({ value }) => kinds.missing(kind.pools(value)),
      moreOf: key => this.more.get(list.instanceOf(key) ?? '')?.(key) ?? {},
    };
  }
}
