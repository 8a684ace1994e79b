// State: everything that operators changed, durable before it is active, and what the layers make of it.

import { adoptError, WeldrError } from '../errors.ts';
import type { Clock } from '../time/clock.ts';
import type { Entity } from './entity.ts';
import type { KindHost, Undo } from './kind-host.ts';
import type { OperatorLayer } from './layer.ts';
import { type ResolvedWrites, resolveWrites, type Written } from './resolved-writes.ts';
import { type Batch, type Mark, maxBatch, maxPlanned, type Row, type RowChange } from './row.ts';
import { changeTo, importRows } from './row-import.ts';
import { RowTable } from './row-table.ts';
import type { StateStore } from './store.ts';
import { Turns } from './turns.ts';
import type { Write } from './write.ts';

/** What a {@link State} needs of the process around it. */
export interface StateOptions {
  readonly clock: Clock;
  /** Called once for each problem of a row that cannot be used as it is. */
  report(row: Row, problem: string): void;
  /** Resolves when a change is active everywhere, which a write waits for. Default: at once. */
  settled?(): Promise<void>;
}

/** How often a write is tried when others have written in the meantime. */
const maxTries = 5;

/** Operators' changes of all kinds. */
export class State {
  private readonly options: StateOptions;
  private readonly table: RowTable;
  private readonly turns = new Turns();
  private store: StateStore | undefined;
  /** The store was released and the next one is not loaded yet: what was acknowledged now would be lost. */
  private betweenStores = false;

  constructor(options: StateOptions) {
    this.options = options;
    this.table = new RowTable({
      layer: () => this.layer,
      report: (row, problem) => options.report(row, problem),
    });
  }

  /** Makes a kind known; its rows are active from now on. */
  register(host: KindHost): void {
    this.table.register(host);
  }

  /** Makes a kind unknown: its rows stay, and have no effect. */
  unregister(kind: string): void {
    this.table.unregister(kind);
  }

  /** Returns whether a row of this kind has an effect without a base. */
  takesNew(kind: string): boolean {
    const host = this.table.knownHost(kind);
    return host !== undefined && (host.takesNew?.() ?? true);
  }

  /** Follows the rows: called once for everything that was changed together, when it is active here. */
  observe(observer: (changes: readonly RowChange[]) => void): () => void {
    return this.table.observe(observer);
  }

  /** The layer that operators' whole entities are shown with. */
  get layer(): OperatorLayer {
    return this.store?.layer ?? 'api';
  }

  /** Whether the store is away, so that what is read may be out of date. */
  get stale(): boolean {
    return this.store?.stale ?? false;
  }

  /** Whether the store itself ends rows that have a ttl. */
  get expires(): boolean {
    return this.store?.expires ?? false;
  }

  /** Whether secrets are stored unencrypted. */
  get keepsPlain(): boolean {
    return this.store !== undefined && this.store.seals !== true;
  }

  /** All rows, including those of unknown kinds. */
  get all(): IterableIterator<Row> {
    return this.table.all;
  }

  row(kind: string, key: string): Row | undefined {
    return this.table.row(kind, key);
  }

  /** Returns whether a layer below the operator's defines the thing of a row. */
  hasBase({ kind, key }: Row): boolean {
    return this.table.knownHost(kind)?.base(key) !== undefined;
  }

  /** The active entity of a thing; undefined: there is none. Throws INPUT_INVALID for an unknown kind. */
  entity(kind: string, key: string): Entity | undefined {
    return this.table.entity(this.table.host(kind), key, this.row(kind, key));
  }

  // --- changing --------------------------------------------------------------------------------------------------

  /**
   * Makes changes, all or none; durable and active when it resolves. Rejects when an expectation of a write fails or a
   * value is wrong, and with STORE_UNAVAILABLE, CONFLICT, LIMIT_REACHED. `applied` is called when the changes are active
   * here, though perhaps not yet in all workers.
   */
  async write(writes: readonly Write[], by: string, applied?: () => void): Promise<readonly Written[]> {
    expectAtMost(maxBatch, writes);
    const done = await this.turns.take(writes, async () => {
      for (let tries = 1; ; tries++) {
        const mark = this.markOf(by);
        let undos: readonly Undo[] = [];
        try {
          const planned = await this.resolveAsStored(writes, mark, tries);
          undos = await this.prepare(planned.written);
          // The preparation may have taken so long that another change came in between.
          const { written, changes } = undos.length === 0 ? planned : this.resolve(writes, mark);
          await this.commit({ ...mark, changes });
          applied?.();
          return written;
        } catch (raised) {
          for (const undo of undos) await undo();
          const thrown = adoptError(raised);
          // What another node wrote is known by now: the write is tried again, with its expectations.
          const again = thrown instanceof WeldrError && thrown.code === 'CONFLICT' && tries < maxTries;
          if (!again) throw thrown;
        }
      }
    });
    // An equal value that another write set may still be on its way.
    await this.options.settled?.();
    return done;
  }

  /**
   * Returns what {@link write} would do now; it takes more changes, for several writes. Throws what `write` would reject with,
   * except for errors of the store.
   */
  plan(writes: readonly Write[], by: string): readonly Written[] {
    expectAtMost(maxPlanned, writes);
    return this.resolve(writes, this.markOf(by)).written;
  }

