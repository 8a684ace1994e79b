// ManagerKinds: the kinds that plugins own, in the manager: part of the state that changes at run time, with the pools
// they lead to.
import { nearest } from '../errors/nearest.ts';
import { WeldrError } from '../errors.ts';
import type { ManagedPools } from '../pool/managed-pools.ts';
import { PoolReferences } from '../pool/pool-references.ts';
import { changesBetween, type EffectiveChange } from '../state/effective-change.ts';
import type { Entity } from '../state/entity.ts';
import type { AdmittedWrite, Undo } from '../state/kind-host.ts';
import { type ListedNames, listedNames, sameList } from '../state/listed-names.ts';
import type { JsonObject } from '../state/merge-patch.ts';
import type { Mark } from '../state/row.ts';
import type { EntitySource, EntityViews } from './entity-views.ts';
import { type KindList, kindListsOf, stateKindOf } from './kind-lists.ts';
import type { PluginInstance } from './plugin-instance.ts';
import { mostDefined, type PluginKind } from './plugin-kind.ts';
import type { RunTimePlugins } from './run-time-plugins.ts';

/** What {@link ManagerKinds} work with. */
export interface ManagerKindsOptions {
  readonly pools: ManagedPools;
  /** Starts the plugins that things name; default: they are not started. */
  readonly plugins?: RunTimePlugins | undefined;
  /** Receives each change of an active thing, once the start is over. */
  tell?(change: EffectiveChange): void;
}

/** A thing that leads to missing pools. */
export interface Dangling {
  /** Such as `route api`. */
  readonly what: string;
  readonly pools: readonly string[];
}

/** The most things that a sentence names. */
const maxNamed = 5;

/** The kinds of the active config. */
export class ManagerKinds {
  private readonly options: ManagerKindsOptions;
  private lists: ReadonlyMap<string, KindList> = new Map();
  private listeners: readonly string[] = [];
  private readonly references = new PoolReferences();
  /** The last active entities of things that operators changed. */
  private readonly last = new Map<string, JsonObject | undefined>();
  private readonly defined = new Map<string, Set<string>>();
  private views: EntityViews | undefined;
  private started = false;

  constructor(options: ManagerKindsOptions) {
    this.options = options;
    const { pools } = options;
    pools.leads = pool => this.leadingTo(pool);
    pools.state.observe(changes => {
      for (const { kind, key } of changes) this.refer(kind, key);
      this.views?.changed(changes);
    });
  }

  /** Takes the plugins of a config and the names of its listeners, before a start or after a reload. */
  setConfig(instances: readonly PluginInstance[], listeners: readonly string[]): void {
    const { state } = this.options.pools;
    const before = this.lists;
    this.lists = kindListsOf(instances);
    this.listeners = listeners;
    for (const name of before.keys()) if (!this.lists.has(name)) state.unregister(name);
    for (const [name, list] of this.lists) if (!before.has(name)) this.register(name, list);
    this.referAll();
    for (const { kind, key } of state.all) {
      const list = this.lists.get(kind);
      if (list !== undefined) this.list(list, key, false);
    }
    this.views?.changed([...state.all].map(row => ({ kind: row.kind, key: row.key, row })));
  }

  /** The active things, of the kinds of this config. */
  get source(): EntitySource {
    const { state } = this.options.pools;
    return {
      get all() {
        return state.all;
      },
      row: (kind, key) => state.row(kind, key),
      entity: (kind, key) => (this.lists.has(kind) ? state.entity(kind, key) : undefined),
    };
  }

  /** Reports changes from now on. */
  begin(): void {
    this.started = true;
  }

  /** Passes changes to these views from now on, in place of others. */
  use(views: EntityViews): void {
    this.views = views;
  }

  /** The active things that lead to missing pools. */
  get dangling(): readonly Dangling[] {
    const pools = new Map<string, string[]>();
    for (const pool of this.references.pools) {
      if (this.options.pools.hasPool(pool)) continue;
      for (const what of this.references.leadingTo(pool)) pools.set(what, [...(pools.get(what) ?? []), pool]);
    }
    return [...pools].map(([what, missing]) => ({ what, pools: missing }));
  }

