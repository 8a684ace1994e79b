// State: all that operators said, durable before it is in force, and what the layers make of it.

import { adoptError, toError, WeldrError } from '../errors.ts';
import type { Clock } from '../time/clock.ts';
import { TimeSlices } from '../time/time-slices.ts';
import { type Base, type Entity, effective, type Kind } from './entity.ts';
import type { OperatorLayer } from './layer.ts';
import { stableJson } from './merge-patch.ts';
import { type Batch, type Mark, maxBatch, type Row, type RowChange, rowId } from './row.ts';
import type { StateStore } from './store.ts';
import { rowAfter, type Write } from './write.ts';

/** A kind, and where its things are when they are in force. */
export interface KindHost {
  readonly kind: Kind;
  /** What is below the operator's word. */
  base(key: string): Base | undefined;
  /** What the rows say of this thing is another thing now: who owns it brings it to that. */
  changed(key: string, cause: Mark): void;
  /** May this be, with all others there are? Throws LIMIT_REACHED, CONFLICT … */
  admit?(key: string, after: Entity | undefined, write: AdmittedWrite): void;
  /**
   * Has what this needs be there before it is written. Resolves with how to undo it, should it not be written; undefined:
   * it needs nothing. Rejects with why it cannot be, and then nothing is left of it.
   */
  prepare?(key: string, after: Entity | undefined): Promise<Undo | undefined> | undefined;
  /** Has a thing of this kind, which only operators define, an effect? Default: yes. */
  takesNew?(): boolean;
}

/** What of a write matters to those who admit what it makes. */
export interface AdmittedWrite {
  readonly before: Entity | undefined;
  /** Is it to be removed also where other things name it? */
  readonly force: boolean;
}

/** Takes back what was prepared for a write; does not reject. */
export type Undo = () => Promise<void>;

/** What became of one write. */
export interface Written {
  readonly kind: string;
  readonly key: string;
  readonly before: Entity | undefined;
  readonly after: Entity | undefined;
  /** Is the row another one? */
  readonly changed: boolean;
}

/** What a {@link State} needs of the process around it. */
export interface StateOptions {
  readonly clock: Clock;
  /** Told once of each row that cannot be used as it is. */
  report(row: Row, problem: string): void;
  /** Resolves when what was changed is in force wherever it has to be; a write is answered then. Default: at once. */
  settled?(): Promise<void>;
}

/** How often a write is tried over what others wrote meanwhile. */
const maxTries = 5;
/** Rows of an import that are taken over in one go: few, as a leader's renewals wait for each. */
const importBatch = 25;
/** Batches of it that are under way at once: a store may be far. */
const importsAtOnce = 4;

/** What writes come to by what is known here. */
interface Resolved {
  readonly written: Written[];
  readonly changes: RowChange[];
  /** Those that would change nothing. */
  readonly same: readonly Written[];
}

/** What operators said of all kinds. */
export class State {
  private readonly options: StateOptions;
  private readonly kinds = new Map<string, KindHost>();
  private readonly rows = new Map<string, Row>();
  /** What rows made of the bases that they were last over: checking it again costs more than all else of a change. */
  private readonly merged = new WeakMap<
    Row,
    { readonly base: Base | undefined; readonly layer: OperatorLayer; readonly entity: Entity | undefined }
  >();
  private readonly reported = new WeakMap<Row, Set<string>>();
  /** Kinds that rows have and nobody here, which was said. */
  private readonly unknownKinds = new Set<string>();
  /** The last write of each row that is under way. */
  private readonly turns = new Map<string, Promise<unknown>>();
  private store: StateStore | undefined;
  /** A store was let go of and the next one is not there yet: what was acknowledged now would be lost. */
  private betweenStores = false;
  private readonly observers = new Set<(changes: readonly RowChange[]) => void>();

  constructor(options: StateOptions) {
    this.options = options;
  }

  /** Makes a kind known; its rows are in force from then on. */
  register(host: KindHost): void {
    this.kinds.set(host.kind.name, host);
    this.unknownKinds.delete(host.kind.name);
  }

