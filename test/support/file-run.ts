// Runs test files, one after another, in a separate process group, and judges their outcome. A file passes only when each
// test that it registered is known to have passed, and when it left nothing open or running.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { killLeftovers, type Leftover } from './leftovers.ts';
import { defaultFileOptions, type FileOptions, type Skip, type TestRecord } from './records.ts';

/** A test file, by its absolute path. */
export interface TestFile {
  readonly path: string;
  /** As `readFileOptions` found them; a file that registers others fails. */
  readonly options: FileOptions;
}

export interface Failure {
  readonly test: string;
  readonly error: string;
  /** What the process and its children printed during the test, the end of it; undefined: it failed outside every test. */
  readonly output?: string;
}

export interface FileReport {
  readonly file: string;
  readonly passed: readonly string[];
  readonly failed: readonly Failure[];
  readonly skipped: readonly Skip[];
  readonly ms: number;
  /** CPU time of the file and of what it started and waited for; 0 if it is not known. */
  readonly cpuMs: number;
  /** What the process and its children printed during this file, the end of it. */
  readonly output: string;
}

/** How the process ended. */
interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly timedOut: boolean;
}

const ENTRY = fileURLToPath(new URL('./entry.ts', import.meta.url));
const OUTPUT_LIMIT = 16 * 1024;
const groups = new Set<ChildProcess>();

