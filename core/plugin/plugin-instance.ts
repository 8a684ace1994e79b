// PluginInstance: one plugin at one place of a config, its options parsed. The name of the place and of the plugin is the
// identity by which memory, channels and metrics are kept.
import { WeldrError } from '../errors.ts';
import { nearest } from '../nearest.ts';
import { parse, showInput } from '../settings/options.ts';
import { type Condition, configScope, type Role, type Scope, scopeName } from '../stages/scope.ts';
import { contractVersion, type Plugin } from './plugin.ts';
import { type PlacedPlugin, type PluginCatalogue, pluginOf, whenForm } from './plugin-form.ts';

/** One plugin at one place of a config. */
export interface PluginInstance {
  readonly plugin: Plugin;
  /** Scope, name and id, such as `rate-limit`, `rate-limit#bursts` or `pool:api/round-robin`. Unique in a config. */
  readonly name: string;
  /** What the plugin's schema made of its options. */
  readonly options: unknown;
  /** Where the config gives them, such as `plugins[1]`. */
  readonly at: string;
  readonly scope: Scope;
  readonly conditions: readonly Condition[];
}

/** What a config says of plugins. */
export interface PluginLists {
  readonly plugins: readonly unknown[];
  /** The plugins of pools, by the names of these. */
  readonly pools?: Readonly<Record<string, readonly unknown[]>>;
  /** Plugins by the names that lists of pools and routes use for them. */
  readonly define?: Readonly<Record<string, unknown>>;
  /** For a config in JSON or YAML: the plugins that its lists ask for by name. */
  readonly catalogue?: PluginCatalogue | undefined;
}

interface Place {
  /** For messages, such as `plugins` or `pools.api.plugins`. */
  readonly where: string;
  /** What comes before the names of instances. */
  readonly prefix: string;
  readonly scope: Scope;
  readonly conditions: readonly Condition[];
  /** The names of `define` that led here. */
  readonly within: readonly string[];
}

/**
 * All plugins of a config with their options parsed, in the order of the config, those of pools behind. Throws
 * CONFIG_INVALID with the place of what is wrong: no plugin, options that its schema refuses, two of one name or of one
 * role at one place, a name that `define` does not have.
 */
export function instantiate({ plugins, pools = {}, define = {}, catalogue }: PluginLists): PluginInstance[] {
  refuseNames(plugins, define);
  const reading = new Reading(define, catalogue);
  reading.read(plugins, { where: 'plugins', prefix: '', scope: configScope, conditions: [], within: [] });
  for (const [name, list] of Object.entries(pools)) {
    const scope: Scope = { kind: 'pool', name };
    reading.read(list, {
      where: `pools.${name}.plugins`,
      prefix: `${scopeName(scope)}/`,
      scope,
      conditions: [],
      within: [],
    });
  }
  return reading.instances;
}

/** Names of `define` are for pools and routes; what is for all requests stands in its place in the list. */
function refuseNames(plugins: readonly unknown[], define: Readonly<Record<string, unknown>>): void {
  for (const [index, item] of plugins.entries()) {
    if (typeof item !== 'string' || !Object.hasOwn(define, item)) continue;
    throw invalid(
      `plugins[${index}]`,
      `${JSON.stringify(item)} is a name of define, which is for pools and routes; write the plugin itself here`,
    );
  }
}

class Reading {
  readonly instances: PluginInstance[] = [];
  private readonly catalogue: PluginCatalogue | undefined;
  /** By name; options of what nobody asks for are checked too. */
  private readonly defined = new Map<string, PlacedPlugin>();
  /** What was made of forms, and of options: once, whatever lists them. */
  private readonly formed = new Map<unknown, PlacedPlugin>();
  private readonly options = new Map<Plugin, unknown>();
  private readonly places = new Map<string, string>();
  private readonly roles = new Map<string, string>();

  constructor(define: Readonly<Record<string, unknown>>, catalogue: PluginCatalogue | undefined) {
    this.catalogue = catalogue;
    for (const [name, value] of Object.entries(define)) {
      if (catalogue !== undefined && (Object.hasOwn(catalogue, name) || name === whenForm)) {
        throw invalid(`define.${name}`, 'this is the name of a plugin of Weldr; choose another');
      }
      this.defined.set(name, this.made(value, `define.${name}`));
    }
    for (const placed of this.defined.values()) this.prepareAll(placed);
  }

