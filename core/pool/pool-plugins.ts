// PoolPlugins: starts the plugins of pools, so that their lists can change at run time.
import type { ListedNames } from '../state/listed-names.ts';

/** Starts the plugins of pools. */
export interface PoolPlugins {
  /** Throws INPUT_INVALID for a list that a pool cannot have. */
  expect(pool: string, list: ListedNames): void;
  /**
   * Starts the plugins of a list in all processes. Resolves with a function that ends them again, in case the list is not
   * used; rejects when one does not start, after ending the others.
   */
  prepare(pool: string, list: ListedNames): Promise<() => Promise<void>>;
  /** Makes a list the active one. `isNew`: the pool serves no requests yet. */
  want(pool: string, list: ListedNames, how: { readonly isNew: boolean }): void;
  /** The problems with the plugins listed for a pool, one sentence each. */
  problems(pool: string): readonly string[];
  /** The plugins that the config made in place for a pool: no list changes them. */
  madeInPlace(pool: string): readonly string[];
}
