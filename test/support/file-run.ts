// Runs one test file in a separate process group and judges its outcome. A file passes only when each
// test that it registered is known to have passed, and its process ended by itself and left nothing behind.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { killLeftovers } from './leftovers.ts';
import { defaultFileOptions, type FileOptions, type Skip, type TestRecord } from './records.ts';

export interface Failure {
  readonly test: string;
  readonly error: string;
}

export interface FileReport {
  readonly file: string;
  readonly passed: readonly string[];
  readonly failed: readonly Failure[];
  readonly skipped: readonly Skip[];
  readonly ms: number;
  /** The output of the file's process and its children; the last 256 KiB. */
  readonly output: string;
}

interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly timedOut: boolean;
  readonly leftovers: readonly string[];
}

const ENTRY = fileURLToPath(new URL('./entry.ts', import.meta.url));
const OUTPUT_LIMIT = 256 * 1024;
const groups = new Set<ChildProcess>();

/** Returns the options that a file's `suite` calls have as literals, without running the file. */
export function readFileOptions(source: string): FileOptions {
  const timeoutMs = /\bsuite\([^;]*?\btimeoutMs:\s*([\d_]+)/.exec(source)?.[1];
  return {
    timeoutMs: timeoutMs === undefined ? defaultFileOptions.timeoutMs : Number(timeoutMs.replaceAll('_', '')),
    alone: /\bsuite\([^;]*?\balone:\s*true\b/.test(source),
  };
}

/**
 * Runs the test file at an absolute path, with `env` added to its environment.
 * @param options as `readFileOptions` found them; a file that registers others fails
 */
export async function runFile(
  file: string,
  options: FileOptions,
  env: NodeJS.ProcessEnv = {},
): Promise<FileReport> {
  const startedAt = performance.now();
  const folder = mkdtempSync(join(tmpdir(), 'weldr-test-'));
  const recordsPath = join(folder, 'records');
  const outputPath = join(folder, 'output');
  try {
    const ending = await runProcess(file, options, { recordsPath, outputPath, folder, env });
    const records = parseRecords(readFileSync(recordsPath, 'utf8'));
    const judged = judge(records, options, ending);
    const output = readFileSync(outputPath).subarray(-OUTPUT_LIMIT).toString();
    return { file, ...judged, output, ms: performance.now() - startedAt };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Kills the process groups of all running test files, for a runner that has to stop. */
export function killRunningFiles(): void {
  for (const child of groups) killGroup(child);
}

interface Places {
  readonly recordsPath: string;
  readonly outputPath: string;
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
}

async function runProcess(file: string, options: FileOptions, places: Places): Promise<Ending> {
  // Files, not pipes: a process that the test left behind could hold a pipe open forever.
  const records = openSync(places.recordsPath, 'a');
  const output = openSync(places.outputPath, 'a');
  const token = randomUUID();
  const tokens = [process.env['TEST_TOKENS'], token].join(' ');
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('WELDR_'));
  const child = spawn(process.execPath, ['-C', 'weldr-source', ENTRY, file], {
    detached: true,
    stdio: ['ignore', output, output, records],
    env: { ...Object.fromEntries(inherited), ...places.env, TMPDIR: places.folder, TEST_TOKENS: tokens },
  });
  closeSync(records);
  closeSync(output);
  groups.add(child);

  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    killGroup(child);
  }, options.timeoutMs);
  const exit = Promise.withResolvers<Pick<Ending, 'code' | 'signal'>>();
  child.once('error', exit.reject);
  child.once('exit', (code, signal) => exit.resolve({ code, signal }));
  try {
    const ended = await exit.promise;
    const leftovers = await killLeftovers(token, child.pid);
    return { ...ended, timedOut, leftovers };
  } finally {
    clearTimeout(timer);
    killGroup(child);
    groups.delete(child);
  }
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch (error) {
    // ESRCH, and EPERM where only a zombie is left: the group is gone.
    if (!(error instanceof Error && 'code' in error && /^(?:ESRCH|EPERM)$/.test(String(error.code))))
      throw error;
  }
}

function parseRecords(text: string): TestRecord[] {
  const lines = text.split('\n').filter(line => line !== '');
  return lines.map((line): TestRecord => {
    try {
      return JSON.parse(line);
    } catch {
      return { type: 'failed', test: '(the file)', error: `wrote an unreadable record: ${line}` };
    }
  });
}

/** Turns records into results; a test without a record of success has failed. */
export function judge(
  records: readonly TestRecord[],
  options: FileOptions,
  ending: Ending,
): Pick<FileReport, 'passed' | 'failed' | 'skipped'> {
  const failed: Failure[] = records
    .filter(record => record.type === 'failed')
    .map(({ test, error }) => ({ test, error }));
  const passed = records.filter(record => record.type === 'passed').map(record => record.test);
  const fail = (test: string, error: string): number => failed.push({ test, error });
  const registered = records.find(record => record.type === 'registered');
  const last = records.findLast(record => record.type === 'started')?.test;
  const where = last === undefined ? 'before its first test' : `in or after ${JSON.stringify(last)}`;

  if (ending.timedOut) {
    fail('(the file)', `killed: it ran for more than ${options.timeoutMs} ms; it was ${where}`);
  } else if (ending.signal !== null) {
    fail('(the file)', `its process was ended by ${ending.signal} ${where}`);
  } else if (!records.some(record => record.type === 'ended') || (ending.code !== 0 && failed.length === 0)) {
    fail('(the file)', `its process ended early, with code ${ending.code}, ${where}`);
  }
  for (const process of ending.leftovers) fail('(after the tests)', `left a process running: ${process}`);

  if (registered === undefined) {
    fail('(the file)', 'no test was registered');
    return { passed: [], failed, skipped: [] };
  }
  const { tests, skips } = registered;
  if (tests.length + skips.length === 0) fail('(the file)', 'no test was registered');
  if (registered.options.alone !== options.alone || registered.options.timeoutMs !== options.timeoutMs) {
    fail('(the file)', 'write `alone` and `timeoutMs` as literals, once, in a call of suite()');
  }
  const known = new Set([...passed, ...failed.map(failure => failure.test)]);
  for (const test of tests) if (!known.has(test)) fail(test, 'was not run to its end');
  return { passed, failed, skipped: skips };
}