/** Returns the options that a file's `suite` calls have as literals, without running the file. */
export function readFileOptions(source: string): FileOptions {
  const timeoutMs = /\bsuite\([^;]*?\btimeoutMs:\s*([\d_]+)/.exec(source)?.[1];
  return {
    timeoutMs: timeoutMs === undefined ? defaultFileOptions.timeoutMs : Number(timeoutMs.replaceAll('_', '')),
    alone: /\bsuite\([^;]*?\balone:\s*true\b/.test(source),
    ownProcess: /\bsuite\([^;]*?\bownProcess:\s*true\b/.test(source),
  };
}

/**
 * Runs test files in one process, with `env` added to its environment. They need the same `timeoutMs`. Resolves with a report
 * of each file that was begun, one at least: when one ends the process, those after it need another.
 */
export async function runFiles(
  files: readonly TestFile[],
  env: NodeJS.ProcessEnv = {},
): Promise<readonly FileReport[]> {
  const startedAt = Date.now();
  const folder = mkdtempSync(join(tmpdir(), 'weldr-test-'));
  const recordsPath = join(folder, 'records');
  const outputPath = join(folder, 'output');
  try {
    const { ending, leftovers } = await runProcess(files, { recordsPath, outputPath, folder, env });
    const endedAt = Date.now();
    const printed = readFileSync(outputPath);
    const output = (from: number, to?: number): string =>
      printed.subarray(from, to).subarray(-OUTPUT_LIMIT).toString();
    const begun = recordsByFile(readFileSync(recordsPath, 'utf8'));
    return files.slice(0, Math.max(begun.length, 1)).map(({ path, options }, index) => {
      const [{ records, at, outputFrom } = { records: [], at: startedAt, outputFrom: 0 }, after] =
        begun.slice(index);
      const judged = judge(records, options, after === undefined ? ending : undefined, output);
      for (const { command, suffix } of leftovers) {
        // A process without a mark may come from any file.
        if (suffix === `#${index}` || (suffix === undefined && after === undefined))
          judged.failed.push({ test: '(after the tests)', error: `left a process running: ${command}` });
      }
      return {
        file: path,
        ...judged,
        ms: (after?.at ?? endedAt) - (index === 0 ? startedAt : at),
        cpuMs: records.find(record => record.type === 'ended')?.cpuMs ?? 0,
        output: output(outputFrom, after?.outputFrom),
      };
    });
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

async function runProcess(
  files: readonly TestFile[],
  places: Places,
): Promise<{ ending: Ending; leftovers: readonly Leftover[] }> {
  // Files, not pipes: a process that the test left behind could hold a pipe open forever.
  const records = openSync(places.recordsPath, 'a');
  const output = openSync(places.outputPath, 'a');
  const token = randomUUID();
  const tokens = [process.env['TEST_TOKENS'], token].join(' ');
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('WELDR_'));
  const child = spawn(process.execPath, ['-C', 'weldr-source', ENTRY, ...files.map(({ path }) => path)], {
    detached: true,
    stdio: ['ignore', output, output, records],
    env: { ...Object.fromEntries(inherited), ...places.env, TMPDIR: places.folder, TEST_TOKENS: tokens },
  });
  closeSync(records);
  closeSync(output);
  groups.add(child);

  let timedOut = false;
  const [{ options } = { options: defaultFileOptions }] = files;
  // The limit is for one file: it starts again when the next file has begun.
  const limit = (begun: number): NodeJS.Timeout =>
    setTimeout(() => {
      const now = recordsByFile(readFileSync(places.recordsPath, 'utf8')).length;
      if (now > begun) {
        timer = limit(now);
      } else {
        timedOut = true;
        killGroup(child);
      }
    }, options.timeoutMs);
  let timer = limit(1);
  const exit = Promise.withResolvers<Pick<Ending, 'code' | 'signal'>>();
  child.once('error', exit.reject);
  child.once('exit', (code, signal) => exit.resolve({ code, signal }));
  try {
    const ended = await exit.promise;
    clearTimeout(timer);
    return { ending: { ...ended, timedOut }, leftovers: await killLeftovers(token, child.pid) };
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

/** The records of one file, and the content of its first record, which is not among them. */
interface FileRecords {
  readonly at: number;
  readonly outputFrom: number;
  readonly records: TestRecord[];
}

function recordsByFile(text: string): FileRecords[] {
  const files: FileRecords[] = [];
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const record = parseRecord(line);
    if (record.type === 'file') files.push({ ...record, records: [] });
    else files.at(-1)?.records.push(record);
  }
  return files;
}

function parseRecord(line: string): TestRecord {
  try {
    return JSON.parse(line);
  } catch {
    return { type: 'failed', test: '(the file)', error: `wrote an unreadable record: ${line}` };
  }
}

/** Turns the records of a file into results. `ending`: how the process ended, if it did during this file. */
function judge(
  records: readonly TestRecord[],
  options: FileOptions,
  ending: Ending | undefined,
  printed: (from: number, to: number) => string,
): { passed: string[]; failed: Failure[]; skipped: readonly Skip[] } {
  const failed: Failure[] = records
    .filter(record => record.type === 'failed')
    .map(({ test, error, output }) => ({
      test,
      error,
      ...(output === undefined ? {} : { output: printed(output.from, output.to) }),
    }));
  const passed = records.filter(record => record.type === 'passed').map(record => record.test);
  const fail = (test: string, error: string): number => failed.push({ test, error });
  const registered = records.find(record => record.type === 'registered');
  const last = records.findLast(record => record.type === 'started')?.test;
  const where = last === undefined ? 'before its first test' : `in or after ${JSON.stringify(last)}`;
  const ended = records.some(record => record.type === 'ended');

  if (ending?.timedOut) {
    fail('(the file)', `killed: it ran for more than ${options.timeoutMs} ms; it was ${where}`);
  } else if (ending?.signal) {
    fail('(the file)', `its process was ended by ${ending.signal} ${where}`);
  } else if (!ended || (ending !== undefined && ending.code !== 0 && failed.length === 0)) {
    fail('(the file)', `its process ended early, with code ${ending?.code}, ${where}`);
  }

  if (registered === undefined) {
    fail('(the file)', 'no test was registered');
    return { passed: [], failed, skipped: [] };
  }
  const { tests, skips } = registered;
  if (tests.length + skips.length === 0) fail('(the file)', 'no test was registered');
  const names = ['timeoutMs', 'alone', 'ownProcess'] as const;
  if (names.some(name => registered.options[name] !== options[name])) {
    fail('(the file)', 'write `timeoutMs`, `alone` and `ownProcess` as literals, once, in a call of suite()');
  }
  const known = new Set([...passed, ...failed.map(failure => failure.test)]);
  for (const test of tests) if (!known.has(test)) fail(test, 'was not run to its end');
  return { passed, failed, skipped: skips };
}
