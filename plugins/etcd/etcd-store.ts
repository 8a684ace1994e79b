// EtcdStore: the pool's home in etcd. Writes compare with what this node saw; a watch keeps the replica.
import type { IEvent, IKeyValue, ITxnResponse } from 'etcd3';
import type { Logger } from 'pino';
import { toError, WeldrError } from '../../core/errors.ts';
import type { Batch, Row, RowChange } from '../../core/state/row.ts';
import type { StateStore } from '../../core/state/store.ts';
import type { Clock } from '../../core/time/clock.ts';
import { type CallLimits, type EtcdClient, plainReason, revisionOf } from './client.ts';
import { refusalError, refusalOf } from './etcd-failure.ts';
import { takeOverFirstFormat } from './first-format.ts';
import { afterPrefix, type ClusterKeys, lifetimeOf, rowValue } from './keys.ts';
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
  readonly row: Row | undefined;
}

/** One change of a batch that is to be written. */
interface Pending {
  readonly key: string;
  /** Undefined: it is deleted. */
  readonly value: string | undefined;
  readonly row: Row | undefined;
  readonly known: SeenKey | undefined;
  readonly lease: string | undefined;
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
  /** Is told how long etcd's majority took to answer a question, ms. */
  answered?(ms: number): void;
}

// From one question whether etcd's majority answers to the next; older than three of them, what we have is stale.
const probeEvery = 1000;
const staleAfter = 3 * probeEvery;
const retryDelay = 200;

/** What operators said, in etcd, as a store of the manager. */
export class EtcdStore implements StateStore {
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
  private newestChange = 0;
  /** The last reset of ours: what happened before it is of no interest. */
  private resetRevision = 0;
  private clusterId = '';
  private following = false;
  private lastAnswer = Number.NEGATIVE_INFINITY;
  private away = 'etcd was not reached yet';
  private listener: ((batch: Batch) => void) | undefined;
  private isMigrated = false;
  private cancelProbe: (() => void) | undefined;
  private running: Promise<void> | undefined;
  private closed = false;

  constructor(options: EtcdStoreOptions) {
    this.options = options;
    const { timeout } = options;
    this.limits = { totalMs: timeout, attemptMs: Math.max(100, Math.min(1000, timeout / 2)) };
    const { client, log, keys } = options;
    this.watcher = new KeyWatch({ client, log, key: keys.rows, rangeEnd: afterPrefix(keys.rows) });
  }

  /** Up to which revision of etcd the replica has everything. */
  get revision(): number {
    return this.appliedRevision;
  }

  /** The newest change of a row that it knows of: a revision. */
  get newest(): number {
    return this.newestChange;
  }

  get cluster(): string {
    return this.clusterId;
  }

  /** Keys that cannot be used. */
  get damaged(): string[] {
    return [...this.seen].flatMap(([key, { row }]) => (row === undefined ? [key] : []));
  }

  /** How long ago etcd's majority confirmed something, ms. */
  get silentFor(): number {
    return this.options.clock.monotonic() - this.lastAnswer;
  }

  /** Why etcd was not reached the last time; empty: it was. */
  get awayBecause(): string {
    return this.away;
  }

  get stale(): boolean {
    return !this.following || this.silentFor > staleAfter;
  }

  // --- reading ---------------------------------------------------------------------------------------------------

