// `npm test`: lints, checks types, bundles the command, then runs every test file.
//   node -C weldr-source test/run.ts [FILTER…] [--changed] [--since REVISION] [--slow | --quick] [--jobs N] [--coverage] [--project DIR]
// The last line is `N passed, N failed`, which counts lint, types, bundle and coverage as one each.
// With --coverage the whole run fails when it covers too few lines. Only what the processes of the test files run counts, not
// what they start.
// With a FILTER (a part of a test file's path) only the files that match run, and nothing else. Files named
// `*.slow.test.ts` run only with `--slow`, which runs nothing else, or when a filter matches them without `--quick`.
// With --changed only files run that are affected by the difference from `main`, or from REVISION.
import { spawn } from 'node:child_process';
import { cpSync, globSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bundleCommand, completePackage } from './support/built-package.ts';
import { changedPaths, testsOf } from './support/changed-tests.ts';
import {
  type FileReport,
  killRunningFiles,
  readFileOptions,
  runFiles,
  type TestFile,
} from './support/file-run.ts';
import { cpuMs } from './support/processes.ts';
import { defaultFileOptions } from './support/records.ts';

interface Tally {
  passed: number;
  readonly failed: string[];
  readonly skipped: string[];
}

/** How many files run in one process at most. */
const sharedFiles = 12;

const checkout = resolve(fileURLToPath(import.meta.url), '../..');

const { values, positionals: filters } = parseArgs({
  allowPositionals: true,
  allowNegative: true,
  options: {
    // More than the two cores of a small machine: many tests wait for a timer or another process.
    jobs: { type: 'string', default: '3' },
    slow: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    changed: { type: 'boolean', default: false },
    since: { type: 'string' },
    coverage: { type: 'boolean', default: false },
    project: { type: 'string', default: checkout },
  },
});
const jobs = Number(values.jobs);
if (!Number.isInteger(jobs) || jobs < 1)
  throw new Error(`--jobs: expected a number from 1, got ${values.jobs}`);
const project = resolve(values.project);
const changed = values.changed || values.since !== undefined;
const whole = filters.length === 0 && !values.slow && !changed;
const coverage = whole && values.coverage;
const coverageFolder = join(project, 'coverage');

// The tools of node_modules, Node included, for the commands below and for what the tests start.
process.env['PATH'] = [join(checkout, 'node_modules/.bin'), process.env['PATH']].join(delimiter);

// The tests start hundreds of processes; half of a start is spent compiling the same code again. A whole run clears the folder.
process.env['NODE_COMPILE_CACHE'] ||= join(coverageFolder, 'compile-cache');

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    killRunningFiles();
    process.exit(128 + constants.signals[signal]);
  });
}

const tally: Tally = { passed: 0, failed: [], skipped: [] };

if (whole) {
  await runCommand('lint', 'npm', ['run', '-s', 'lint']);
  await runCommand('typecheck', 'npm', ['run', '-s', 'typecheck']);
}
if (whole) rmSync(coverageFolder, { recursive: true, force: true });
if (coverage) mkdirSync(join(coverageFolder, 'tmp'), { recursive: true });
if (whole) await bundle();

const files = findFiles();
if (files.length === 0 && changed) {
  console.log('No test file is affected by what changed.');
  process.exit();
}
if (files.length === 0) fail('(no file)', `no test file matches ${filters.join(' ') || 'test/**/*.test.ts'}`);
await runAll(groupsOf(files.filter(file => !file.options.alone)), jobs);
await runAll(
  files.filter(file => file.options.alone).map(file => [file]),
  1,
);

if (coverage) await runCommand('coverage', 'c8', ['report'], 'with its output');

if (tally.skipped.length > 0) console.log(`\nSkipped:\n  ${tally.skipped.join('\n  ')}`);
if (tally.failed.length > 0) console.log(`\nFailed:\n  ${tally.failed.join('\n  ')}`);
const skipped = tally.skipped.length > 0 ? `, ${tally.skipped.length} skipped` : '';
console.log(`\nIn ${Math.round(performance.now() / 1000)} s, with ${Math.round(cpuMs() / 1000)} s of CPU`);
console.log(`${tally.passed} passed, ${tally.failed.length} failed${skipped}`);
process.exitCode = tally.failed.length > 0 || tally.passed === 0 ? 1 : 0;

function findFiles(): TestFile[] {
  const names = changed
    ? testsOf(project, changedPaths(project, values.since ?? 'main'))
    : globSync('test/**/*.test.ts', { cwd: project });
  return names
    .filter(name => (filters.length === 0 ? isSlow(name) === values.slow : matches(name)))
    .sort()
    .map(name => {
      const path = join(project, name);
      return { path, options: readFileOptions(readFileSync(path, 'utf8')) };
    });
}

function isSlow(name: string): boolean {
  return name.endsWith('.slow.test.ts');
}

function matches(name: string): boolean {
  if (isSlow(name) ? values.quick : values.slow) return false;
  return filters.some(filter => name.includes(filter));
}

