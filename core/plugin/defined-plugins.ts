// DefinedPlugins: the plugins of a config as instances, and those of `define` in the lists of pools and routes, which may
// change at run time.
import { WeldrError } from '../errors.ts';
import { type Condition, configScope, type Scope, scopeName } from '../stages/scope.ts';
import { invalid } from './listed-item.ts';
import type { PlacedPlugin, PluginCatalogue } from './plugin-form.ts';
import type { PluginInstance } from './plugin-instance.ts';
import { PluginParts } from './plugin-parts.ts';

interface Place {
  /** For messages, such as `plugins` or `pools.api.plugins`. */
  readonly where: string;
  /** The prefix of the names of instances. */
  readonly prefix: string;
  readonly scope: Scope;
  readonly conditions: readonly Condition[];
  /** The names of `define` that led here. */
  readonly within: readonly string[];
  /** The item of the scope's list that contains it, as a name of `define`; undefined: it was made in place. */
  readonly listedAs?: string | undefined;
  /** Whether it is the scope's list itself. */
  readonly isTop: boolean;
}

/** A list of the config, and its place there. */
interface ConfiguredList {
  readonly items: readonly unknown[];
  readonly place: Place;
}

/** An item of a list, with how to read it. */
interface ListItem {
  readonly item: unknown;
  readonly where: string;
  /** Whether it is a name from run time. If so, it must be in `define`. */
  readonly isGiven: boolean;
}

/** The plugins of a list that a scope can have, and the reasons why it cannot have the others, one sentence each. */
export interface UsablePlugins {
  readonly instances: readonly PluginInstance[];
  readonly problems: readonly string[];
}

/** Checks an instance before it starts; throws CONFIG_INVALID for options that its start would refuse. */
export type InstanceCheck = (instance: PluginInstance) => void;

/** Everything that a config says about plugins. */
export class DefinedPlugins {
  /** Checks plugins named in lists made at run time, as the check of the config does for the others. */
  check: InstanceCheck | undefined;
  private readonly parts: PluginParts;
  /** The lists of pools and routes in the config, by the names of their scopes. */
  private readonly configured = new Map<string, ConfiguredList>();

  /** Throws CONFIG_INVALID for what is wrong with `define`. */
  constructor(
    define: Readonly<Record<string, unknown>> = {},
    catalogue: PluginCatalogue | undefined = undefined,
  ) {
    this.parts = new PluginParts(define, catalogue);
  }

  /** The names of `define`. */
  get names(): readonly string[] {
    return this.parts.names;
  }

  /** Returns all instances of the config: those of `plugins`, then those of pools. Throws CONFIG_INVALID. */
  readConfig(
    plugins: readonly unknown[],
    pools: Readonly<Record<string, readonly unknown[]>>,
  ): PluginInstance[] {
    const reading = new Reading(this.parts, (items, place) => {
      this.configured.set(scopeName(place.scope), { items, place });
    });
    reading.read(plugins, placeOf(configScope));
    for (const [name, items] of Object.entries(pools)) {
      const place = { ...placeOf({ kind: 'pool', name }), where: `pools.${name}.plugins` };
      this.configured.set(scopeName(place.scope), { items, place });
      reading.read(items, place);
    }
    return reading.instances;
  }

  /** Returns the names of `define` in the config's list of a scope, in order. */
  configuredNames(scope: Scope): readonly string[] {
    const { items = [] } = this.configured.get(scopeName(scope)) ?? {};
    return items.flatMap(item => this.parts.nameOf(item) ?? []);
  }

  /** Returns the plugins that were made in place in the config's list of a scope, by name. */
  madeInPlace(scope: Scope): readonly string[] {
    const list = this.configured.get(scopeName(scope));
    if (list === undefined) return [];
    return list.items.flatMap((item, at) =>
      this.parts.nameOf(item) === undefined
        ? [this.parts.find(item, `${list.place.where}[${at}]`).plugin.name]
        : [],
    );
  }

  /**
   * Returns the instances of a scope with this list; undefined: with the config's. Throws INPUT_INVALID for a name that is
   * not in `define` and for a plugin that the scope cannot have.
   */
  instancesOf(scope: Scope, names: readonly string[] | undefined): readonly PluginInstance[] {
    try {
      return this.read(scope, names);
    } catch (thrown) {
      if (!(thrown instanceof WeldrError) || thrown.code !== 'CONFIG_INVALID') throw thrown;
      throw new WeldrError('INPUT_INVALID', thrown.message, { field: 'plugins', cause: thrown });
    }
  }

  /** The same for a list that was accepted before: leaves out plugins that the scope cannot have. */
  usableOf(scope: Scope, names: readonly string[] | undefined): UsablePlugins {
    if (names === undefined) return { instances: this.read(scope, undefined), problems: [] };
    const problems: string[] = [];
    const taken: string[] = [];
    let instances = this.read(scope, taken);
    for (const name of names) {
      try {
        instances = this.read(scope, [...taken, name]);
        taken.push(name);
      } catch (thrown) {
        if (!(thrown instanceof WeldrError)) throw thrown;
        problems.push(thrown.message.replace(/^plugins\[\d+\]: /, ''));
      }
    }
    return { instances, problems };
  }

