// KindViews: the kinds that plugins own, for the manager sides of one config: their own things, and all for an admin plugin.

import { EntityViews, type EntityViewsOptions } from './entity-views.ts';
import type { KindList } from './kind-lists.ts';
import type { KindView, MoreOfEntity } from './kind-view.ts';
import type { ManagerKinds } from './manager-kinds.ts';

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
