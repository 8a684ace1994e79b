// PoolPlugins: what pools need of those who start plugins, so that the lists of pools can change at run time.
import type { Entity } from '../state/entity.ts';
import { poolSettingsOf } from './pool-settings.ts';

/** An operator's list of names of `define`; undefined: the config's list is in force. */
export type PoolList = readonly string[] | undefined;

/** Who starts the plugins of pools. */
export interface PoolPlugins {
  /** Throws INPUT_INVALID for a list that cannot stand in a pool. */
  expect(pool: string, list: PoolList): void;
  /**
   * Starts what a list needs, everywhere. Resolves with how to end it again, if the list is not to be; rejects where
   * something does not start, and then nothing is left of it.
   */
  prepare(pool: string, list: PoolList): Promise<() => Promise<void>>;
  /** The list is in force from now on. */
  want(pool: string, list: PoolList): void;
  /** What of the plugins of a pool is not as it is listed, a sentence each. */
  problems(pool: string): readonly string[];
  /** The plugins which the config has made in place for a pool: no list changes them. */
  madeInPlace(pool: string): readonly string[];
}

/** The list that an operator made of what is in force of a pool, which is there. */
export function poolListOf({ value, row, base }: Entity): PoolList {
  const { plugins } = poolSettingsOf(value);
  if (row?.op === 'define') return plugins ?? (base === undefined ? undefined : []);
  return row?.op === 'patch' && Object.hasOwn(row.value ?? {}, 'plugins') ? (plugins ?? []) : undefined;
}

/** Do two say the same? */
export function sameList(one: PoolList, other: PoolList): boolean {
  if (one === undefined || other === undefined) return one === other;
  return one.length === other.length && one.every((name, at) => name === other[at]);
}