/**
 * Puts files that may share a process together: starting one, and loading Weldr into it, takes longer than most files.
 * What takes longest comes first, so that no lane is busy alone at the end.
 */
function groupsOf(files: readonly TestFile[]): TestFile[][] {
  const shared = files.filter(
    ({ options }) => !options.ownProcess && options.timeoutMs === defaultFileOptions.timeoutMs,
  );
  const size = Math.min(sharedFiles, Math.ceil(shared.length / jobs));
  const groups: TestFile[][] = [];
  const open = new Map<string, TestFile[]>();
  for (const file of files) {
    const folder = relative(project, dirname(file.path)).split('/').slice(0, 2).join('/');
    const group = shared.includes(file) ? open.get(folder) : undefined;
    if (group !== undefined && group.length < size) {
      group.push(file);
      continue;
    }
    const fresh = [file];
    groups.push(fresh);
    if (shared.includes(file)) open.set(folder, fresh);
  }
  const limit = (group: readonly TestFile[]): number => group[0]?.options.timeoutMs ?? 0;
  return groups.sort((a, b) => limit(b) - limit(a) || startsOf(b) - startsOf(a));
}

/** Counts where the files start processes, which is what takes time. */
function startsOf(group: readonly TestFile[]): number {
  const calls = /\b(?:startWeldr|runWeldr|spawn|fork|launch|execFile(?:Sync)?)\(/g;
  return group.reduce((sum, { path }) => sum + (readFileSync(path, 'utf8').match(calls)?.length ?? 0), 0);
}

async function runAll(groups: readonly (readonly TestFile[])[], width: number): Promise<void> {
  const waiting = [...groups];
  const env = coverage ? { NODE_V8_COVERAGE: join(coverageFolder, 'tmp') } : {};
  const lane = async (): Promise<void> => {
    for (let group = waiting.shift(); group !== undefined; group = waiting.shift()) {
      const reports = await runFiles(group, env);
      for (const run of reports) report(run);
      // A file that ended the process kept the files after it from running.
      if (reports.length < group.length) waiting.unshift(group.slice(reports.length));
    }
  };
  await Promise.all(Array.from({ length: width }, lane));
}

function report(run: FileReport): void {
  const name = relative(project, run.file);
  const failures = run.failed.length > 0 ? `, ${run.failed.length} failed` : '';
  const skips = run.skipped.length > 0 ? `, ${run.skipped.length} skipped` : '';
  const verdict = run.failed.length > 0 ? 'FAIL' : 'ok  ';
  console.log(
    `${verdict} ${name}: ${run.passed.length} passed${failures}${skips} (${run.ms} ms, CPU ${run.cpuMs} ms)`,
  );
  tally.passed += run.passed.length;
  for (const skip of run.skipped) tally.skipped.push(`${name} › ${skip.test} — ${skip.reason}`);
  if (run.failed.length === 0) return;
  for (const { test, error, output } of run.failed) {
    const printed = output?.trim() ? `\nprinted meanwhile:\n${indent(output.trim())}` : '';
    fail(`${name} › ${test}`, `${error}${printed}`);
  }
  console.log(indent(`alone: npm test -- ${name}`));
  const isUnknown = run.failed.some(({ output }) => output === undefined);
  if (isUnknown && run.output.trim() !== '')
    console.log(indent(`what the file printed:\n${run.output.trimEnd()}`));
}

function fail(name: string, error: string): void {
  tally.failed.push(name);
  console.log(indent(`✘ ${name}\n${indent(error)}`));
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, '    ');
}

/**
 * Builds the package that the tests start: they do so hundreds of times, and the bundle starts in half the time of the
 * sources.
 */
async function bundle(): Promise<void> {
  const folder = join(coverageFolder, 'node_modules/weldr');
  if (!(await runCommand('bundle', ...bundleCommand(folder)))) return;
  completePackage(project, folder);
  cpSync(join(project, 'dashboard/dist'), join(folder, 'dist/ui'), { recursive: true });
  // For modules that a test imports into its own process, which runs the sources.
  for (const name of ['config', 'core', 'plugins']) symlinkSync(join(project, name), join(folder, name));
  process.env['TEST_PACKAGE'] = folder;
}

/** Runs it to its end, and counts it as a test. Returns whether it passed. */
async function runCommand(
  name: string,
  command: string,
  args: readonly string[],
  show?: 'with its output',
): Promise<boolean> {
  const startedAt = performance.now();
  const child = spawn(command, args, { cwd: project, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', text => (output += text));
  child.stderr.setEncoding('utf8').on('data', text => (output += text));
  const code = await new Promise((done, failed) => child.once('error', failed).once('close', done));
  console.log(`${code === 0 ? 'ok  ' : 'FAIL'} ${name} (${Math.round(performance.now() - startedAt)} ms)`);
  if (code === 0) {
    tally.passed++;
    if (show) console.log(indent(output.trim()));
  } else {
    fail(name, output.trim() || `exited with code ${code}`);
  }
  return code === 0;
}
