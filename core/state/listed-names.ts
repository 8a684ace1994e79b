// ListedNames: the plugins of a thing by their names in the config's `define`, as an operator's word has them.
import type { Entity } from './entity.ts';

/** An operator's list; undefined: the list of the config is in force. */
export type ListedNames = readonly string[] | undefined;

/**
 * The list that an operator made for a thing, whose field `plugins` it is; `entity`: what is in force of it, undefined where it
 * is removed, `hasBase` whether the config has it.
 */
export function listedNames(entity: Entity | undefined, hasBase: boolean): ListedNames {
  if (entity === undefined) return hasBase ? [] : undefined;
  const { value, row, base } = entity;
  const names: unknown = value['plugins'];
  const list = Array.isArray(names) ? names.map(String) : undefined;
  if (row?.op === 'define') return list ?? (base === undefined ? undefined : []);
  return row?.op === 'patch' && Object.hasOwn(row.value ?? {}, 'plugins') ? (list ?? []) : undefined;
}

/** Do two say the same? */
export function sameList(one: ListedNames, other: ListedNames): boolean {
  if (one === undefined || other === undefined) return one === other;
  return one.length === other.length && one.every((name, at) => name === other[at]);
}