  /** Makes a kind unknown: its rows stay, and have no effect. */
  unregister(kind: string): void {
    this.kinds.delete(kind);
  }

  /** Is there anybody whom a row of this kind has an effect on, where nothing is below it? */
  takesNew(kind: string): boolean {
    const host = this.kinds.get(kind);
    return host !== undefined && (host.takesNew?.() ?? true);
  }

  /** Follows the rows: called once for all that was changed together, when it is in force here. */
  observe(observer: (changes: readonly RowChange[]) => void): () => void {
    this.observers.add(observer);
    return () => void this.observers.delete(observer);
  }

  /** As what operators' whole entities are shown. */
  get layer(): OperatorLayer {
    return this.store?.layer ?? 'api';
  }

  /** Is the store away, so that what is read may be out of date? */
  get stale(): boolean {
    return this.store?.stale ?? false;
  }

  /** Does the store itself end rows that have a ttl? */
  get expires(): boolean {
    return this.store?.expires ?? false;
  }

  /** Are secrets kept as they are? */
  get keepsPlain(): boolean {
    return this.store !== undefined && this.store.seals !== true;
  }

  /** All rows, of kinds that are not known, too. */
  get all(): IterableIterator<Row> {
    return this.rows.values();
  }

  row(kind: string, key: string): Row | undefined {
    return this.rows.get(rowId(kind, key));
  }

  /** Does a layer below the operator's say something of what a row is about? */
  hasBase({ kind, key }: Row): boolean {
    return this.kinds.get(kind)?.base(key) !== undefined;
  }

  /** What is in force of a thing; undefined: nothing. */
  entity(kind: string, key: string): Entity | undefined {
    return this.entityOf(this.hostOf(kind), key, this.row(kind, key));
  }

  // --- changing --------------------------------------------------------------------------------------------------

  /**
   * Makes changes, all or none; durable and in force when it resolves. Rejects with what a write expects or finds
   * wrong, STORE_UNAVAILABLE, CONFLICT, LIMIT_REACHED. `applied` is called when it is in force here, and maybe not in all
   * workers yet.
   */
  async write(writes: readonly Write[], by: string, applied?: () => void): Promise<readonly Written[]> {
    const done = await this.inTurn(writes, async () => {
      for (let tries = 1; ; tries++) {
        const mark = { by, at: this.options.clock.now() };
        let undos: readonly Undo[] = [];
        try {
          const planned = await this.resolveAsStored(writes, mark, tries);
          undos = await this.prepare(planned.written);
          // What takes its time may have met another change: whether it can be is looked at again.
          const { written, changes } = undos.length === 0 ? planned : this.resolve(writes, mark);
          await this.commit({ ...mark, changes });
          applied?.();
          return written;
        } catch (raised) {
          for (const undo of undos) await undo();
          const thrown = adoptError(raised);
          // What another node wrote is known by now: the write is looked at anew, with what it expects.
          const again = thrown instanceof WeldrError && thrown.code === 'CONFLICT' && tries < maxTries;
          if (!again) throw thrown;
        }
      }
    });
    // What another write set to the same may still be on its way.
    await this.options.settled?.();
    return done;
  }

  /** What {@link write} would make of these, now. Throws what it would reject with, but for the store's part. */
  plan(writes: readonly Write[], by: string): readonly Written[] {
    return this.resolve(writes, { by, at: this.options.clock.now() }).written;
  }

  /** Forgets a row when its turn has come and it is still overdue. */
  async expire(kind: string, key: string, overdue: () => boolean): Promise<void> {
    const write: Write = { kind, key, op: 'forget' };
    await this.inTurn([write], async () => {
      if (!overdue()) return;
      await this.commit({
        by: 'ttl',
        at: this.options.clock.now(),
        changes: [{ kind, key, row: undefined }],
      });
    });
  }

