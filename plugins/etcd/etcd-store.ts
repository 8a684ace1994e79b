// EtcdStore: the pool's home in etcd. Writes compare with what this node saw; a watch keeps the replica.
import type { IEvent, IKeyValue, ITxnResponse } from 'etcd3';
import type { Logger } from 'pino';
import type { Clock } from '../../core/clock.ts';
import { toError, WeldrError } from '../../core/errors.ts';
import type {
  PoolStore,
  StoreChange,
  StoredEntry,
  StoredPools,
  StoredSetting,
} from '../../core/pool/store.ts';
import { type CallLimits, type EtcdClient, plainReason, revisionOf } from './client.ts';
import { afterPrefix, type ClusterKeys, entryValue, settingValue } from './keys.ts';
import { grantLease, keepAliveOnce, revokeLease } from './leases.ts';
import type { LocalCopy, PoolCopy } from './local-copy.ts';
import { readSnapshot, type Snapshot } from './snapshot.ts';
import { KeyWatch } from './watch.ts';

/** One key as last seen. */
interface SeenKey {
  readonly mod: number;
  readonly lease: string;
  readonly value: string;
  /** What it says; undefined: it cannot be used, and was logged. */
  readonly change: StoreChange | undefined;
}

/** What an {@link EtcdStore} is made of. */
export interface EtcdStoreOptions {
  readonly client: EtcdClient;
  readonly keys: ClusterKeys;
  readonly localCopy: LocalCopy;
  readonly log: Logger;
  readonly clock: Clock;
  /** How long a write may take before it is answered with STORE_UNAVAILABLE, ms. */
  readonly timeout: number;
}

// From one question whether etcd's majority answers to the next; older than three of them, what we have is stale.
const probeEvery = 1000;
const staleAfter = 3 * probeEvery;
const retryDelay = 200;

/** The pools in etcd, as a store of the manager. */
export class EtcdStore implements PoolStore {
  readonly layer = 'cluster';
  /** Registrations with a ttl hold a lease: etcd drops them. */
  readonly expires = true;
  private readonly options: EtcdStoreOptions;
  private readonly limits: CallLimits;
  private readonly watcher: KeyWatch;
  private readonly seen = new Map<string, SeenKey>();
  /** Keys that our own writes brought beyond `revision`, with their revisions. */
  private readonly ahead = new Map<string, number>();
  /** All events up to here are in `seen`. */
  private appliedRevision = 0;
  /** The last reset of ours: what happened before it is of no interest. */
  private resetRevision = 0;
  private clusterId = '';
  private following = false;
  private lastAnswer = Number.NEGATIVE_INFINITY;
  private away = 'etcd was not reached yet';
  private listener: ((change: StoreChange) => void) | undefined;
  private cancelProbe: (() => void) | undefined;
  private running: Promise<void> | undefined;
  private closed = false;

  constructor(options: EtcdStoreOptions) {
    this.options = options;
    const { timeout } = options;
    this.limits = { totalMs: timeout, attemptMs: Math.max(100, Math.min(1000, timeout / 2)) };
    const { client, log, keys } = options;
    this.watcher = new KeyWatch({ client, log, key: keys.pools, rangeEnd: afterPrefix(keys.settings) });
  }

  /** Up to which revision of etcd the replica has everything. */
  get revision(): number {
    return this.appliedRevision;
  }

  get cluster(): string {
    return this.clusterId;
  }

  /** Keys that cannot be used. */
  get damaged(): string[] {
    return [...this.seen].flatMap(([key, { change }]) => (change === undefined ? [key] : []));
  }

  /** How long ago etcd's majority confirmed something, ms. */
  get silentFor(): number {
    return this.options.clock.monotonic() - this.lastAnswer;
  }

  get stale(): boolean {
    return !this.following || this.silentFor > staleAfter;
  }

  // --- reading ---------------------------------------------------------------------------------------------------

  /** What etcd holds; while etcd is away, what the local copy holds. Loaded again, as at a reload: what it has. */
  async load(): Promise<StoredPools> {
    if (this.running !== undefined) return this.contents();
    let fresh = false;
    try {
      this.take(await this.readAll());
      fresh = true;
    } catch (thrown) {
      this.away = plainReason(thrown);
      await this.takeLocalCopy();
    }
    this.cancelProbe = this.options.clock.every(probeEvery, () => void this.probe());
    this.running = this.run(fresh);
    return this.contents();
  }

