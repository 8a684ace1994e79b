// RowReplica: the rows in etcd as this node knows them, from a snapshot, the watch and its own writes, which are ahead of the watch. Kept
// in the local copy.
import type { IEvent, IKeyValue } from 'etcd3';
import type { Logger } from 'pino';
import type { Batch, Row, RowChange } from '../../core/state/row.ts';
import type { Clock } from '../../core/time/clock.ts';
import { ChangeTimes } from './change-times.ts';
import { type ClusterKeys, rowValue } from './keys.ts';
import type { LocalCopy, PoolCopy } from './local-copy.ts';
import type { Snapshot } from './snapshot.ts';

/** One key as last seen. */
export interface SeenKey {
  readonly mod: number;
  readonly lease: string;
  readonly value: string;
  /** The parsed value; undefined: it is unusable, which was logged. */
  readonly row: Row | undefined;
}

/** A key as one of this node's own writes left it. */
export interface WrittenKey {
  readonly key: string;
  /** Undefined: it was deleted. */
  readonly value: string | undefined;
  readonly row: Row | undefined;
  readonly lease: string | undefined;
}

/** What a {@link RowReplica} is made of. */
export interface RowReplicaOptions {
  readonly keys: ClusterKeys;
  readonly localCopy: LocalCopy;
  readonly log: Logger;
  readonly clock: Clock;
  /** Receives each change made by another node, or by a ttl that ended. */
  changed(batch: Batch): void;
}

/** The rows of one node. */
export class RowReplica {
  private readonly options: RowReplicaOptions;
  private readonly seen = new Map<string, SeenKey>();
  /** Keys that this node's own writes brought beyond `revision`, with their revisions. */
  private readonly ahead = new Map<string, number>();
  /** All events up to here are in `seen`. */
  private appliedRevision = 0;
  private readonly changeTimes: ChangeTimes;
  /** The revision of this node's last reset: earlier events are ignored. */
  private resetRevision = 0;
  private clusterId = '';

  constructor(options: RowReplicaOptions) {
    this.options = options;
    this.changeTimes = new ChangeTimes(options.clock);
  }

  /** The revision of etcd up to which the replica is complete. */
  get revision(): number {
    return this.appliedRevision;
  }

  /** The revision of the newest change of a row that it knows of. */
  get newest(): number {
    return this.changeTimes.newest;
  }

  /** The revision of the newest change that it knew of this long ago, ms, at most 10 s; 0: of none. */
  newestBefore(ms: number): number {
    return this.changeTimes.before(ms);
  }

  get cluster(): string {
    return this.clusterId;
  }

  /** Keys whose values are unusable. */
  get damaged(): string[] {
    return [...this.seen].flatMap(([key, { row }]) => (row === undefined ? [key] : []));
  }

  get rows(): readonly Row[] {
    return [...this.seen.values()].flatMap(({ row }) => row ?? []);
  }

  get(key: string): SeenKey | undefined {
    return this.seen.get(key);
  }

  // --- from etcd -------------------------------------------------------------------------------------------------

  /** Replaces the contents by a snapshot; reports only the differences. */
  take(snapshot: Snapshot): void {
    const gone = new Set(this.seen.keys());
    this.appliedRevision = snapshot.revision;
    // A revision from before a restore could exceed every one of the restored history.
    this.changeTimes.clear();
    this.clusterId = snapshot.clusterId;
    this.ahead.clear();
    const changes: RowChange[] = [];
    for (const kv of snapshot.kvs) {
      gone.delete(kv.key.toString());
      changes.push(...this.put(kv));
    }
    for (const key of gone) changes.push(...this.remove(key));
    this.report(changes);
    this.save();
  }

  /** Applies events of the watch; those of one transaction are reported together. */
  apply(events: readonly IEvent[]): void {
    let together: RowChange[] = [];
    for (const [index, event] of events.entries()) {
      together.push(...this.applyEvent(event));
      // Everything that one transaction wrote has the same revision.
      if (events[index + 1]?.kv.mod_revision === event.kv.mod_revision) continue;
      this.report(together);
      together = [];
    }
    this.save();
  }

