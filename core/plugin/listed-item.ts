// What an item of a list of plugins must be: checked when a config is read, with messages for its author.
import { nearest } from '../errors/nearest.ts';
import { WeldrError } from '../errors.ts';
import { parse, showInput } from '../options/options.ts';
import type { Role } from '../stages/scope.ts';
import { contractVersion, type Plugin } from './plugin.ts';

/** All fields of a plugin; the type keeps this list complete. */
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
  leadershipNeed: true,
  worker: true,
  manager: true,
};
const partNames = Object.keys(parts);
const roleNames: readonly string[] = ['balancer', 'retry', 'passive-health', 'active-check'] satisfies Role[];

/** A misspelt side would never run. An object of a class may have other fields. */
export function checkParts(plugin: Plugin, where: string): void {
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

/** Returns the name that may have been meant, or all names. */
function hint(word: string, names: readonly string[]): string {
  const near = nearest(word, names);
  return near === undefined ? `known: ${names.join(', ')}` : `did you mean ${near}?`;
}

/** Throws CONFIG_INVALID for a plugin that was written for another version of the contract. */
export function checkContract({ name, contract }: Plugin, where: string): void {
  if (contract === undefined || contract === contractVersion) return;
  throw invalid(
    where,
    `${name} is written for version ${contract} of the plugin contract; this Weldr has ${contractVersion}`,
  );
}

/** Returns its options as its schema parses them. Throws CONFIG_INVALID. */
export function parseOptions({ schema, options, name }: Plugin, where: string): unknown {
  if (schema !== undefined) return parse(schema, options ?? {}, 'CONFIG_INVALID', where);
  if (options === undefined || isEmpty(options)) return undefined;
  throw invalid(where, `${name} takes no options`);
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

/** Throws CONFIG_INVALID for what is not a plugin, and says what it is instead. */
export function expectPlugin(value: unknown, where: string): Plugin {
  if (isPlugin(value)) return value;
  throw invalid(where, `expected a plugin such as roundRobin(), got ${describeValue(value)}`);
}

/** Returns whether a value has the form of a plugin. */
export function isPlugin(value: unknown): value is Plugin {
  if (typeof value !== 'object' || value === null || !('name' in value)) return false;
  if (typeof value.name !== 'string' || value.name === '') return false;
  return ['worker', 'manager'].every(side =>
    ['undefined', 'function'].includes(typeof Reflect.get(value, side)),
  );
}

/** Returns whether a plugin holds code. If so, it is not a form: forms are data. */
export function hasCode({ worker, manager, children }: Plugin): boolean {
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

/** The most characters of a value that are shown. */
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

/** Makes CONFIG_INVALID with its place. */
export function invalid(field: string, message: string): WeldrError {
  return new WeldrError('CONFIG_INVALID', `${field}: ${message}`, { field });
}