  /**
   * Takes rows over as they are, from an export. Rejects with INPUT_INVALID and the place for the first that cannot be
   * used, and then nothing has changed.
   */
  async take(rows: readonly Row[], by: string): Promise<void> {
    const at = this.options.clock.now();
    const slices = new TimeSlices();
    for (const [index, row] of rows.entries()) {
      this.expectUsable(row, `rows[${index}]`);
      await slices.pause();
    }
    let next = 0;
    const takeBatches = async (): Promise<void> => {
      for (;;) {
        const changes = rows
          .slice(next, next + importBatch)
          .map(row => ({ kind: row.kind, key: row.key, row }));
        if (changes.length === 0) return;
        next += importBatch;
        await this.inTurn(changes, () => this.commit({ by, at, changes }));
        await slices.pause();
      }
    };
    const taken = await Promise.allSettled(Array.from({ length: importsAtOnce }, takeBatches));
    for (const one of taken) if (one.status === 'rejected') throw one.reason;
    await this.options.settled?.();
  }

  /** Forgets all that operators said: the config and the sources decide. */
  async reset(by: string): Promise<void> {
    await this.commit({ by, at: this.options.clock.now(), reset: true, changes: [] });
    await this.options.settled?.();
  }

  private expectUsable(row: Row, where: string): void {
    const host = this.kinds.get(row.kind);
    if (host?.kind.isKey(row.key) === false) {
      const field = `${where}.key`;
      throw new WeldrError('INPUT_INVALID', `${field}: there can be no ${row.kind} of this key`, { field });
    }
    if (host === undefined || row.op !== 'define') return;
    try {
      host.kind.read(row.key, row.value, () => {});
    } catch (thrown) {
      const { message } = toError(thrown);
      throw new WeldrError('INPUT_INVALID', `${where}.value: ${message}`, {
        cause: thrown,
        field: `${where}.value`,
      });
    }
  }

  private resolve(writes: readonly Write[], mark: Mark): Resolved {
    if (writes.length > maxBatch) {
      throw new WeldrError(
        'INPUT_INVALID',
        `a batch has at most ${maxBatch} changes, this one ${writes.length}`,
      );
    }
    const seen = new Set<string>();
    const written: Written[] = [];
    const changes: RowChange[] = [];
    const same: Written[] = [];
    for (const [index, write] of writes.entries()) {
      const { kind, key } = write;
      if (seen.has(rowId(kind, key))) {
        throw new WeldrError('INPUT_INVALID', `changes[${index}]: ${key} is in the batch twice`, {
          field: `changes[${index}]`,
        });
      }
      seen.add(rowId(kind, key));
      const one = inPlace(writes, index, () => this.resolveOne(write, mark));
      written.push(one.written);
      if (one.written.changed || one.renews) changes.push({ kind, key, row: one.row });
      else same.push(one.written);
    }
    this.supposing(changes, () => {
      for (const [index, { kind, key, before, after }] of written.entries()) {
        const write = writes[index];
        const force = write?.op === 'remove' && write.force === true;
        inPlace(writes, index, () => this.hostOf(kind).admit?.(key, after, { before, force }));
      }
    });
    return { written, changes, same };
  }

  /** The same, and nothing of it by what another process has changed and this one has not heard of. */
  private async resolveAsStored(writes: readonly Write[], mark: Mark, tries: number): Promise<Resolved> {
    try {
      const planned = this.resolve(writes, mark);
      if (planned.same.length > 0) await this.store?.confirm?.(planned.same);
      return planned;
    } catch (thrown) {
      const code = thrown instanceof WeldrError ? thrown.code : undefined;
      // Once: what was refused by what the store said is refused.
      const isByWhatIsKnown = code === 'NOT_FOUND' || code === 'PRECONDITION_FAILED';
      if (isByWhatIsKnown && tries === 1) await this.confirmIfThere(writes);
      throw thrown;
    }
  }

  /** Where the store is away, what is known has to do for a refusal. */
  private async confirmIfThere(rows: readonly Pick<Write, 'kind' | 'key'>[]): Promise<void> {
    try {
      await this.store?.confirm?.(rows);
    } catch (thrown) {
      if (!(thrown instanceof WeldrError) || thrown.code !== 'STORE_UNAVAILABLE') throw thrown;
    }
  }