  read(list: readonly unknown[], place: Place): void {
    for (const [index, item] of list.entries()) {
      const where = `${place.where}[${index}]`;
      const name = typeof item === 'string' && this.defined.has(item) ? item : undefined;
      if (name !== undefined && place.within.includes(name)) {
        throw invalid(where, `goes round in a circle: ${[...place.within, name].join(' -> ')}`);
      }
      const within = name === undefined ? place.within : [...place.within, name];
      this.add(this.find(item, where), where, { ...place, within });
    }
  }

  private add({ plugin, at }: PlacedPlugin, where: string, place: Place): void {
    const name = `${place.prefix}${plugin.name}${plugin.id === undefined ? '' : `#${plugin.id}`}`;
    const options = this.prepare(plugin, at);
    this.refuseDouble(plugin, name, where, place.prefix);
    const { scope, conditions, within } = place;
    this.instances.push({ plugin, name, options, at, scope, conditions });
    for (const child of plugin.children ?? []) {
      const { kind, name: childName } = child.scope;
      const isWhen = child.scope.kind === 'when';
      this.read(child.plugins, {
        where: `${at}.${child.field ?? 'plugins'}`,
        prefix: `${place.prefix}${kind}:${childName}/`,
        scope: isWhen ? scope : { kind: 'route', name: childName },
        conditions: child.scope.kind === 'when' ? [...conditions, child.scope.condition] : conditions,
        within,
      });
    }
  }

  /** What an item of a list is: the name of one of `define`, or a plugin. */
  private find(item: unknown, where: string): PlacedPlugin {
    const defined = typeof item === 'string' ? this.defined.get(item) : undefined;
    if (defined !== undefined) return defined;
    if (typeof item !== 'string' || this.catalogue !== undefined) return this.made(item, where);
    const known = [...this.defined.keys()];
    const near = nearest(item, known);
    const has =
      near === undefined ? `, which has ${known.join(', ')}` : `; did you mean ${JSON.stringify(near)}?`;
    const why = `there is no plugin ${JSON.stringify(item)} in define${known.length === 0 ? '' : has}`;
    const isCall = /^[A-Za-z]+$/.test(item) && /^plugins\[\d+\]$/.test(where) && near === undefined;
    throw invalid(where, isCall ? `${why}; in code a plugin is called: ${item}()` : why);
  }

  /** The plugin that a config in code made, or that a form asks for. */
  private made(item: unknown, where: string): PlacedPlugin {
    if (this.catalogue === undefined) return { plugin: expectPlugin(item, where), at: where };
    if (isPlugin(item) && hasCode(item)) return { plugin: item, at: where };
    const before = typeof item === 'object' ? this.formed.get(item) : undefined;
    if (before !== undefined) return before;
    const placed = pluginOf(item, where, this.catalogue, [...this.defined.keys()]);
    this.formed.set(item, placed);
    return placed;
  }

  /** Checks a plugin and returns its options, parsed. */
  private prepare(plugin: Plugin, at: string): unknown {
    if (!this.options.has(plugin)) {
      checkParts(plugin, at);
      checkContract(plugin, at);
      this.options.set(plugin, parseOptions(plugin, at));
    }
    return this.options.get(plugin);
  }

  /** The same with all that is within it. */
  private prepareAll({ plugin, at }: PlacedPlugin): void {
    this.prepare(plugin, at);
    for (const child of plugin.children ?? []) {
      for (const [index, item] of child.plugins.entries()) {
        const placed = this.find(item, `${at}.${child.field ?? 'plugins'}[${index}]`);
        // What `define` has is prepared there.
        if (typeof item !== 'string' || !this.defined.has(item)) this.prepareAll(placed);
      }
    }
  }

  private refuseDouble({ role }: Plugin, name: string, where: string, prefix: string): void {
    const before = this.places.get(name);
    if (before !== undefined) {
      throw invalid(where, `${before} is named ${name} already; keep one, or name this one withId('…', …)`);
    }
    this.places.set(name, where);
    if (role === undefined) return;
    const roleKey = `${prefix} ${role}`;
    const other = this.roles.get(roleKey);
    if (other !== undefined)
      throw invalid(where, `${other} is the ${role} already; there can be one at a place`);
    this.roles.set(roleKey, where);
  }
}