  /** Returns which of these pools are missing. */
  missing(pools: readonly string[]): readonly string[] {
    return pools.filter(pool => !this.options.pools.hasPool(pool));
  }

  private register(name: string, first: KindList): void {
    // The kind exists as long as its list.
    const list = (): KindList => this.lists.get(name) ?? first;
    this.options.pools.state.register({
      kind: stateKindOf(first, list),
      base: key => list().base(key),
      changed: (key, mark) => this.changed(list(), key, mark),
      admit: (key, after, write) => this.admit(list(), key, after, write),
      prepare: (key, after) => this.prepare(list(), key, after),
      takesNew: () => list().home !== undefined,
    });
  }

  // --- the plugins that things name ------------------------------------------------------------------------------

  /** Makes the list of plugins of a thing active. */
  private list(list: KindList, key: string, isNew: boolean): void {
    const scope = list.kind.scope?.(key);
    if (scope !== undefined) this.options.plugins?.want(scope, this.namesOf(list, key), { isNew });
  }

  private namesOf(list: KindList, key: string): ListedNames {
    const { state } = this.options.pools;
    const { name } = list.kind;
    const isListed = list.item(key) !== undefined;
    if (state.row(name, key) === undefined) return undefined;
    return listedNames(state.entity(name, key), isListed);
  }

  private prepare(list: KindList, key: string, after: Entity | undefined): Promise<Undo> | undefined {
    const scope = list.kind.scope?.(key);
    const { plugins } = this.options;
    if (scope === undefined || after === undefined || plugins === undefined) return undefined;
    const names = listedNames(after, list.item(key) !== undefined);
    return sameList(names, plugins.listOf(scope)) ? undefined : plugins.prepare(scope, names);
  }

  private expectPlugins(list: KindList, key: string, after: Entity): void {
    const scope = list.kind.scope?.(key);
    const { plugins } = this.options;
    if (scope === undefined || plugins === undefined) return;
    const names = listedNames(after, list.item(key) !== undefined);
    // A list that was accepted with a problem stays until it is changed.
    if (!sameList(names, plugins.listOf(scope))) plugins.expect(scope, names);
  }

  /** Returns which plugins of a thing do not run as listed, one sentence each. */
  problemsOf(kind: PluginKind, key: string): readonly string[] {
    const scope = kind.scope?.(key);
    return scope === undefined ? [] : (this.options.plugins?.problems(scope) ?? []);
  }

  private changed(list: KindList, key: string, { by }: Pick<Mark, 'by'>): void {
    const { state } = this.options.pools;
    const { name } = list.kind;
    const id = nameOf(name, key);
    const after = state.entity(name, key)?.value;
    const before = this.last.has(id) ? this.last.get(id) : list.base(key)?.value;
    this.remember(name, key);
    this.list(list, key, before === undefined);
    const { tell } = this.options;
    if (tell === undefined || !this.started) return;
    for (const change of changesBetween(id, { before, after }, [], { by })) tell(change);
  }

  // --- where things lead -----------------------------------------------------------------------------------------

  private referAll(): void {
    this.references.clear();
    for (const { kind, keys, instances } of this.lists.values()) {
      for (const key of keys) this.refer(kind.name, key);
      for (const { options } of instances) {
        for (const [what, pool] of Object.entries(kind.otherPools?.(options) ?? {})) {
          this.references.set(`${what} of ${kind.plural}`, [pool]);
        }
      }
    }
    for (const { kind, key } of this.options.pools.state.all) {
      this.refer(kind, key);
      this.remember(kind, key);
    }
  }

