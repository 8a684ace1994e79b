// ListedNames: the plugins that an operator lists for a thing, by their names in the config's `define`.
import type { Entity } from './entity.ts';

/** An operator's list; undefined: the config's list is active. */
export type ListedNames = readonly string[] | undefined;

/**
 * Returns the list that an operator made for a thing, from its field `plugins`. `entity`: the active state of the thing,
 * undefined if it is removed; `hasBase`: whether the config has it.
 */
export function listedNames(entity: Entity | undefined, hasBase: boolean): ListedNames {
  if (entity === undefined) return hasBase ? [] : undefined;
  const { value, row, base } = entity;
  const names: unknown = value['plugins'];
  const list = Array.isArray(names) ? names.map(String) : undefined;
  if (row?.op === 'define') return list ?? (base === undefined ? undefined : []);
  return row?.op === 'patch' && Object.hasOwn(row.value ?? {}, 'plugins') ? (list ?? []) : undefined;
}

/** Returns whether two lists are equal. */
export function sameList(one: ListedNames, other: ListedNames): boolean {
  if (one === undefined || other === undefined) return one === other;
  return one.length === other.length && one.every((name, at) => name === other[at]);
}