  /** Returns whether a snapshot at this replica's revision holds just the same keys, each last changed at the same revision. */
  matches(snapshot: Snapshot): boolean {
    const known = [...this.seen].filter(([key]) => !this.ahead.has(key));
    const held = new Map(snapshot.kvs.map(kv => [kv.key.toString(), Number(kv.mod_revision)]));
    for (const key of this.ahead.keys()) held.delete(key);
    return known.length === held.size && known.every(([key, { mod }]) => held.get(key) === mod);
  }

  private applyEvent({ type, kv }: IEvent): RowChange[] {
    const key = kv.key.toString();
    const mod = Number(kv.mod_revision);
    // This node's own writes are already in, and perhaps newer ones.
    const overtaken = mod <= this.resetRevision || mod < (this.ahead.get(key) ?? 0);
    const changes = overtaken ? [] : type === 'Delete' ? this.remove(key) : this.put(kv);
    if (mod >= (this.ahead.get(key) ?? 0)) this.ahead.delete(key);
    this.changeTimes.saw(mod);
    this.appliedRevision = Math.max(this.appliedRevision, mod);
    return changes;
  }

  /** Returns the change that a key's value makes; none when the value is the same as before. */
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
    this.changeTimes.saw(mod);
    const seen = { mod, lease, value, row: typeof read === 'string' ? undefined : read };
    this.seen.set(key, seen);
    return seen;
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

  // --- from this node's writes -----------------------------------------------------------------------------------

  /**
   * Takes over a write of this node, done at `revision`, which the watch will deliver later. Returns what is newer, if the
   * watch was faster.
   */
  wrote({ key, value, row, lease }: WrittenKey, revision: number): readonly RowChange[] {
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

  /** Takes over what another node wrote first, before the watch delivers it; returns the change. */
  overtake(key: string, now: IKeyValue | undefined, revision: number): RowChange[] {
    const mod = now === undefined ? revision : Number(now.mod_revision);
    if ((this.seen.get(key)?.mod ?? 0) >= mod) return [];
    if (mod > this.appliedRevision) this.ahead.set(key, mod);
    return now === undefined ? this.remove(key) : this.put(now);
  }

  /** Takes over a reset by this node, done at `revision`. */
  reset(revision: number): void {
    this.resetRevision = revision;
    this.seen.clear();
    this.ahead.clear();
  }

  // --- reporting, and the local copy -----------------------------------------------------------------------------

  report(changes: readonly RowChange[]): void {
    const batch = this.batchOf(changes);
    if (batch !== undefined) this.options.changed(batch);
  }

  /** Returns changes as a batch. A row names its author; for a deletion etcd does not record the cause. */
  batchOf(changes: readonly RowChange[]): Batch | undefined {
    if (changes.length === 0) return undefined;
    const written = changes.find(({ row }) => row !== undefined)?.row;
    const by = written === undefined ? 'another node, or its ttl' : `${written.by} at another node`;
    return { by, at: written?.at ?? this.options.clock.now(), changes };
  }

  /** Writes the local copy soon. */
  save(): void {
    this.options.localCopy.save(() => this.copy());
  }

  /** Loads the local copy, because etcd cannot be reached for this reason. */
  async restore(reason: string): Promise<void> {
    const { localCopy, log } = this.options;
    const copy = await localCopy.read();
    log.warn(
      { reason, rows: copy?.keys.length ?? 0, revision: copy?.revision },
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

  /** Takes a key of the first format, as an earlier version left it in the local copy. */
  private seeFirst(key: string, mod: number, lease: string, value: string): void {
    const { keys, clock, log } = this.options;
    const change = keys.readFirst(key, value, { by: 'an earlier version', at: clock.now() });
    if (typeof change === 'string') log.error({ key, reason: change }, 'ignoring a key of the local copy');
    else if (change.row !== undefined) {
      const { row } = change;
      this.seen.set(keys.row(row.kind, row.key), { mod, lease, value: rowValue(row), row });
    }
  }

  private copy(): PoolCopy {
    const keys = [...this.seen].map(([key, { mod, lease, value }]) => ({ key, mod, lease, value }));
    return { schema: 2, clusterId: this.clusterId, revision: this.appliedRevision, keys };
  }
}
