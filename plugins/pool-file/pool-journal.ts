// PoolJournal: a StateStore in one file, to which each change is appended, and which is rewritten when it has grown.
import { copyFile, type FileHandle, link, open, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Logger } from 'pino';
import { describeError, WeldrError } from '../../core/errors.ts';
import { type Batch, type Row, type RowChange, rowId } from '../../core/state/row.ts';
import type { StateStore } from '../../core/state/store.ts';
import type { Clock } from '../../core/time/clock.ts';
import { errorCode, followLinks, remedy, replaceFile, syncDirectory, writeAll } from './durable-file.ts';
import { FileLock } from './file-lock.ts';
import { type JournalContents, lineOf } from './journal-contents.ts';
import { noContents, readBytes, readInto } from './journal-reading.ts';

/** A journal is rewritten when it exceeds twice the size of its contents by this much; bytes. */
const slack = 256 * 1024;
/** The most batches that share one sync. */
const syncSize = 4096;

/** What a {@link PoolJournal} works with. */
export interface PoolJournalOptions {
  /** Relative to the working directory. */
  readonly path: string;
  readonly log: Logger;
  readonly clock: Clock;
}

interface Queued {
  readonly batch: Batch;
  resolve(): void;
  reject(error: WeldrError): void;
}

/** A store in a file on this machine, written by one process at a time. */
export class PoolJournal implements StateStore {
  readonly layer = 'api';
  /** The file, with symbolic links followed. */
  readonly path: string;
  private readonly log: Logger;
  private readonly clock: Clock;
  private contents: JournalContents;
  private readonly queue: Queued[] = [];
  private lock: FileLock | undefined;
  /** The file, open for writing; undefined: it could not be opened yet. */
  private file: FileHandle | undefined;
  /** The inode last read or written; undefined: there was no file. */
  private inode: number | undefined;
  /** Bytes of the file that are complete lines. */
  private length = 0;
  /** Bytes after those, left by a process that died; cut off before the next line is written. */
  private torn = 0;
  /** The length at which it is rewritten. */
  private rewriteAt = 0;
  /** The file on disk must not be appended to. */
  private mustRewrite = false;
  /** An earlier version wrote it; a copy is kept beside it before it is rewritten. */
  private isFirstFormat = false;
  /** It is damaged, and must be set aside before it is rewritten. */
  private mustSetAside = false;
  private writing: Promise<void> | undefined;
  private closed = false;

  private constructor(path: string, options: PoolJournalOptions) {
    this.path = path;
    this.log = options.log;
    this.clock = options.clock;
    this.contents = noContents(this.clock.now());
  }

  /**
   * Reads and locks the file, which need not exist. A damaged file is set aside and logged. A file that cannot be written at
   * the moment is not an error: its contents are used, and changes are refused until it can be written. Rejects with
   * STORE_UNAVAILABLE when another process uses the file or it cannot be read, with CONFIG_INVALID when there cannot be a
   * file at the path, with STORE_DAMAGED when a newer Weldr wrote it.
   */
  static async open(options: PoolJournalOptions): Promise<PoolJournal> {
    const journal = new PoolJournal(await followLinks(options.path), options);
    await journal.read();
    try {
      await journal.takeLock();
      // Before it was locked, another process may have written it.
      if (await journal.wasChanged()) await journal.read();
      await journal.makeWritable();
    } catch (thrown) {
      if (thrown instanceof WeldrError) {
        await journal.close();
        throw thrown;
      }
      const { message } = journal.unavailable(thrown);
      journal.log.error({ file: journal.path }, `${message}; until then run-time changes are refused`);
    }
    return journal;
  }

  async load(): Promise<readonly Row[]> {
    return this.contents.stored;
  }

  /** Resolves when the batch is on disk. Batches that arrive during a sync share the next one. */
  async write(batch: Batch): Promise<undefined> {
    if (this.closed) throw new WeldrError('STORE_UNAVAILABLE', `${this.path} is already closed`);
    await new Promise<void>((resolve, reject) => {
      this.queue.push({ batch, resolve, reject });
      this.writing ??= this.writeQueue();
    });
  }

