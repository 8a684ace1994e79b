// PluginInstance: one plugin at one place of a config, its options parsed. The name of the place and of the plugin is the
// identity by which memory, channels and metrics are kept.
import { WeldrError } from '../errors.ts';
import { parse, showInput } from '../settings/options.ts';
import { type Condition, configScope, type Scope, scopeName } from '../stages/scope.ts';
import { contractVersion, type Plugin } from './plugin.ts';

/** One plugin at one place of a config. */
export interface PluginInstance {
  readonly plugin: Plugin;
  /** Scope, name and id, such as `rate-limit`, `rate-limit#bursts` or `pool:api/round-robin`. Unique in a config. */
  readonly name: string;
  /** What the plugin's schema made of its options. */
  readonly options: unknown;
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
}

interface Place {
  /** For messages, such as `plugins` or `pools.api.plugins`. */
  readonly where: string;
  /** What comes before the names of instances. */
  readonly prefix: string;
  readonly scope: Scope;
  readonly conditions: readonly Condition[];
}

/**
 * All plugins of a config with their options parsed, in the order of the config, those of pools behind. Throws
 * CONFIG_INVALID with the place of what is wrong: no plugin, options that its schema refuses, two of one name or of one
 * role at one place, a name that `define` does not have.
 */
export function instantiate({ plugins, pools = {}, define = {} }: PluginLists): PluginInstance[] {
  const reading = new Reading(define);
  reading.read(plugins, { where: 'plugins', prefix: '', scope: configScope, conditions: [] });
  for (const [name, list] of Object.entries(pools)) {
    const scope: Scope = { kind: 'pool', name };
    reading.read(list, {
      where: `pools.${name}.plugins`,
      prefix: `${scopeName(scope)}/`,
      scope,
      conditions: [],
    });
  }
  return reading.instances;
}

class Reading {
  readonly instances: PluginInstance[] = [];
  private readonly define: Readonly<Record<string, unknown>>;
  private readonly places = new Map<string, string>();
  private readonly roles = new Map<string, string>();

  constructor(define: Readonly<Record<string, unknown>>) {
    this.define = define;
    for (const [name, value] of Object.entries(define)) expectPlugin(value, `define.${name}`);
  }

  read(list: readonly unknown[], place: Place): void {
    for (const [index, item] of list.entries()) {
      const where = `${place.where}[${index}]`;
      this.add(
        typeof item === 'string' ? this.defined(item, where) : expectPlugin(item, where),
        where,
        place,
      );
    }
  }

  private add(plugin: Plugin, where: string, place: Place): void {
    const name = `${place.prefix}${plugin.name}${plugin.id === undefined ? '' : `#${plugin.id}`}`;
    checkContract(plugin, where);
    this.refuseDouble(plugin, name, where, place.prefix);
    const { scope, conditions } = place;
    this.instances.push({ plugin, name, options: parseOptions(plugin, where), scope, conditions });
    for (const child of plugin.children ?? []) {
      const { kind, name: childName } = child.scope;
      const isWhen = child.scope.kind === 'when';
      this.read(child.plugins, {
        where: `${where}.plugins`,
        prefix: `${place.prefix}${kind}:${childName}/`,
        scope: isWhen ? scope : { kind: 'route', name: childName },
        conditions: child.scope.kind === 'when' ? [...conditions, child.scope.condition] : conditions,
      });
    }
  }

  private defined(name: string, where: string): Plugin {
    const value = Object.hasOwn(this.define, name) ? this.define[name] : undefined;
    if (value !== undefined) return expectPlugin(value, `define.${name}`);
    const known = Object.keys(this.define).join(', ');
    throw invalid(
      where,
      `there is no plugin ${JSON.stringify(name)} in define${known === '' ? '' : `, which has ${known}`}`,
    );
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

function describeValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'function' && 'pluginName' in value) {
    return `the function of ${String(value.pluginName)}: call it, with (), to make the plugin`;
  }
  if (typeof value === 'function') return `the function ${value.name}: call it, with (), to make the plugin`;
  try {
    return JSON.stringify(value);
  } catch {
    return showInput(value);
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
