// Figures: the raw outcome of each play of a suite, in a file to which each play adds a line, so that an interrupted
// suite can be continued.
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { Outcome } from './scenario.ts';

const suiteSettings = z.strictObject({
  runs: z.number().int().min(1),
  words: z.array(z.string()),
  variant: z.enum(['shared', 'apart']),
  etcd: z.enum(['recommended', 'plain']),
  weldrs: z.number().int(),
  keepalived: z.boolean(),
});

/** The settings of a suite; continuing it uses the same. */
export type SuiteSettings = Readonly<z.output<typeof suiteSettings>>;

/** One play of a scenario. */
export interface Entry extends Outcome {
  readonly who: 'weldr' | 'keepalived';
  readonly scenario: string;
  /** From 1 on. */
  readonly run: number;
  /** When it began, ms of the wall clock. */
  readonly at: number;
  readonly load: number;
}

/** The raw figures of one suite. */
export class Figures {
  readonly path: string;
  readonly settings: SuiteSettings;
  readonly entries: Entry[];

  private constructor(path: string, settings: SuiteSettings, entries: Entry[]) {
    this.path = path;
    this.settings = settings;
    this.entries = entries;
  }

  /** Creates a file. Throws if it exists, so that figures that took hours are not overwritten. */
  static begin(path: string, settings: SuiteSettings): Figures {
    if (existsSync(path)) throw new Error(`${path} already exists; --continue ${path} continues it`);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${JSON.stringify({ settings })}\n`);
    return new Figures(path, settings, []);
  }

  /** Continues a file. A last line that was cut off is dropped. */
  static continue(path: string): Figures {
    const [head, ...entries] = readFileSync(path, 'utf8').split('\n').flatMap(parsed);
    const { data } = z.strictObject({ settings: suiteSettings }).safeParse(head);
    if (data === undefined) throw new Error(`${path} does not hold the figures of a suite`);
    const figures = new Figures(path, data.settings, entries.filter(isEntry));
    // So that the next entry begins on a new line.
    writeFileSync(path, [data, ...figures.entries].map(line => `${JSON.stringify(line)}\n`).join(''));
    return figures;
  }

  has({ who, scenario, run }: Pick<Entry, 'who' | 'scenario' | 'run'>): boolean {
    return this.entries.some(entry => entry.who === who && entry.scenario === scenario && entry.run === run);
  }

  add(entry: Entry): void {
    this.entries.push(entry);
    appendFileSync(this.path, `${JSON.stringify(entry)}\n`);
  }
}

/** Checks only the fields that identify an entry, because the lines were written here. */
function isEntry(value: unknown): value is Entry {
  return typeof value === 'object' && value !== null && 'scenario' in value && 'figures' in value;
}

/** The JSON of a line; empty if it is not JSON. */
function parsed(line: string): unknown[] {
  try {
    return [JSON.parse(line)];
  } catch {
    return [];
  }
}
