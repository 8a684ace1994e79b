// Records: the messages of a process that runs test files to the runner, one JSON line each, on a separate file descriptor:
// written synchronously, so that nothing is lost however the process ends.
import { fstatSync, writeSync } from 'node:fs';

/** The descriptor that the runner opens for these lines. */
export const RECORDS_FD = 3;
const STDOUT = 1;

/** Options of a whole test file, which the runner reads from the source before it starts the file. */
export interface FileOptions {
  /** Milliseconds after which the file's process group is killed. */
  readonly timeoutMs: number;
  /** Whether no other file may run at the same time. */
  readonly alone: boolean;
  /** Whether no other file may run in the same process, before or after. */
  readonly ownProcess: boolean;
}

export const defaultFileOptions: FileOptions = { timeoutMs: 120_000, alone: false, ownProcess: false };

export interface Skip {
  readonly test: string;
  readonly reason: string;
}

/**
 * One message. `file` comes first, for each file that the process begins. `registered` comes once for each file, after it
 * was imported; every test it lists then has exactly one `passed` or `failed`. A `failed` may also name a hook, or what went
 * wrong outside every test.
 */
export type TestRecord =
  | {
      readonly type: 'file';
      /** Milliseconds since the epoch. */
      readonly at: number;
      /** The length of the process's output before it. */
      readonly outputFrom: number;
    }
  | {
      readonly type: 'registered';
      readonly tests: readonly string[];
      readonly skips: readonly Skip[];
      readonly options: FileOptions;
    }
  | { readonly type: 'started'; readonly test: string }
  | { readonly type: 'passed'; readonly test: string }
  | {
      readonly type: 'failed';
      readonly test: string;
      readonly error: string;
      /** The part of the process's output that was written during the test; undefined: outside every test. */
      readonly output?: { readonly from: number; readonly to: number };
    }
  | {
      readonly type: 'ended';
      /** CPU time of the file and of what it started and waited for, ms; 0 on a system without /proc. */
      readonly cpuMs: number;
    };

/** Returns the length of what this process and its children have printed so far. */
export function printedBytes(): number {
  return fstatSync(STDOUT).size;
}

export function record(line: TestRecord): void {
  writeSync(RECORDS_FD, `${JSON.stringify(line)}\n`);
}