  watch(listener: (change: StoreChange) => void): void {
    this.listener = listener;
  }

  /** Stops following etcd; resolves when the local copy is on disk. */
  async close(): Promise<void> {
    this.closed = true;
    this.cancelProbe?.();
    this.watcher.close();
    await this.running;
    await this.options.localCopy.flush();
  }

  private contents(): StoredPools {
    const entries: StoredEntry[] = [];
    const settings: StoredSetting[] = [];
    for (const { change } of this.seen.values()) {
      if (change?.op === 'put') entries.push(change.entry);
      else if (change?.op === 'setting') settings.push(change.setting);
    }
    return { entries, settings };
  }

  private async takeLocalCopy(): Promise<void> {
    const { localCopy, log } = this.options;
    const copy = await localCopy.read();
    log.warn(
      { reason: this.away, servers: copy?.keys.length ?? 0, revision: copy?.revision },
      copy === undefined
        ? 'etcd is away and there is no local copy: starting with the servers of the config'
        : 'etcd is away: starting from the local copy',
    );
    if (copy === undefined) return;
    this.appliedRevision = copy.revision;
    this.clusterId = copy.clusterId;
    for (const { key, mod, lease, value } of copy.keys) this.see(key, mod, lease, value);
  }

  // --- following -------------------------------------------------------------------------------------------------

  /** Follows etcd until closed: from the last revision where that is known to be the same history, else anew. */
  private async run(fresh: boolean): Promise<void> {
    const { log } = this.options;
    let complete = fresh;
    while (!this.closed) {
      try {
        if (!complete && !(await this.sameHistory())) this.take(await this.readAll());
        const end = await this.watcher.follow(this.appliedRevision + 1, {
          connected: member => {
            this.following = true;
            this.away = '';
            log.info({ host: member.host, revision: this.appliedRevision }, 'following etcd');
          },
          events: events => this.applyEvents(events),
        });
        if (end === 'compacted') log.info('etcd has compacted what happened meanwhile: reading all of it');
        if (this.following && end === 'disconnected')
          log.warn('lost the watch of etcd; the pool stays as it is');
      } catch (thrown) {
        this.away = plainReason(thrown);
        log.debug({ reason: this.away }, 'etcd does not answer');
      }
      this.following = false;
      complete = false;
      if (!this.closed) await this.pause(retryDelay);
    }
  }

  /** Does etcd, at our revision, hold exactly what we saw? Not after a restore from a backup or in another cluster. */
  private async sameHistory(): Promise<boolean> {
    const { log, client, keys } = this.options;
    if (this.appliedRevision === 0) return false;
    const prefixes = [keys.pools, keys.settings];
    let then: Snapshot;
    try {
      then = await readSnapshot(client, { prefixes, keysOnly: true, revision: this.appliedRevision });
    } catch (thrown) {
      const { message } = toError(thrown);
      if (/has been compacted/.test(message)) return false;
      if (!/is a future revision/.test(message)) throw thrown;
      log.warn(
        { revision: this.appliedRevision },
        'etcd is at an older revision than this node saw (restored from a backup?): reading all of it',
      );
      return false;
    }
    if (then.clusterId !== this.clusterId) {
      log.warn(
        { was: this.clusterId, is: then.clusterId },
        'this is another etcd cluster: reading all of it',
      );
      return false;
    }
    const known = [...this.seen].filter(([key]) => !this.ahead.has(key));
    const held = new Map(then.kvs.map(kv => [kv.key.toString(), Number(kv.mod_revision)]));
    for (const key of this.ahead.keys()) held.delete(key);
    if (known.length === held.size && known.every(([key, { mod }]) => held.get(key) === mod)) return true;
    log.warn(
      { revision: this.appliedRevision },
      'etcd has another history than this node saw (restored from a backup?): reading all of it',
    );
    return false;
  }

  private async readAll(): Promise<Snapshot> {
    const { client, keys } = this.options;
    const snapshot = await readSnapshot(client, { prefixes: [keys.pools, keys.settings] });
    this.lastAnswer = this.options.clock.monotonic();
    return snapshot;
  }