  /** Forgets a row when its turn has come and it is still overdue. */
  async expire(kind: string, key: string, overdue: () => boolean): Promise<void> {
    const change: RowChange = { kind, key, row: undefined };
    await this.turns.take([change], async () => {
      if (overdue()) await this.commit({ ...this.markOf('ttl'), changes: [change] });
    });
  }

  /**
   * Imports rows from an export unchanged. Rejects with INPUT_INVALID and the place for the first that cannot be used;
   * then nothing has changed.
   */
  async take(rows: readonly Row[], by: string): Promise<void> {
    const mark = this.markOf(by);
    await importRows(rows, {
      knownHost: kind => this.table.knownHost(kind),
      commit: changes => this.turns.take(changes, () => this.commit({ ...mark, changes })),
    });
    await this.options.settled?.();
  }

  /** Forgets all operators' changes: the config and the sources decide. */
  async reset(by: string): Promise<void> {
    await this.commit({ ...this.markOf(by), reset: true, changes: [] });
    await this.options.settled?.();
  }

  private markOf(by: string): Mark {
    return { by, at: this.options.clock.now() };
  }

  private resolve(writes: readonly Write[], mark: Mark): ResolvedWrites {
    return resolveWrites(writes, mark, { table: this.table, shared: this.layer === 'cluster' });
  }

  /** The same, but never based on rows that another process has changed without this one knowing. */
  private async resolveAsStored(
    writes: readonly Write[],
    mark: Mark,
    tries: number,
  ): Promise<ResolvedWrites> {
    try {
      const planned = this.resolve(writes, mark);
      if (planned.same.length > 0) await this.store?.confirm?.(planned.same);
      return planned;
    } catch (thrown) {
      const code = thrown instanceof WeldrError ? thrown.code : undefined;
      // Only once: if the store confirms what is known, the refusal is final.
      const isByWhatIsKnown = code === 'NOT_FOUND' || code === 'PRECONDITION_FAILED';
      if (isByWhatIsKnown && tries === 1) await this.confirmIfReachable(writes);
      throw thrown;
    }
  }

  /** While the store is away, a refusal is based on what is known. */
  private async confirmIfReachable(rows: readonly Pick<Write, 'kind' | 'key'>[]): Promise<void> {
    try {
      await this.store?.confirm?.(rows);
    } catch (thrown) {
      if (!(thrown instanceof WeldrError) || thrown.code !== 'STORE_UNAVAILABLE') throw thrown;
    }
  }

  /** Prepares what a batch needs. Resolves with the functions that undo it, for the last step first. */
  private async prepare(written: readonly Written[]): Promise<readonly Undo[]> {
    const undos: Undo[] = [];
    try {
      for (const { kind, key, after } of written) {
        const undo = await this.table.host(kind).prepare?.(key, after);
        if (undo !== undefined) undos.unshift(undo);
      }
      return undos;
    } catch (thrown) {
      for (const undo of undos) await undo();
      throw thrown;
    }
  }

  private async commit(batch: Batch): Promise<void> {
    if (this.betweenStores) {
      throw new WeldrError('STORE_UNAVAILABLE', 'the config is being reloaded; try again in a moment');
    }
    if (batch.changes.length === 0 && batch.reset !== true) return;
    const newer = await this.store?.write(batch);
    this.table.apply(batch);
    if (newer !== undefined) this.table.apply(newer);
  }

  // --- the store -------------------------------------------------------------------------------------------------

  /**
   * Loads a store and makes it the home of changes; those made before there was one are written to it. Throws
   * CONFIG_INVALID when there already is one.
   */
  async use(store: StateStore): Promise<void> {
    if (this.store !== undefined) {
      throw new WeldrError('CONFIG_INVALID', 'two plugins store the pool; keep one of them');
    }
    this.store = store;
    const stored = await store.load();
    const homeless = this.betweenStores ? [] : [...this.table.all];
    this.betweenStores = false;
    this.replace(stored);
    store.watch?.(batch => this.table.apply(batch));
    for (let from = 0; from < homeless.length; from += maxBatch) {
      const changes = homeless.slice(from, from + maxBatch).map(changeTo);
      await this.commit({ ...this.markOf('before the store'), changes });
    }
  }

  /**
   * Releases the store, at a reload; its rows stay active until the next store is loaded. Changes are refused until then,
   * or until {@link resume}.
   */
  release(): void {
    this.betweenStores ||= this.store !== undefined;
    this.store = undefined;
  }

  /** Takes over what another process of this Weldr knew; a store that is loaded later has the last word. */
  inherit(rows: readonly Row[]): void {
    this.betweenStores = true;
    this.replace(rows);
  }

  /** Applies what the successor of this process has made durable. */
  follow(batch: Batch): void {
    this.table.apply(batch);
  }

  /** The reload is over: changes are accepted, with a store or without. */
  resume(): void {
    this.betweenStores = false;
  }

  private replace(rows: readonly Row[]): void {
    this.table.replace(rows, this.markOf('the store'));
  }
}

function expectAtMost(most: number, writes: readonly Write[]): void {
  if (writes.length <= most) return;
  const message = `changes: at most ${most} are taken at once, got ${writes.length}`;
  throw new WeldrError('INPUT_INVALID', message, { field: 'changes' });
}
