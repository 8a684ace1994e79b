// EntityViews: the active things of the kinds that plugins own, by instance, in the manager and in workers alike.

import { describeError, WeldrError } from '../errors.ts';
import type { Entity } from '../state/entity.ts';
import type { Row, RowChange } from '../state/row.ts';
import type { KindList } from './kind-lists.ts';
import type { Entities } from './plugin-kind.ts';

/** Operators' rows, and the entities that they and the base make. */
export interface EntitySource {
  readonly all: Iterable<Row>;
  row(kind: string, key: string): Row | undefined;
  entity(kind: string, key: string): Entity | undefined;
}

/** What {@link EntityViews} are made of. */
export interface EntityViewsOptions {
  readonly lists: ReadonlyMap<string, KindList>;
  readonly source: EntitySource;
  /** Receives what plugins throw while they process changes. */
  report(error: WeldrError): void;
}

type Changes = ReadonlyMap<string, unknown>;
type Listener = (changes: Changes) => void;

/** The active things of all instances of one config. */
export class EntityViews {
  private readonly options: EntityViewsOptions;
  private readonly listeners = new Map<string, Set<Listener>>();

  constructor(options: EntityViewsOptions) {
    this.options = options;
  }

  /** Returns what one instance has; nothing for a plugin without a kind. */
  of(instance: string, kind: string | undefined): Entities {
    const list = kind === undefined ? undefined : this.options.lists.get(kind);
    const all = (): ReadonlyMap<string, unknown> =>
      list === undefined ? new Map() : this.allOf(list, instance);
    return {
      get all() {
        return all();
      },
      observe: listener => this.observe(instance, listener),
    };
  }

  /** Passes changes that were made together to the instances. */
  changed(changes: Iterable<RowChange>): void {
    const byInstance = new Map<string, Map<string, unknown>>();
    for (const { kind, key } of changes) {
      const list = this.options.lists.get(kind);
      const instance = list?.instanceOf(key);
      if (list === undefined || instance === undefined || !this.listeners.has(instance)) continue;
      const known = byInstance.get(instance) ?? new Map<string, unknown>();
      byInstance.set(instance, known.set(key, this.itemOf(list, key)));
    }
    for (const [instance, items] of byInstance) {
      for (const listener of [...(this.listeners.get(instance) ?? [])]) this.tell(instance, listener, items);
    }
  }

  private tell(instance: string, listener: Listener, items: Changes): void {
    try {
      listener(items);
    } catch (thrown) {
      const why = `plugin ${instance}, when its things were changed: ${describeError(thrown)}`;
      this.options.report(new WeldrError('PLUGIN_FAILED', why, { cause: thrown }));
    }
  }

  private observe(instance: string, listener: Listener): () => void {
    const known = this.listeners.get(instance) ?? new Set();
    this.listeners.set(instance, known.add(listener));
    return () => void known.delete(listener);
  }

  private allOf(list: KindList, instance: string): ReadonlyMap<string, unknown> {
    const items = new Map<string, unknown>();
    for (const key of list.keys) this.put(items, list, instance, key);
    if (instance !== list.home) return items;
    const added: string[] = [];
    for (const { kind, key } of this.options.source.all) {
      if (kind === list.kind.name && list.item(key) === undefined) added.push(key);
    }
    for (const key of added.sort()) this.put(items, list, instance, key);
    return items;
  }

  private put(items: Map<string, unknown>, list: KindList, instance: string, key: string): void {
    if (list.instanceOf(key) !== instance) return;
    const item = this.itemOf(list, key);
    if (item !== undefined) items.set(key, item);
  }

  /** Undefined: it is not active. */
  private itemOf(list: KindList, key: string): unknown {
    const { kind } = list;
    const { source } = this.options;
    // The base as JSON is made only when it is read.
    if (source.row(kind.name, key) === undefined) return list.item(key);
    const entity = source.entity(kind.name, key);
    if (entity === undefined) return undefined;
    return entity.row === undefined ? list.item(key) : kind.compose(key, entity.value, list.item(key));
  }
}