  /** Has what a batch needs be there; how to undo it, the last first. */
  private async prepare(written: readonly Written[]): Promise<readonly Undo[]> {
    const undos: Undo[] = [];
    try {
      for (const { kind, key, after } of written) {
        const undo = await this.hostOf(kind).prepare?.(key, after);
        if (undo !== undefined) undos.unshift(undo);
      }
      return undos;
    } catch (thrown) {
      for (const undo of undos) await undo();
      throw thrown;
    }
  }

  /** Looks at how things would be with all changes of a batch made. */
  private supposing(changes: readonly RowChange[], look: () => void): void {
    const before = changes.map(({ kind, key }) => ({ kind, key, row: this.row(kind, key) }));
    this.setRows(changes);
    try {
      look();
    } finally {
      this.setRows(before);
    }
  }

  private setRows(changes: readonly RowChange[]): void {
    for (const { kind, key, row } of changes) {
      if (row === undefined) this.rows.delete(rowId(kind, key));
      else this.rows.set(rowId(kind, key), row);
    }
  }

  private resolveOne(write: Write, mark: Mark): { written: Written; row: Row | undefined; renews: boolean } {
    const { kind, key } = write;
    const host = this.hostOf(kind);
    if (!host.kind.isKey(key)) {
      throw new WeldrError('INPUT_INVALID', `key: there can be no ${kind} ${JSON.stringify(key)}`, {
        field: 'key',
      });
    }
    const row = this.row(kind, key);
    const before = this.entityOf(host, key, row);
    write.expect?.(before);
    const found = {
      kind: host.kind,
      base: host.base(key),
      row,
      entity: before,
      shared: this.layer === 'cluster',
    };
    const next = rowAfter(write, found, mark);
    const after = this.entityOf(host, key, next);
    const changed = !sameRow(row, next);
    const renews = next?.value !== undefined && host.kind.lifetime(next.value) !== undefined;
    return { written: { kind, key, before, after, changed }, row: changed ? next : row, renews };
  }

  private async commit(batch: Batch): Promise<void> {
    if (this.betweenStores) {
      throw new WeldrError('STORE_UNAVAILABLE', 'the config is being reloaded; try again in a moment');
    }
    if (batch.changes.length === 0 && batch.reset !== true) return;
    const newer = await this.store?.write(batch);
    this.apply(batch);
    if (newer !== undefined) this.apply(newer);
  }

  /** Changes of one row happen one after another; those of different rows go on side by side. */
  private async inTurn<T>(
    rows: readonly { readonly kind: string; readonly key: string }[],
    change: () => Promise<T>,
  ): Promise<T> {
    const ids = rows.map(({ kind, key }) => rowId(kind, key));
    const before = ids.map(id => this.turns.get(id)?.catch(() => {}));
    const turn = Promise.all(before).then(change);
    for (const id of ids) this.turns.set(id, turn);
    try {
      return await turn;
    } finally {
      for (const id of ids) if (this.turns.get(id) === turn) this.turns.delete(id);
    }
  }

  // --- the store -------------------------------------------------------------------------------------------------

  /**
   * Loads a store and makes it the home of changes; those made while there was none are written to it. Throws
   * CONFIG_INVALID when there is one already.
   */
  async use(store: StateStore): Promise<void> {
    if (this.store !== undefined) {
      throw new WeldrError('CONFIG_INVALID', 'two plugins want to store the pool; keep one of them');
    }
    this.store = store;
    const stored = await store.load();
    const homeless = this.betweenStores ? [] : [...this.rows.values()];
    this.betweenStores = false;
    this.replace(stored);
    store.watch?.(batch => this.apply(batch));
    for (let from = 0; from < homeless.length; from += maxBatch) {
      const changes = homeless
        .slice(from, from + maxBatch)
        .map(row => ({ kind: row.kind, key: row.key, row }));
      await this.commit({ by: 'before the store', at: this.options.clock.now(), changes });
    }
  }

  /**
   * Lets go of the store, at a reload; what it held stays in use until the next store is loaded. Changes are refused
   * until then, or until {@link goOn}.
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

  /** Applies what the process that takes this one's place has made durable. */
  follow(batch: Batch): void {
    this.apply(batch);
  }

  /** The reload is over: changes are taken, with a store or without. */
  goOn(): void {
    this.betweenStores = false;
  }