  /** Writes what is queued, then closes and unlocks the file. */
  async close(): Promise<void> {
    this.closed = true;
    await this.writing;
    await this.file?.close();
    this.file = undefined;
    await this.lock?.release();
    this.lock = undefined;
  }

  // --- reading -------------------------------------------------------------------------------------------------

  private async read(): Promise<void> {
    this.contents = noContents(this.clock.now());
    this.mustRewrite = false;
    this.mustSetAside = false;
    const bytes = await readBytes(this.path);
    this.inode = bytes === undefined ? undefined : (await stat(this.path)).ino;
    if (bytes === undefined) {
      this.length = 0;
      this.torn = 0;
      this.mustRewrite = true;
      return;
    }
    const found = readInto(this.contents, bytes, this.path);
    this.isFirstFormat = found.version === 1;
    this.length = found.length;
    this.torn = found.torn;
    this.planRewrite();
    // The header is never torn, as a file is put in place with it. So this is damage, or a file that is not Weldr's.
    const damaged = found.damagedCount > 0 || (found.lines === 0 && found.torn > 0);
    if (damaged) {
      this.mustSetAside = true;
      const where = found.lines === 0 ? 'it has no complete line' : `line ${found.damaged.join(', ')}`;
      const more =
        found.damagedCount > found.damaged.length
          ? ` and ${found.damagedCount - found.damaged.length} more`
          : '';
      this.log.error(
        { file: this.path, damagedLines: found.damagedCount },
        `${this.path} is damaged (${where}${more}); ${this.contents.size} entries could be read and are used, the file is set aside`,
      );
    } else if (found.torn > 0) {
      this.log.warn(
        { file: this.path, bytes: found.torn },
        `the last line of ${this.path} was cut off while being written and was never confirmed; it is dropped`,
      );
    }
    if (bytes.length === 0) {
      this.log.warn(
        { file: this.path },
        `${this.path} is empty: if it was emptied, all run-time changes are lost, and only the config applies`,
      );
    }
    this.mustRewrite = damaged || found.lines === 0 || this.isFirstFormat;
  }

  // --- getting ready to write ----------------------------------------------------------------------------------

  private async takeLock(): Promise<FileLock> {
    const lock = this.lock ?? (await FileLock.acquire(this.path));
    this.lock = lock;
    return lock;
  }

  /** Returns whether the file on disk is different from the one last read or written. */
  private async wasChanged(): Promise<boolean> {
    try {
      const now = await stat(this.path);
      return now.ino !== this.inode || now.size !== this.length + this.torn;
    } catch (thrown) {
      if (errorCode(thrown) === 'ENOENT') return this.inode !== undefined;
      throw thrown;
    }
  }

  private async makeWritable(): Promise<void> {
    if (this.mustRewrite) await this.rewrite();
    if (this.file !== undefined) return;
    const file = await open(this.path, 'r+');
    try {
      await file.truncate(this.length);
      // What a dead process wrote may still be in memory only; from here on it counts as durable.
      await file.sync();
    } catch (thrown) {
      await file.close();
      throw thrown;
    }
    this.torn = 0;
    this.file = file;
  }

  private async prepare(): Promise<FileHandle> {
    if (this.lock?.lost) {
      throw new WeldrError(
        'STORE_UNAVAILABLE',
        `another process has taken ${this.path}; stop it and restart this one`,
      );
    }
    if (this.lock === undefined) {
      const lock = await this.takeLock();
      if (await this.wasChanged()) {
        await lock.release();
        this.lock = undefined;
        throw new WeldrError(
          'STORE_UNAVAILABLE',
          `${this.path} has changed since it was read; restart to load it`,
        );
      }
    }
    if (!this.mustRewrite && (await this.wasChanged())) {
      this.log.warn(
        { file: this.path },
        `${this.path} was changed or removed by another program; it is rewritten`,
      );
      this.mustRewrite = true;
    }
    await this.makeWritable();
    if (this.file === undefined) throw new WeldrError('INTERNAL', 'the journal is not open');
    return this.file;
  }

  // --- writing -------------------------------------------------------------------------------------------------