  private read(scope: Scope, names: readonly string[] | undefined): readonly PluginInstance[] {
    const list = this.configured.get(scopeName(scope));
    const { place, items } = list ?? { place: placeOf(scope), items: [] };
    const reading = new Reading(this.parts);
    reading.readItems(this.merged(items, place.where, names), place);
    const { instances } = reading;
    for (const instance of instances) this.expectRunTime(instance, scope, names);
    return instances;
  }

  /** Replaces the names in the config's list with these, one by one; the rest follows at the end. */
  private merged(
    items: readonly unknown[],
    where: string,
    names: readonly string[] | undefined,
  ): readonly ListItem[] {
    const configured = items.map((item, at) => ({ item, where: `${where}[${at}]`, isGiven: false }));
    if (names === undefined) return configured;
    const given = names.map((item, at) => ({ item, where: `plugins[${at}]`, isGiven: true }));
    const merged = configured.flatMap(one =>
      this.parts.nameOf(one.item) === undefined ? [one] : given.splice(0, 1),
    );
    return [...merged, ...given];
  }

  /** Some plugins make sense only for the whole config. */
  private expectRunTime(instance: PluginInstance, scope: Scope, names: readonly string[] | undefined): void {
    const { plugin, definedAs } = instance;
    if (definedAs === undefined || names?.includes(definedAs) !== true) return;
    const where = `plugins[${names.indexOf(definedAs)}]`;
    const whose = `${JSON.stringify(definedAs)} (${plugin.name})`;
    const place = scope.kind === 'config' ? 'here' : `in a ${scope.kind}`;
    if (plugin.kind !== undefined || scopeName(instance.scope) !== scopeName(scope)) {
      throw invalid(where, `${whose} decides where requests go, and is not allowed ${place}`);
    }
    if (plugin.stored !== undefined) {
      const remedy = 'it belongs in the config’s own plugins';
      throw invalid(where, `${whose} keeps what operators change, and is not allowed ${place}; ${remedy}`);
    }
    this.check?.(instance);
  }
}

function placeOf(scope: Scope): Place {
  const name = scopeName(scope);
  return {
    where: 'plugins',
    prefix: name === '' ? '' : `${name}/`,
    scope,
    conditions: [],
    within: [],
    isTop: true,
  };
}

/** Reads lists into instances with unique names. */
class Reading {
  readonly instances: PluginInstance[] = [];
  private readonly parts: PluginParts;
  private readonly onRoute: ((items: readonly unknown[], place: Place) => void) | undefined;
  private readonly places = new Map<string, string>();
  private readonly roles = new Map<string, string>();

  /** `onRoute` receives the lists of routes. */
  constructor(parts: PluginParts, onRoute?: (items: readonly unknown[], place: Place) => void) {
    this.parts = parts;
    this.onRoute = onRoute;
  }

  read(list: readonly unknown[], place: Place): void {
    this.readItems(
      list.map((item, at) => ({ item, where: `${place.where}[${at}]`, isGiven: false })),
      place,
    );
  }

  readItems(list: readonly ListItem[], place: Place): void {
    for (const { item, where, isGiven } of list) {
      const name = this.parts.nameOf(item);
      if (name !== undefined && place.within.includes(name)) {
        throw invalid(where, `forms a cycle: ${[...place.within, name].join(' -> ')}`);
      }
      const within = name === undefined ? place.within : [...place.within, name];
      const placed = isGiven ? this.parts.findDefined(String(item), where) : this.parts.find(item, where);
      this.add(placed, where, { ...place, within, listedAs: place.isTop ? name : place.listedAs });
    }
  }

  private add({ plugin, at }: PlacedPlugin, where: string, place: Place): void {
    const name = `${place.prefix}${plugin.name}${plugin.id === undefined ? '' : `#${plugin.id}`}`;
    const options = this.parts.prepare(plugin, at);
    this.refuseDouble(plugin, name, where, place.prefix);
    const { scope, conditions, within, listedAs } = place;
    this.instances.push({ plugin, name, options, at, scope, conditions, definedAs: listedAs });
    for (const child of plugin.children ?? []) {
      const { kind, name: childName } = child.scope;
      const isWhen = child.scope.kind === 'when';
      const inner: Place = {
        where: `${at}.${child.field ?? 'plugins'}`,
        prefix: `${place.prefix}${kind}:${childName}/`,
        scope: isWhen ? scope : { kind: 'route', name: childName },
        conditions: child.scope.kind === 'when' ? [...conditions, child.scope.condition] : conditions,
        within,
        listedAs,
        isTop: !isWhen,
      };
      if (!isWhen) this.onRoute?.(child.plugins, inner);
      this.read(child.plugins, inner);
    }
  }

  private refuseDouble({ role }: PlacedPlugin['plugin'], name: string, where: string, prefix: string): void {
    const before = this.places.get(name);
    if (before !== undefined) {
      throw invalid(where, `${before} is named ${name} already; keep one, or name this one withId('…', …)`);
    }
    this.places.set(name, where);
    if (role === undefined) return;
    const roleKey = `${prefix} ${role}`;
    const other = this.roles.get(roleKey);
    if (other !== undefined)
      throw invalid(where, `${other} is the ${role} already; there can be only one in a list`);
    this.roles.set(roleKey, where);
  }
}
