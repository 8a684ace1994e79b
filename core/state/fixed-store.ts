// FixedStore: a read-only store of rows that were read before.
import { WeldrError } from '../errors.ts';
import type { Row } from './row.ts';
import type { StateStore } from './store.ts';

/** Holds these rows; refuses every change. */
export class FixedStore implements StateStore {
  readonly layer = 'api';
  /** A row that is only looked at must not be dropped. */
  readonly expires = true;
  private readonly rows: readonly Row[];

  constructor(rows: readonly Row[]) {
    this.rows = rows;
  }

  async load(): Promise<readonly Row[]> {
    return this.rows;
  }

  async write(): Promise<never> {
    throw new WeldrError('STORE_UNAVAILABLE', 'this store is read-only');
  }
}