  private async writeQueue(): Promise<void> {
    while (this.queue.length > 0) {
      const together = this.queue.splice(0, syncSize);
      try {
        await this.append(together.map(queued => queued.batch));
        for (const queued of together) queued.resolve();
      } catch (thrown) {
        const error = this.unavailable(thrown);
        this.log.error({ file: this.path, batches: together.length }, error.message);
        for (const queued of together) queued.reject(error);
      }
      if (this.length > this.rewriteAt) await this.compact();
    }
    this.writing = undefined;
  }

  private async append(batches: readonly Batch[]): Promise<void> {
    const text = this.linesFor(batches);
    if (text === '') return;
    const file = await this.prepare();
    const bytes = Buffer.from(text);
    try {
      await writeAll(file, bytes, this.length);
    } catch (thrown) {
      await this.cutBack(file);
      throw thrown;
    }
    try {
      await file.datasync();
    } catch (thrown) {
      // After a failed sync the system may have dropped its buffers: only a new file can be trusted.
      this.mustRewrite = true;
      await this.cutBack(file);
      throw thrown;
    }
    this.length += bytes.length;
    for (const batch of batches) this.contents.apply(batch);
  }

  /** Returns the lines of batches, without changes that alter nothing. */
  private linesFor(batches: readonly Batch[]): string {
    const touched = new Set<string>();
    let isReset = false;
    let text = '';
    for (const batch of batches) {
      isReset ||= batch.reset === true;
      const alters = ({ kind, key, row }: RowChange): boolean => {
        const id = rowId(kind, key);
        const isKnown = !isReset && !touched.has(id);
        touched.add(id);
        return !isKnown || !this.contents.holds({ kind, key, row });
      };
      const changes = batch.changes.filter(alters);
      if (changes.length > 0 || batch.reset === true) text += lineOf({ ...batch, changes });
    }
    return text;
  }

  /** Removes what was written but not confirmed. */
  private async cutBack(file: FileHandle): Promise<void> {
    try {
      await file.truncate(this.length);
      await file.datasync();
    } catch {
      this.mustRewrite = true;
    }
  }

  private async compact(): Promise<void> {
    try {
      await this.rewrite();
    } catch (thrown) {
      this.rewriteAt = this.length + slack;
      this.log.warn({ file: this.path }, `${this.unavailable(thrown).message}; it keeps growing until then`);
    }
  }

  /** Rewrites the file; a complete one exists at every moment. */
  private async rewrite(): Promise<void> {
    if (this.mustSetAside) await this.setAside();
    if (this.isFirstFormat) await this.keepFirstFormat();
    const { file, length } = await replaceFile(this.path, this.contents.lines());
    await this.file?.close();
    this.file = file;
    this.inode = (await file.stat()).ino;
    this.length = length;
    this.torn = 0;
    this.planRewrite();
    this.mustRewrite = true;
    await syncDirectory(dirname(this.path));
    this.mustRewrite = false;
  }

  private planRewrite(): void {
    this.rewriteAt = this.length * 2 + slack;
  }

  private async setAside(): Promise<void> {
    const time = new Date(this.clock.now()).toISOString().replaceAll(':', '-');
    const aside = `${this.path}.damaged-${time}`;
    await this.keepAs(aside);
    this.mustSetAside = false;
    this.log.error({ file: this.path, aside }, `the damaged ${this.path} is kept as ${aside}`);
  }

  /** Keeps a copy for a downgrade: the earlier version cannot read this one's format. */
  private async keepFirstFormat(): Promise<void> {
    const aside = `${this.path}.v1`;
    await rm(aside, { force: true });
    await this.keepAs(aside);
    this.isFirstFormat = false;
    this.log.info(
      { file: this.path, aside },
      `${this.path} is written in format 2 from now on; to return to the earlier version, stop Weldr and put ${aside} in its place`,
    );
  }

  private async keepAs(aside: string): Promise<void> {
    try {
      await link(this.path, aside);
    } catch (thrown) {
      if (errorCode(thrown) !== 'EPERM' && errorCode(thrown) !== 'ENOTSUP') throw thrown;
      await copyFile(this.path, aside);
    }
  }

  private unavailable(thrown: unknown): WeldrError {
    if (thrown instanceof WeldrError) return thrown;
    return new WeldrError(
      'STORE_UNAVAILABLE',
      `${this.path} cannot be written (${describeError(thrown)}): ${remedy(thrown)}`,
      { cause: thrown },
    );
  }
}
