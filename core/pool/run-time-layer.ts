// RunTimeLayer: what was changed at run time, over what the config says; kept in the store, if there is one.
import { WeldrError } from '../errors.ts';
import type { Layer } from './pool.ts';
import { keyOf } from './pool-entry.ts';
import type { PoolStore, StoreChange, StoredEntry, StoredPools } from './store.ts';

/** Hears of each change that is in force. */
export interface RunTimeObserver {
  /** What the layer says of this server is another thing now. */
  changed(pool: string, id: string): void;
  /** A setting was set; undefined: it fell back to the config's. */
  setting(name: string, value: unknown): void;
}

/** The run-time changes of all pools, in force only when they are durable. */
export class RunTimeLayer {
  private readonly observer: RunTimeObserver;
  private readonly stored = new Map<string, StoredEntry>();
  private readonly settings = new Map<string, unknown>();
  private store: PoolStore | undefined;
  /** A store was let go of and the next one is not there yet: what was acknowledged now would be lost. */
  private betweenStores = false;

  constructor(observer: RunTimeObserver) {
    this.observer = observer;
  }

  /** As what its entries are shown. */
  get name(): Extract<Layer, 'api' | 'cluster'> {
    return this.store?.layer ?? 'api';
  }

  /** Is the store away, so that what is read may be out of date? */
  get stale(): boolean {
    return this.store?.stale ?? false;
  }

  /** Does the store itself end registrations that have a TTL? */
  get expires(): boolean {
    return this.store?.expires ?? false;
  }

  /** What was said of a server, or undefined. */
  get(pool: string, id: string): StoredEntry | undefined {
    return this.stored.get(keyOf(pool, id));
  }

  setting(name: string): unknown {
    return this.settings.get(name);
  }

  /** All of it, for export. */
  export(): StoredPools {
    return {
      entries: [...this.stored.values()],
      settings: [...this.settings].map(([name, value]) => ({ name, value })),
    };
  }

  /**
   * Loads a store and makes it the home of changes; those made while there was none are written to it. Throws
   * CONFIG_INVALID when there is one already.
   */
  async use(store: PoolStore): Promise<void> {
    if (this.store !== undefined) {
      throw new WeldrError('CONFIG_INVALID', 'two plugins want to store the pool; keep one of them');
    }
    this.store = store;
    const { entries, settings } = await store.load();
    const homeless = this.betweenStores ? { entries: [], settings: [] } : this.export();
    this.betweenStores = false;
    this.replace({ entries, settings });
    store.watch?.(change => this.apply(change));
    for (const entry of homeless.entries) await this.write({ op: 'put', entry });
    for (const setting of homeless.settings) await this.write({ op: 'setting', setting });
  }

  /**
   * Lets go of the store, at a reload; what it held stays in use until the next store is loaded. Changes are refused
   * until then, or until {@link goOn}.
   */
  release(): void {
    this.betweenStores ||= this.store !== undefined;
    this.store = undefined;
  }

  /** The reload is over: changes are taken, with a store or without. */
  goOn(): void {
    this.betweenStores = false;
  }

  /** Makes `all` what was changed at run time: after a load, or a resync with a cluster. */
  replace(all: StoredPools): void {
    const stale = new Map(this.stored);
    const staleSettings = new Set(this.settings.keys());
    for (const entry of all.entries) {
      stale.delete(keyOf(entry.pool, entry.id));
      this.apply({ op: 'put', entry });
    }
    for (const setting of all.settings) {
      staleSettings.delete(setting.name);
      this.apply({ op: 'setting', setting });
    }
    for (const { pool, id } of stale.values()) this.apply({ op: 'forget', pool, id });
    for (const name of staleSettings) this.apply({ op: 'setting', setting: { name, value: undefined } });
  }

  /** Makes a change; durable and in force when it resolves. Rejects with STORE_UNAVAILABLE or CONFLICT. */
  async write(change: StoreChange): Promise<void> {
    if (this.betweenStores) {
      throw new WeldrError('STORE_UNAVAILABLE', 'the config is being reloaded; try again in a moment');
    }
    await this.store?.write(change);
    this.apply(change);
  }

  /** Applies a change that is durable. */
  private apply(change: StoreChange): void {
    if (change.op === 'put') {
      this.stored.set(keyOf(change.entry.pool, change.entry.id), change.entry);
      this.observer.changed(change.entry.pool, change.entry.id);
    } else if (change.op === 'forget') {
      this.stored.delete(keyOf(change.pool, change.id));
      this.observer.changed(change.pool, change.id);
    } else if (change.op === 'setting') {
      const { name, value } = change.setting;
      if (value === undefined || value === null) this.settings.delete(name);
      else this.settings.set(name, value);
      this.observer.setting(name, value ?? undefined);
    } else {
      const known = [...this.stored.values()];
      const names = [...this.settings.keys()];
      this.stored.clear();
      this.settings.clear();
      for (const { pool, id } of known) this.observer.changed(pool, id);
      for (const name of names) this.observer.setting(name, undefined);
    }
  }
}
