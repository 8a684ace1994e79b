// Records: the messages of a test file's process to the runner, one JSON line each, on a separate file descriptor: written
// synchronously, so that nothing is lost however the process ends.
import { writeSync } from 'node:fs';

/** The descriptor that the runner opens for these lines. */
export const RECORDS_FD = 3;

/** Options of a whole test file, which the runner reads from the source before it starts the file. */
export interface FileOptions {
  /** Milliseconds after which the file's process group is killed. */
  readonly timeoutMs: number;
  /** Whether no other file may run at the same time. */
  readonly alone: boolean;
}

export const defaultFileOptions: FileOptions = { timeoutMs: 120_000, alone: false };

export interface Skip {
  readonly test: string;
  readonly reason: string;
}

/**
 * One message. `registered` comes once, after the file was imported; every test it lists then has exactly one
 * `passed` or `failed`. A `failed` may also name a hook, or what went wrong outside every test.
 */
export type TestRecord =
  | {
      readonly type: 'registered';
      readonly tests: readonly string[];
      readonly skips: readonly Skip[];
      readonly options: FileOptions;
    }
  | { readonly type: 'started'; readonly test: string }
  | { readonly type: 'passed'; readonly test: string }
  | { readonly type: 'failed'; readonly test: string; readonly error: string }
  | { readonly type: 'ended' };

export function record(line: TestRecord): void {
  writeSync(RECORDS_FD, `${JSON.stringify(line)}\n`);
}