  /** Makes a snapshot what we have; tells only what differs. */
  private take(snapshot: Snapshot): void {
    const gone = new Set(this.seen.keys());
    this.appliedRevision = snapshot.revision;
    this.clusterId = snapshot.clusterId;
    this.ahead.clear();
    for (const kv of snapshot.kvs) {
      gone.delete(kv.key.toString());
      this.put(kv);
    }
    for (const key of gone) this.remove(key);
    this.save();
  }

  private applyEvents(events: readonly IEvent[]): void {
    for (const { type, kv } of events) {
      const key = kv.key.toString();
      const mod = Number(kv.mod_revision);
      // What we wrote ourselves is there already, and maybe something newer of ours.
      const overtaken = mod <= this.resetRevision || mod < (this.ahead.get(key) ?? 0);
      if (!overtaken) {
        if (type === 'Delete') this.remove(key);
        else this.put(kv);
      }
      if (mod >= (this.ahead.get(key) ?? 0)) this.ahead.delete(key);
      this.appliedRevision = Math.max(this.appliedRevision, mod);
    }
    this.save();
  }

  private put(kv: IKeyValue): void {
    const key = kv.key.toString();
    const value = kv.value.toString();
    const mod = Number(kv.mod_revision);
    const before = this.seen.get(key);
    const now = this.see(key, mod, kv.lease, value);
    if (before?.value === value && before.change !== undefined) return;
    if (now.change !== undefined) this.listener?.(now.change);
    else if (before?.change !== undefined) this.tellGone(key);
  }

  private see(key: string, mod: number, lease: string, value: string): SeenKey {
    const before = this.seen.get(key);
    const read = before?.value === value ? before.change : this.options.keys.read(key, value);
    if (typeof read === 'string') this.options.log.error({ key, reason: read }, 'ignoring a key of etcd');
    const seen = { mod, lease, value, change: typeof read === 'string' ? undefined : read };
    this.seen.set(key, seen);
    return seen;
  }

  private remove(key: string): void {
    const before = this.seen.get(key);
    this.seen.delete(key);
    if (before?.change !== undefined) this.tellGone(key);
  }

  private tellGone(key: string): void {
    const change = this.options.keys.gone(key);
    if (change !== undefined) this.listener?.(change);
  }

  private save(): void {
    this.options.localCopy.save(() => this.copy());
  }

  private copy(): PoolCopy {
    const keys = [...this.seen].map(([key, { mod, lease, value }]) => ({ key, mod, lease, value }));
    return { clusterId: this.clusterId, revision: this.appliedRevision, keys };
  }

  /** Asks for something that only etcd's majority can answer. */
  private async probe(): Promise<void> {
    const { client, keys } = this.options;
    // The watch may overtake the answer.
    const seen = this.appliedRevision;
    try {
      const answer = await client.call(
        async (etcd, options) =>
          await etcd.kv.range({ key: Buffer.from(keys.leader), count_only: true }, options),
        { totalMs: 2 * probeEvery, attemptMs: probeEvery },
      );
      this.lastAnswer = this.options.clock.monotonic();
      const backwards = revisionOf(answer.header) < seen;
      if (this.following && (backwards || answer.header.cluster_id !== this.clusterId)) {
        this.options.log.warn('etcd is not what it was: comparing its history with what this node saw');
        this.watcher.restart();
      }
    } catch (thrown) {
      this.away = plainReason(thrown);
    }
  }

  private async pause(ms: number): Promise<void> {
    await new Promise<void>(resolve => this.options.clock.after(ms, resolve));
  }

  // --- writing ---------------------------------------------------------------------------------------------------

  async write(change: StoreChange): Promise<void> {
    if (this.stale) {
      throw new WeldrError(
        'STORE_UNAVAILABLE',
        `etcd is away, nothing was changed${this.away === '' ? '' : ` (${this.away})`}`,
      );
    }
    try {
      if (change.op === 'reset') await this.reset();
      else await this.writeKey(change);
    } catch (thrown) {
      if (thrown instanceof WeldrError && thrown.code !== 'STORE_UNAVAILABLE') throw thrown;
      throw new WeldrError(
        'STORE_UNAVAILABLE',
        `etcd did not confirm the change; look whether it was made before trying again (${plainReason(thrown)})`,
        { cause: thrown },
      );
    }
    this.save();
  }

