// ManagerPools: the pools as the manager side of a plugin uses them: to read, follow and judge, and to add servers it finds.
import { describeError, WeldrError } from '../errors.ts';
import type { Setting, SettingDeclaration } from '../state/settings.ts';
import type { SourceOwner } from './discovered-layer.ts';
import type { DiscoverySource, SourceSummary } from './discovery-source.ts';
import type { ManagedPools } from './managed-pools.ts';
import type { HealthReport, PoolEntry } from './pool-entry.ts';
import type { PoolsObserver } from './pools-observer.ts';
import type { GuardOptions } from './source-guard.ts';

/** How many servers a pool holds. */
export interface PoolCounts {
  /** All servers, including those that drain before they go. */
  readonly servers: number;
  /** Those that are available for new requests. */
  readonly available: number;
  /** Backups that become available as soon as no other server is. */
  readonly standby: number;
}

/** The plugins of a pool that its settings do not list. */
export interface PluginsOfPool {
  /** Their names; no list changes them. */
  readonly inPlace: readonly string[];
  /** Problems with the listed plugins, one sentence each. */
  readonly problems: readonly string[];
}

/** All pools of this Weldr, for the manager side of one plugin. */
export interface ManagerPools {
  /** The names of all pools; `default` always exists. */
  readonly names: readonly string[];
  /** The number of servers in a pool; undefined: there is no such pool. O(1). */
  counts(pool: string): PoolCounts | undefined;
  /** The plugins that the config made in place for a pool, and the problems with its listed ones. */
  plugins(pool: string): PluginsOfPool;
  /** One server by its URL's origin. */
  get(pool: string, id: string): PoolEntry | undefined;
  /** The servers of a pool, including those that drain before they go; empty when there is no such pool. */
  list(pool: string): Iterable<PoolEntry>;
  /** Follows all pools until the plugin ends, or until the returned function is called. */
  observe(observer: PoolsObserver): () => void;

  /**
   * Reports that this plugin finds a server unhealthy (`complaint`: why, for people) or healthy (undefined). It is down
   * while any plugin complains. A verdict survives reloads while the plugin is in the config, and ends with it.
   * Unknown servers are ignored.
   *
   * @example pools.verdict('default', 'http://10.0.0.5:3000', 'its disk is full');
   */
  verdict(pool: string, id: string, complaint: string | undefined): void;
  /** This plugin's current complaint about a server, including one from before a reload. */
  complaint(pool: string, id: string): string | undefined;
  /** Keeps the last result of this plugin's check, for `GET /servers`. */
  reportHealth(pool: string, id: string, health: HealthReport): void;

  /**
   * Returns the {@link DiscoverySource} for the servers that this plugin finds. Call this while the plugin starts: after
   * a reload the plugin of the next config gets it with all its servers, and sources without an owner are emptied, their
   * servers drained. Throws INPUT_INVALID for a bad name, CONFIG_INVALID when another plugin has a source of this name,
   * LIMIT_REACHED. `guard`: when to hold back a list that names few servers; default: never.
   */
  source(name: string, guard?: GuardOptions): DiscoverySource;
  /** What each source holds of a pool, in the order of their plugins; sources without servers there are left out. */
  sources(pool: string): readonly SourceSummary[];

  /**
   * Declares a setting of this plugin that operators may change at run time, field by field, over the config's value
   * (`base`), until the plugin ends. `OperatorPools.write` changes it: kind `setting`, its name as key.
   *
   * @example
   * const limit = pools.setting('quota', { schema, base: options, changed: value => apply(value) });
   * apply(limit.value);
   */
  setting<T>(name: string, declaration: SettingDeclaration<T>): Setting<T>;
}

/** The parts of {@link PluginPools}. */
export interface PluginPoolsOptions {
  readonly pools: ManagedPools;
  /** The instance of the plugin: the name of its verdicts. */
  readonly instance: string;
  /** Receives what the plugin's observers throw. */
  report(error: WeldrError): void;
}