  /** What etcd holds; while etcd is away, what the local copy holds. Loaded again, as at a reload: what it has. */
  async load(): Promise<readonly Row[]> {
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

  watch(listener: (batch: Batch) => void): void {
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

  private contents(): readonly Row[] {
    return [...this.seen.values()].flatMap(({ row }) => row ?? []);
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
    for (const { key, mod, lease, value } of copy.keys) {
      if (copy.schema === 1) this.seeFirst(key, mod, lease, value);
      else this.see(key, mod, lease, value);
    }
  }

  // --- following -------------------------------------------------------------------------------------------------

  /** Follows etcd until closed: from the last revision where that is known to be the same history, else anew. */
  private async run(fresh: boolean): Promise<void> {
    const { log } = this.options;
    let complete = fresh;
    while (!this.closed) {
      try {
        if (!complete && !(this.isMigrated && (await this.sameHistory()))) this.take(await this.readAll());
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
    const prefixes = [keys.rows];
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
    if (!this.isMigrated) {
      await takeOverFirstFormat({ client, keys, log: this.options.log, now: this.options.clock.now() });
      this.isMigrated = true;
    }
    const snapshot = await readSnapshot(client, { prefixes: [keys.rows] });
    this.lastAnswer = this.options.clock.monotonic();
    return snapshot;
  }

  /** Makes a snapshot what we have; tells only what differs. */
  private take(snapshot: Snapshot): void {
    const gone = new Set(this.seen.keys());
    this.appliedRevision = snapshot.revision;
    // That of a history before a restore would be ahead of all of this one.
    this.newestChange = 0;
    this.clusterId = snapshot.clusterId;
    this.ahead.clear();
    const changes: RowChange[] = [];
    for (const kv of snapshot.kvs) {
      gone.delete(kv.key.toString());
      changes.push(...this.put(kv));
    }
    for (const key of gone) changes.push(...this.remove(key));
    this.tell(changes);
    this.save();
  }

  private applyEvents(events: readonly IEvent[]): void {
    let together: RowChange[] = [];
    for (const [index, event] of events.entries()) {
      together.push(...this.applyEvent(event));
      // What one transaction wrote has one revision.
      if (events[index + 1]?.kv.mod_revision === event.kv.mod_revision) continue;
      this.tell(together);
      together = [];
    }
    this.save();
  }

  private applyEvent({ type, kv }: IEvent): RowChange[] {
    const key = kv.key.toString();
    const mod = Number(kv.mod_revision);
    // What we wrote ourselves is there already, and maybe something newer of ours.
    const overtaken = mod <= this.resetRevision || mod < (this.ahead.get(key) ?? 0);
    const changes = overtaken ? [] : type === 'Delete' ? this.remove(key) : this.put(kv);
    if (mod >= (this.ahead.get(key) ?? 0)) this.ahead.delete(key);
    this.newestChange = Math.max(this.newestChange, mod);
    this.appliedRevision = Math.max(this.appliedRevision, mod);
    return changes;
  }

  /** What the rows say now that did not say it before. */
  private put(kv: IKeyValue): RowChange[] {
    const key = kv.key.toString();
    const value = kv.value.toString();
    const before = this.seen.get(key);
    const { row } = this.see(key, Number(kv.mod_revision), kv.lease, value);
    if (before?.value === value && before.row !== undefined) return [];
    if (row !== undefined) return [{ kind: row.kind, key: row.key, row }];
    return before?.row === undefined ? [] : this.gone(key);
  }

  private see(key: string, mod: number, lease: string, value: string): SeenKey {
    const before = this.seen.get(key);
    const read = before?.value === value ? before.row : this.options.keys.read(key, value);
    if (typeof read === 'string') this.options.log.error({ key, reason: read }, 'ignoring a key of etcd');
    this.newestChange = Math.max(this.newestChange, mod);
    const seen = { mod, lease, value, row: typeof read === 'string' ? undefined : read };
    this.seen.set(key, seen);
    return seen;
  }

  /** A key of the first format, as an earlier version left it in the local copy. */
  private seeFirst(key: string, mod: number, lease: string, value: string): void {
    const { keys, clock, log } = this.options;
    const change = keys.readFirst(key, value, { by: 'an earlier version', at: clock.now() });
    if (typeof change === 'string') log.error({ key, reason: change }, 'ignoring a key of the local copy');
    else if (change.row !== undefined) {
      const { row } = change;
      this.seen.set(keys.row(row.kind, row.key), { mod, lease, value: rowValue(row), row });
    }
  }

  private remove(key: string): RowChange[] {
    const before = this.seen.get(key);
    this.seen.delete(key);
    return before?.row === undefined ? [] : this.gone(key);
  }

  private gone(key: string): RowChange[] {
    const identity = this.options.keys.identity(key);
    return identity === undefined ? [] : [{ ...identity, row: undefined }];
  }

  /** A row says who wrote it; who took one away, or whether its time was over, etcd does not tell. */
  private tell(changes: readonly RowChange[]): void {
    const batch = this.batchOf(changes);
    if (batch !== undefined) this.listener?.(batch);
  }

  private batchOf(changes: readonly RowChange[]): Batch | undefined {
    if (changes.length === 0) return undefined;
    const written = changes.find(({ row }) => row !== undefined)?.row;
    const by = written === undefined ? 'another node, or its ttl' : `${written.by} at another node`;
    return { by, at: written?.at ?? this.options.clock.now(), changes };
  }

  private save(): void {
    this.options.localCopy.save(() => this.copy());
  }

  private copy(): PoolCopy {
    const keys = [...this.seen].map(([key, { mod, lease, value }]) => ({ key, mod, lease, value }));
    return { schema: 2, clusterId: this.clusterId, revision: this.appliedRevision, keys };
  }

  /** Asks for something that only etcd's majority can answer. */
  private async probe(): Promise<void> {
    const { client, keys } = this.options;
    // The watch may overtake the answer.
    const seen = this.appliedRevision;
    const asked = this.options.clock.monotonic();
    try {
      const answer = await client.call(
        async (etcd, options) =>
          await etcd.kv.range({ key: Buffer.from(keys.leader), count_only: true }, options),
        { totalMs: 2 * probeEvery, attemptMs: probeEvery },
      );
      this.lastAnswer = this.options.clock.monotonic();
      this.options.answered?.(this.lastAnswer - asked);
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

  async write(batch: Batch): Promise<Batch | undefined> {
    this.expectThere();
    let newer: readonly RowChange[];
    try {
      if (batch.reset === true) await this.reset();
      newer = await this.writeRows(batch.changes);
    } catch (thrown) {
      if (thrown instanceof WeldrError && thrown.code !== 'STORE_UNAVAILABLE') throw thrown;
      const refusal = refusalOf(thrown);
      if (refusal?.mayBeDone === false) {
        // Whoever asks again would be refused again.
        const code = refusal.kind === 'too-large' ? 'INPUT_INVALID' : 'STORE_UNAVAILABLE';
        throw new WeldrError(code, `nothing was changed: ${refusal.text}`, { cause: thrown });
      }
      throw new WeldrError(
        'STORE_UNAVAILABLE',
        `etcd did not confirm the change; look whether it was made before trying again (${plainReason(thrown)})`,
        { cause: thrown },
      );
    }
    this.save();
    return this.batchOf(newer);
  }

  async confirm(rows: readonly Pick<RowChange, 'kind' | 'key'>[]): Promise<void> {
    this.expectThere();
    const asked = rows.map(({ kind, key: name }) => {
      const key = this.options.keys.row(kind, name);
      return { key, known: this.seen.get(key) };
    });
    // Without a write etcd's majority is asked just the same.
    const request = { compare: asked.map(isAsSeen), failure: asked.map(rangeOf) };
    const answer = await this.options.client.call(
      async (etcd, options) => await etcd.kv.txn(request, options),
      this.limits,
    );
    this.lastAnswer = this.options.clock.monotonic();
    if (!answer.succeeded) this.refuseOvertaken(asked, answer);
  }

  private expectThere(): void {
    if (!this.stale) return;
    throw new WeldrError(
      'STORE_UNAVAILABLE',
      `etcd is away, nothing was changed${this.away === '' ? '' : ` (${this.away})`}`,
    );
  }

  /** Resolves with what others wrote since over these. */
  private async writeRows(changes: readonly RowChange[]): Promise<readonly RowChange[]> {
    const prepared = await Promise.all(changes.map(change => this.prepare(change)));
    const same = changes.filter((_, index) => prepared[index] === undefined);
    const pending = prepared.flatMap(one => one ?? []);
    if (same.length > 0) await this.confirm(same);
    if (pending.length === 0) return [];
    const { answer, attempts } = await this.exchange(pending);
    const revision = revisionOf(answer.header);
    this.lastAnswer = this.options.clock.monotonic();
    if (answer.succeeded) {
      return pending.flatMap(one => this.wrote(one, revision));
    }
    const now = pending.map((_, index) => answer.responses[index]?.response_range.kvs[0]);
    // An attempt of ours whose answer was lost. After a single one it was somebody else: two who count must not both succeed.
    if (attempts > 1 && pending.every(({ value }, index) => now[index]?.value.toString() === value)) {
      await Promise.all(pending.map((one, index) => this.renewWritten(one, now[index])));
      return pending.flatMap((one, index) => {
        const kv = now[index];
        if (kv === undefined) return this.wrote(one, revision);
        return this.wrote({ ...one, lease: kv.lease }, Number(kv.mod_revision));
      });
    }
    for (const { lease } of pending) this.letGo(lease);
    return this.refuseOvertaken(pending, answer);
  }

  /** What others have changed is taken over; throws CONFLICT. */
  private refuseOvertaken(asked: readonly Pick<Pending, 'key'>[], answer: ITxnResponse): never {
    const revision = revisionOf(answer.header);
    const now = asked.map((_, index) => answer.responses[index]?.response_range.kvs[0]);
    this.tell(asked.flatMap((one, index) => this.overtake(one, now[index], revision)));
    throw new WeldrError(
      'CONFLICT',
      'another node of the cluster has changed this meanwhile; look at it and try again',
    );
  }

  /** What is to be done for a change; undefined: nothing, etcd holds it. */
  private async prepare({ kind, key: name, row }: RowChange): Promise<Pending | undefined> {
    const key = this.options.keys.row(kind, name);
    const value = row === undefined ? undefined : rowValue(row);
    const known = this.seen.get(key);
    const ttl = lifetimeOf(row);
    if (value !== undefined && known?.value === value && (await this.refresh(known, ttl))) return undefined;
    if (value === undefined && known === undefined) return undefined;
    const lease = ttl === undefined ? undefined : await grantLease(this.options.client, ttl, this.limits);
    return { key, value, row, known, lease: lease?.id };
  }

  /** Writes keys, or deletes them, when all are still at what was seen; else answers what is there. */
  private async exchange(pending: readonly Pending[]): Promise<{ answer: ITxnResponse; attempts: number }> {
    const compare = pending.map(isAsSeen);
    const success = pending.map(({ key, value, lease }) =>
      value === undefined
        ? { request_delete_range: { key: Buffer.from(key) } }
        : {
            request_put: {
              key: Buffer.from(key),
              value: Buffer.from(value),
              ...(lease !== undefined && { lease }),
            },
          },
    );
    const failure = pending.map(rangeOf);
    const { client } = this.options;
    let attempts = 0;
    try {
      const answer = await client.call(async (etcd, options) => {
        attempts++;
        return await etcd.kv.txn({ compare, success, failure }, options);
      }, this.limits);
      return { answer, attempts };
    } catch (thrown) {
      const refusal = refusalOf(thrown);
      if (refusal?.kind !== 'no-space') throw thrown;
      // etcd may say so of what it has written, but not without raising its alarm before it writes anything more.
      const answer = await client.call(
        async (etcd, options) => await etcd.kv.txn({ success: failure }, options),
        this.limits,
      );
      const isUnchanged = pending.every(
        ({ known }, index) =>
          Number(answer.responses[index]?.response_range.kvs[0]?.mod_revision ?? 0) === (known?.mod ?? 0),
      );
      // One of which no answer came may be done later.
      if (isUnchanged) throw attempts > 1 ? thrown : refusalError({ ...refusal, mayBeDone: false });
      return { answer: { ...answer, succeeded: false }, attempts: 2 };
    }
  }

  /**
   * A write of ours was done at `revision`: the replica has it at once, the watch will tell of it later. Returns what is
   * newer, where the watch was faster.
   */
  private wrote(
    { key, value, row, lease }: Pick<Pending, 'key' | 'value' | 'row' | 'lease'>,
    revision: number,
  ): readonly RowChange[] {
    const now = this.seen.get(key);
    if (now !== undefined && now.mod > revision) {
      return now.row === undefined
        ? this.gone(key)
        : [{ kind: now.row.kind, key: now.row.key, row: now.row }];
    }
    if (revision > this.appliedRevision) this.ahead.set(key, revision);
    if (value === undefined) this.seen.delete(key);
    else this.seen.set(key, { mod: revision, lease: lease ?? '0', value, row });
    return [];
  }

  /** An earlier attempt has written it, with a lease of its own. */
  private async renewWritten(one: Pending, now: IKeyValue | undefined): Promise<void> {
    this.letGo(one.lease);
    if (now !== undefined) await this.refresh(now, lifetimeOf(one.row));
  }

  /** Somebody else was faster: what is there now is taken over before the watch tells of it. */
  private overtake({ key }: Pick<Pending, 'key'>, now: IKeyValue | undefined, revision: number): RowChange[] {
    const mod = now === undefined ? revision : Number(now.mod_revision);
    if ((this.seen.get(key)?.mod ?? 0) >= mod) return [];
    if (mod > this.appliedRevision) this.ahead.set(key, mod);
    return now === undefined ? this.remove(key) : this.put(now);
  }

  private letGo(lease: string | undefined): void {
    if (lease !== undefined) revokeLease(this.options.client, lease, this.limits).catch(() => {});
  }

  /** Makes a registration last longer. False: there is nothing to refresh, it has to be written. */
  private async refresh(known: Pick<SeenKey, 'lease'>, ttl: number | undefined): Promise<boolean> {
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
    const all = { request_delete_range: { key: Buffer.from(keys.rows), range_end: afterPrefix(keys.rows) } };
    const answer = await client.call(
      async (etcd, options) => await etcd.kv.txn({ success: [all] }, options),
      this.limits,
    );
    this.resetRevision = revisionOf(answer.header);
    this.seen.clear();
    this.ahead.clear();
  }
}

/** Is the key as this node has seen it? */
function isAsSeen({ key, known }: Pick<Pending, 'key' | 'known'>) {
  return {
    key: Buffer.from(key),
    target: 'Mod' as const,
    result: 'Equal' as const,
    mod_revision: known?.mod ?? 0,
  };
}

function rangeOf({ key }: Pick<Pending, 'key'>) {
  return { request_range: { key: Buffer.from(key) } };
}
