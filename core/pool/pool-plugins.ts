// PoolPlugins: what pools need of those who start plugins, so that the lists of pools can change at run time.
import type { ListedNames } from '../state/listed-names.ts';

/** Who starts the plugins of pools. */
export interface PoolPlugins {
  /** Throws INPUT_INVALID for a list that cannot stand in a pool. */
  expect(pool: string, list: ListedNames): void;
  /**
   * Starts what a list needs, everywhere. Resolves with how to end it again, if the list is not to be; rejects where
   * something does not start, and then nothing is left of it.
   */
  prepare(pool: string, list: ListedNames): Promise<() => Promise<void>>;
  /** The list is in force from now on. `isNew`: nobody is served by the pool yet. */
  want(pool: string, list: ListedNames, how: { readonly isNew: boolean }): void;
  /** What of the plugins of a pool is not as it is listed, a sentence each. */
  problems(pool: string): readonly string[];
  /** The plugins which the config has made in place for a pool: no list changes them. */
  madeInPlace(pool: string): readonly string[];
}