/** All that a plugin can have; the type holds this list complete. */
const parts: Readonly<Record<keyof Plugin, true>> = {
  name: true,
  id: true,
  contract: true,
  role: true,
  schema: true,
  options: true,
  memory: true,
  kind: true,
  children: true,
  stored: true,
  check: true,
  worker: true,
  manager: true,
};
const partNames = Object.keys(parts);
const roleNames: readonly string[] = ['balancer', 'retry', 'passive-health', 'active-check'] satisfies Role[];

/** A side whose name is misspelt would never run. An object of a class may have fields of its own. */
function checkParts(plugin: Plugin, where: string): void {
  const { role, id } = plugin;
  if (id !== undefined && (typeof id !== 'string' || id === '')) {
    throw invalid(`${where}.id`, `expected text, got ${showInput(id)}`);
  }
  if (role !== undefined && !roleNames.includes(role)) {
    const why = `there is no role ${JSON.stringify(role)}; ${hint(String(role), roleNames)}`;
    throw invalid(`${where}.role`, why);
  }
  const prototype: unknown = Object.getPrototypeOf(plugin);
  if (prototype !== Object.prototype && prototype !== null) return;
  for (const key of Object.keys(plugin)) {
    if (partNames.includes(key)) continue;
    throw invalid(`${where}.${key}`, `there is no such part of a plugin; ${hint(key, partNames)}`);
  }
}

/** Which of the names may have been meant, or all that there are. */
function hint(word: string, names: readonly string[]): string {
  const near = nearest(word, names);
  return near === undefined ? `known: ${names.join(', ')}` : `did you mean ${near}?`;
}

function checkContract({ name, contract }: Plugin, where: string): void {
  if (contract === undefined || contract === contractVersion) return;
  throw invalid(
    where,
    `${name} is written for version ${contract} of the plugin contract; this Weldr has ${contractVersion}`,
  );
}

function parseOptions({ schema, options, name }: Plugin, where: string): unknown {
  if (schema !== undefined) return parse(schema, options ?? {}, 'CONFIG_INVALID', where);
  if (options === undefined || isEmpty(options)) return undefined;
  throw invalid(where, `${name} takes no options`);
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

function expectPlugin(value: unknown, where: string): Plugin {
  if (isPlugin(value)) return value;
  throw invalid(where, `expected a plugin such as roundRobin(), got ${describeValue(value)}`);
}

function isPlugin(value: unknown): value is Plugin {
  if (typeof value !== 'object' || value === null || !('name' in value)) return false;
  if (typeof value.name !== 'string' || value.name === '') return false;
  return ['worker', 'manager'].every(side =>
    ['undefined', 'function'].includes(typeof Reflect.get(value, side)),
  );
}

/** Can this be no form? Forms are data. */
function hasCode({ worker, manager, children }: Plugin): boolean {
  return worker !== undefined || manager !== undefined || children !== undefined;
}

function describeValue(value: unknown): string {
  if (value === undefined) return 'nothing; is its variable set?';
  if (typeof value === 'function' && 'pluginName' in value) {
    return `the function of ${String(value.pluginName)}: call it, with (), to make the plugin`;
  }
  if (typeof value === 'function') return `the function ${value.name}: call it, with (), to make the plugin`;
  if (Array.isArray(value)) return 'a list; write ...list to put its plugins in here';
  if (value instanceof Promise) return 'a promise; await it before the config is exported';
  if (
    typeof value === 'object' &&
    value !== null &&
    !('name' in value) &&
    ('worker' in value || 'manager' in value)
  ) {
    return 'a plugin without a name; give it one';
  }
  return shown(value);
}

/** Of a value that is shown, characters. */
const maxShown = 200;

function shown(value: unknown): string {
  const text = asJson(value) ?? showInput(value);
  return text.length <= maxShown ? text : `${text.slice(0, maxShown)}…`;
}

function asJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}

function invalid(field: string, message: string): WeldrError {
  return new WeldrError('CONFIG_INVALID', `${field}: ${message}`, { field });
}

/** Is this instance in charge of a pool: does it stand around it, with no plugin of its role further in? */
export function covers(instance: PluginInstance, all: readonly PluginInstance[], pool: string): boolean {
  const { scope } = instance;
  if (scope.kind === 'pool') return scope.name === pool;
  const { role } = instance.plugin;
  if (role === undefined) return true;
  return !all.some(
    other => other.plugin.role === role && other.scope.kind === 'pool' && other.scope.name === pool,
  );
}