  private async writeKey(change: Exclude<StoreChange, { op: 'reset' }>): Promise<void> {
    const key = this.options.keys.of(change);
    if (key === undefined) return;
    const value = textOf(change);
    const known = this.seen.get(key);
    const ttl = change.op === 'put' && change.entry.kind === 'added' ? change.entry.server.ttl : undefined;
    if (value !== undefined && known?.value === value && (await this.refresh(known, ttl))) return;
    if (value === undefined && known === undefined) return;
    const lease = ttl === undefined ? undefined : await grantLease(this.options.client, ttl, this.limits);
    const answer = await this.exchange(key, known?.mod ?? 0, value, lease?.id);
    const revision = revisionOf(answer.header);
    this.lastAnswer = this.options.clock.monotonic();
    if (answer.succeeded) return this.wrote(key, revision, value, lease?.id, change);
    if (lease !== undefined) revokeLease(this.options.client, lease.id, this.limits).catch(() => {});
    const current = answer.responses[0]?.response_range.kvs[0];
    // The same was written by somebody else, or by an attempt of ours whose answer was lost.
    if (value === undefined && current === undefined)
      return this.wrote(key, revision, value, undefined, change);
    if (value !== undefined && current?.value.toString() === value) {
      this.wrote(key, Number(current.mod_revision), value, current.lease, change);
      await this.refresh(this.see(key, Number(current.mod_revision), current.lease, value), ttl);
      return;
    }
    throw new WeldrError(
      'CONFLICT',
      'another node of the cluster has changed this meanwhile; look at it and try again',
    );
  }

  /** Writes a key, or deletes it, when it is still at `mod` (0: does not exist); else answers what is there. */
  private async exchange(
    key: string,
    mod: number,
    value: string | undefined,
    lease: string | undefined,
  ): Promise<ITxnResponse> {
    const at = Buffer.from(key);
    const write =
      value === undefined
        ? { request_delete_range: { key: at } }
        : { request_put: { key: at, value: Buffer.from(value), ...(lease !== undefined && { lease }) } };
    return await this.options.client.call(
      async (etcd, options) =>
        await etcd.kv.txn(
          {
            compare: [{ key: at, target: 'Mod', result: 'Equal', mod_revision: mod }],
            success: [write],
            failure: [{ request_range: { key: at } }],
          },
          options,
        ),
      this.limits,
    );
  }

  /** A write of ours was done at `revision`: the replica has it at once, the watch will tell of it later. */
  private wrote(
    key: string,
    revision: number,
    value: string | undefined,
    lease: string | undefined,
    change: StoreChange,
  ): void {
    const now = this.seen.get(key);
    if (now !== undefined && now.mod > revision) {
      // The watch was faster and has something newer; who called us will apply our change over it.
      setImmediate(() => now.change && this.listener?.(now.change));
      return;
    }
    if (revision > this.appliedRevision) this.ahead.set(key, revision);
    if (value === undefined) this.seen.delete(key);
    else this.seen.set(key, { mod: revision, lease: lease ?? '0', value, change });
  }

  /** Makes a registration last longer. False: there is nothing to refresh, it has to be written. */
  private async refresh(known: SeenKey, ttl: number | undefined): Promise<boolean> {
    if (ttl === undefined) return known.lease === '0';
    if (known.lease === '0') return false;
    const kept = await this.options.client.call(
      async (etcd, options) => await keepAliveOnce(etcd, known.lease, options),
      this.limits,
    );
    return kept.ttl > 0;
  }

  private async reset(): Promise<void> {
    const { client, keys } = this.options;
    const all = (prefix: string) => ({
      request_delete_range: { key: Buffer.from(prefix), range_end: afterPrefix(prefix) },
    });
    const answer = await client.call(
      async (etcd, options) => await etcd.kv.txn({ success: [all(keys.pools), all(keys.settings)] }, options),
      this.limits,
    );
    this.resetRevision = revisionOf(answer.header);
    this.seen.clear();
    this.ahead.clear();
  }
}

function textOf(change: StoreChange): string | undefined {
  if (change.op === 'put') return entryValue(change.entry);
  if (change.op === 'setting' && change.setting.value !== undefined && change.setting.value !== null) {
    return settingValue(change.setting.value);
  }
  return undefined;
}