/** The {@link ManagerPools} of one instance of a plugin, until it ends. */
export class PluginPools implements ManagerPools {
  readonly #pools: ManagedPools;
  readonly #owner: SourceOwner;
  readonly #report: (error: WeldrError) => void;
  readonly #stops = new Set<() => void>();
  #closed = false;

  constructor({ pools, instance, report }: PluginPoolsOptions) {
    this.#pools = pools;
    this.#owner = { instance };
    this.#report = report;
  }

  get names(): readonly string[] {
    return this.#pools.poolNames;
  }

  counts(name: string): PoolCounts | undefined {
    const pool = this.#pools.pool(name);
    return pool === undefined || !this.#pools.isShown(name)
      ? undefined
      : { servers: pool.size, available: pool.available.length, standby: pool.standbyCount };
  }

  plugins(pool: string): PluginsOfPool {
    return { inPlace: this.#pools.pluginsInPlace(pool), problems: this.#pools.pluginProblems(pool) };
  }

  get(pool: string, id: string): PoolEntry | undefined {
    return this.#pools.get(pool, id);
  }

  list(pool: string): Iterable<PoolEntry> {
    return this.#pools.list(pool);
  }

  observe(observer: PoolsObserver): () => void {
    const stop = this.#pools.observe({ ...this.#guarded(observer), judge: this.#owner.instance });
    const forget = (): void => {
      this.#stops.delete(forget);
      stop();
    };
    if (this.#closed) stop();
    else this.#stops.add(forget);
    return forget;
  }

  verdict(pool: string, id: string, complaint: string | undefined): void {
    if (!this.#closed) this.#pools.verdict(pool, id, this.#owner.instance, complaint);
  }

  complaint(pool: string, id: string): string | undefined {
    return this.#pools.get(pool, id)?.complaints.get(this.#owner.instance);
  }

  reportHealth(pool: string, id: string, health: HealthReport): void {
    if (!this.#closed) this.#pools.reportHealth(pool, id, this.#owner.instance, health);
  }

  source(name: string, guard?: GuardOptions): DiscoverySource {
    if (this.#closed) throw new WeldrError('CONFLICT', `${this.#owner.instance} has ended`);
    return this.#pools.discovered.claim(name, this.#owner, guard);
  }

  sources(pool: string): readonly SourceSummary[] {
    return this.#pools.discovered.summaries(pool);
  }

  setting<T>(name: string, declaration: SettingDeclaration<T>): Setting<T> {
    const changed = (value: T): void => this.#guard('changed', () => declaration.changed?.(value));
    const { setting, close } = this.#pools.settings.declare(name, { ...declaration, changed });
    this.#stops.add(close);
    return setting;
  }

  /**
   * The plugin has ended: stops all its observers and later verdicts. Its earlier ones stay until a reload is over.
   */
  close(): void {
    this.#closed = true;
    for (const stop of [...this.#stops]) stop();
    this.#pools.discovered.release(this.#owner);
  }

  /** A plugin's mistake must not leave the pools half changed. */
  #guarded(observer: PoolsObserver): PoolsObserver {
    return {
      joining: server => {
        let complaint: string | undefined;
        this.#guard('joining', () => {
          complaint = observer.joining?.(server);
        });
        return complaint;
      },
      upstreamChanged: (upstream, before) =>
        this.#guard('upstreamChanged', () => observer.upstreamChanged?.(upstream, before)),
      defined: entry => this.#guard('defined', () => observer.defined?.(entry)),
      removed: upstream => this.#guard('removed', () => observer.removed?.(upstream)),
    };
  }

  #guard(method: string, call: () => void): void {
    try {
      call();
    } catch (thrown) {
      const why = `plugin ${this.#owner.instance} in ${method} of the pools: ${describeError(thrown)}`;
      this.#report(new WeldrError('PLUGIN_FAILED', why, { cause: thrown }));
    }
  }
}
