// What a journal amounts to: the entries and settings that its records, applied in order, leave.
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { WeldrError } from '../../core/errors.ts';
import {
  type StoreChange,
  type StoredEntry,
  type StoredPools,
  type StoredSetting,
  storeChange,
} from '../../core/pool/store.ts';
import { decodeLine, encodeLine } from './journal-line.ts';

/** The version of the format that this code writes and the highest that it reads. */
const formatVersion = 1;

const header = z.object({ format: z.literal('weldr-pool'), version: z.number().int() });

const lineFeed = 0x0a;

/** What reading a journal found beside its contents. */
export interface JournalFindings {
  /** Bytes up to the end of the last complete line. */
  readonly length: number;
  /** Bytes after that: a line whose writing was cut off. */
  readonly torn: number;
  /** Complete lines, the header included. */
  readonly lines: number;
  /** The numbers, from 1, of the lines that could not be read; at most the first 20. */
  readonly damaged: readonly number[];
  readonly damagedCount: number;
}

/** Entries by pool and id, settings by name. */
export class JournalContents {
  private readonly entries = new Map<string, StoredEntry>();
  private readonly settings = new Map<string, StoredSetting>();

  get size(): number {
    return this.entries.size + this.settings.size;
  }

  get stored(): StoredPools {
    return { entries: [...this.entries.values()], settings: [...this.settings.values()] };
  }

  apply(change: StoreChange): void {
    if (change.op === 'put') this.entries.set(subjectOf(change), plain(change.entry));
    else if (change.op === 'forget') this.entries.delete(subjectOf(change));
    else if (change.op === 'setting') this.applySetting(change.setting);
    else {
      this.entries.clear();
      this.settings.clear();
    }
  }

  /** Would this change alter nothing? A service that registers itself again and again then costs no write. */
  holds(change: StoreChange): boolean {
    if (change.op === 'put')
      return isDeepStrictEqual(this.entries.get(subjectOf(change)), plain(change.entry));
    if (change.op === 'forget') return !this.entries.has(subjectOf(change));
    if (change.op === 'reset') return this.size === 0;
    return isDeepStrictEqual(this.settings.get(subjectOf(change))?.value, plain(change.setting).value);
  }

  /** The shortest journal that amounts to this. */
  *lines(): Generator<string> {
    yield encodeLine({ format: 'weldr-pool', version: formatVersion });
    for (const entry of this.entries.values()) yield encodeLine({ op: 'put', entry } satisfies StoreChange);
    for (const setting of this.settings.values()) {
      yield encodeLine({ op: 'setting', setting } satisfies StoreChange);
    }
  }

  /** Applies what can be read of a journal's bytes. Throws STORE_DAMAGED when a newer Weldr wrote it. */
  read(bytes: Buffer): JournalFindings {
    const damaged: number[] = [];
    let damagedCount = 0;
    let lines = 0;
    let start = 0;
    for (let end = bytes.indexOf(lineFeed); end >= 0; end = bytes.indexOf(lineFeed, start)) {
      lines++;
      if (!this.readLine(bytes.toString('utf8', start, end), lines)) {
        damagedCount++;
        if (damaged.length < 20) damaged.push(lines);
      }
      start = end + 1;
    }
    return { length: start, torn: bytes.length - start, lines, damaged, damagedCount };
  }

  private readLine(line: string, number: number): boolean {
    const record = decodeLine(line);
    if (number === 1) {
      const first = header.safeParse(record);
      if (first.success && first.data.version > formatVersion) {
        throw new WeldrError(
          'STORE_DAMAGED',
          `it is of format version ${first.data.version}, written by a newer Weldr; this one reads up to ${formatVersion}`,
        );
      }
      if (first.success) return true;
    }
    const change = storeChange.safeParse(record);
    if (change.success) this.apply(change.data);
    // A first line that is a change was once the second: the header is what is missing.
    return change.success && number > 1;
  }

  private applySetting(setting: StoredSetting): void {
    if (setting.value === undefined || setting.value === null) this.settings.delete(setting.name);
    else this.settings.set(setting.name, plain(setting));
  }
}

/** What a change is about: changes of different subjects do not touch each other, except a reset. */
export function subjectOf(change: Exclude<StoreChange, { op: 'reset' }>): string {
  if (change.op === 'put') return `${change.entry.pool} ${change.entry.id}`;
  if (change.op === 'forget') return `${change.pool} ${change.id}`;
  return `setting ${change.setting.name}`;
}

/** As it comes back from the file: without what JSON leaves out. */
function plain<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}