  /** Remembers the active entity of a thing that operators changed. */
  private remember(kind: string, key: string): void {
    if (!this.lists.has(kind)) return;
    const { state } = this.options.pools;
    const id = nameOf(kind, key);
    const row = state.row(kind, key);
    if (row === undefined) this.last.delete(id);
    else this.last.set(id, state.entity(kind, key)?.value);
    const defined = this.defined.get(kind) ?? new Set();
    this.defined.set(kind, defined);
    if (row?.op === 'define') defined.add(key);
    else defined.delete(key);
  }

  private refer(kind: string, key: string): void {
    const list = this.lists.get(kind);
    if (list !== undefined) this.references.set(nameOf(kind, key), this.poolsOf(list, key));
  }

  /** Returns the pools that a thing leads to, with the changes that are being checked. */
  private poolsOf(list: KindList, key: string): readonly string[] {
    const { state } = this.options.pools;
    const { kind } = list;
    if (state.row(kind.name, key) === undefined) {
      const item = list.item(key);
      return item === undefined ? [] : kind.pools(item);
    }
    const entity = state.entity(kind.name, key);
    return entity === undefined || !stands(list, key) ? [] : kind.pools(entity.value);
  }

  /** Returns what leads to a pool, for people, with the changes that are being checked. */
  private leadingTo(pool: string): string[] {
    const leading: string[] = [];
    for (const what of this.references.leadingTo(pool)) {
      const [kind = '', key = ''] = what.split(' ', 2);
      const list = this.lists.get(kind);
      if (list === undefined || this.poolsOf(list, key).includes(pool)) leading.push(what);
    }
    if (leading.length <= maxNamed) return leading;
    return [...leading.slice(0, maxNamed), `${leading.length - maxNamed} more`];
  }

  // --- what an operator writes -------------------------------------------------------------------------------------

  private admit(list: KindList, key: string, after: Entity | undefined, { before }: AdmittedWrite): void {
    if (after === undefined) return;
    const { kind } = list;
    this.expectRoom(list, key);
    this.expectPools(kind, after.value, before?.value);
    this.expectPlugins(list, key, after);
    kind.admit?.(after.value, {
      listeners: this.listeners,
      before: before?.value,
      base: list.base(key)?.value,
    });
  }

  private expectRoom(list: KindList, key: string): void {
    const { name, plural, plugin, most = mostDefined } = list.kind;
    if (!stands(list, key)) {
      const where = `${plugin} in the plugins of the config, outside of every when`;
      throw new WeldrError('CONFLICT', `no plugin takes ${plural} that are made at run time: put ${where}`);
    }
    const defined = this.defined.get(name);
    const isNew = this.options.pools.state.row(name, key)?.op === 'define' && defined?.has(key) !== true;
    if (!isNew || (defined?.size ?? 0) < most) return;
    throw new WeldrError(
      'LIMIT_REACHED',
      `operators have already made ${most} ${plural}, which is the limit`,
    );
  }

  /** A thing that already led to a missing pool may still be changed in other ways. */
  private expectPools(kind: PluginKind, after: JsonObject, before: JsonObject | undefined): void {
    const { pools } = this.options;
    const known = before === undefined ? [] : kind.pools(before);
    const missing = kind.pools(after).find(pool => !pools.hasPool(pool) && !known.includes(pool));
    if (missing === undefined) return;
    const names = pools.poolNames;
    const near = nearest(missing, names);
    const hint =
      near === undefined
        ? `add it first, or in the same batch; there are ${listed(names)}`
        : `did you mean ${JSON.stringify(near)}?`;
    throw new WeldrError('INPUT_INVALID', `pool: there is no pool ${JSON.stringify(missing)}; ${hint}`, {
      field: 'pool',
    });
  }
}

const nameOf = (kind: string, key: string): string => `${kind} ${key}`;

/** Returns whether an instance has the thing of this name, or would have it. */
const stands = (list: KindList, key: string): boolean => list.instanceOf(key) !== undefined;

function listed(names: readonly string[]): string {
  const shown = names.slice(0, maxNamed).join(', ');
  return names.length > maxNamed ? `${shown} and ${names.length - maxNamed} more` : shown;
}