  /** Makes `rows` all that there is; tells only what differs. */
  private replace(rows: readonly Row[]): void {
    const gone = new Map(this.rows);
    const changes: RowChange[] = [];
    for (const row of rows) {
      const id = rowId(row.kind, row.key);
      gone.delete(id);
      if (!sameRow(this.rows.get(id), row)) changes.push({ kind: row.kind, key: row.key, row });
    }
    for (const { kind, key } of gone.values()) changes.push({ kind, key, row: undefined });
    this.apply({ by: 'the store', at: this.options.clock.now(), changes });
  }

  /** Applies what is durable. */
  private apply({ changes, reset, ...mark }: Batch): void {
    const touched = new Map<string, RowChange>();
    if (reset === true) {
      for (const [id, { kind, key }] of this.rows) touched.set(id, { kind, key, row: undefined });
      this.rows.clear();
    }
    const usable = changes.filter(change => this.expectKey(change));
    for (const change of usable) touched.set(rowId(change.kind, change.key), change);
    this.setRows(usable);
    for (const { kind, key } of touched.values()) this.kinds.get(kind)?.changed(key, mark);
    const all = [...touched.values()];
    if (all.length > 0) for (const observer of this.observers) observer(all);
  }

  /** What has a key that its kind cannot have stays in the store, and has no effect. */
  private expectKey({ kind, key, row }: RowChange): boolean {
    if (row !== undefined && !this.kinds.has(kind)) this.reportKind(row);
    const isKey = this.kinds.get(kind)?.kind.isKey(key) ?? true;
    if (!isKey && row !== undefined)
      this.reportOnce(row, `there can be no ${kind} of this key: it has no effect`);
    return isKey;
  }

  private entityOf(host: KindHost, key: string, row: Row | undefined): Entity | undefined {
    const base = host.base(key);
    const { layer } = this;
    if (row === undefined) return effective(host.kind, { base, row, layer, report: () => {} });
    const known = this.merged.get(row);
    const isSame =
      known?.layer === layer && known.base?.value === base?.value && known.base?.layer === base?.layer;
    if (known !== undefined && isSame) return known.entity;
    const report = (problem: string): void => this.reportOnce(row, problem);
    const entity = effective(host.kind, { base, row, layer, report });
    this.merged.set(row, { base, layer, entity });
    return entity;
  }

  /** Once for all rows of a kind: a later version, or a plugin that only others' configs have, keeps them. */
  private reportKind(row: Row): void {
    if (this.unknownKinds.has(row.kind)) return;
    this.unknownKinds.add(row.kind);
    this.options.report(
      row,
      `neither this version nor a plugin of its config knows a ${row.kind}: it is kept, as all of its kind, and has no effect`,
    );
  }

  private reportOnce(row: Row, problem: string): void {
    const known = this.reported.get(row) ?? new Set();
    if (known.has(problem)) return;
    this.reported.set(row, known.add(problem));
    this.options.report(row, problem);
  }

  private hostOf(kind: string): KindHost {
    const host = this.kinds.get(kind);
    if (host !== undefined) return host;
    const known = [...this.kinds.keys()].join(', ');
    throw new WeldrError(
      'INPUT_INVALID',
      `kind: ${JSON.stringify(kind)} does not change at run time; ${known} do`,
      {
        field: 'kind',
      },
    );
  }
}

/** Does something for one of several writes; what is wrong with it says which it is. */
function inPlace<T>(writes: readonly Write[], index: number, work: () => T): T {
  if (writes.length === 1) return work();
  try {
    return work();
  } catch (thrown) {
    if (!(thrown instanceof WeldrError)) throw thrown;
    const field = `changes[${index}]${thrown.field === undefined ? '' : `.${thrown.field}`}`;
    throw new WeldrError(thrown.code, `changes[${index}]: ${thrown.message}`, { cause: thrown, field });
  }
}

/** Do two rows say the same, whoever said it? */
function sameRow(a: Row | undefined, b: Row | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.op === b.op && stableJson(a.value ?? null) === stableJson(b.value ?? null);
}
