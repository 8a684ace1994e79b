// Each way in which a test file could pass without testing anything has a fixture.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { type FileReport, readFileOptions, runFiles, type TestFile } from './file-run.ts';
import { isRunning } from './processes.ts';
import { suite } from './suite.ts';

const test = suite('a test file');

function fixturePath(name: string): string {
  return fileURLToPath(new URL(`./fixtures/${name}.ts`, import.meta.url));
}

function source(fixture: string): string {
  return readFileSync(fixturePath(fixture), 'utf8');
}

function file(fixture: string): TestFile {
  return { path: fixturePath(fixture), options: readFileOptions(source(fixture)) };
}

/** Fixtures that end by themselves: they run in one process, and none disturbs those after it. */
const together = [
  ...['passes', 'surroundings', 'fails', 'no-tests', 'empty-suite', 'throws-on-import', 'before-throws'],
  ...['before-each-throws', 'after-throws', 'after-each-throws', 'non-errors', 'unhandled-rejection'],
  ...['uncaught-exception', 'late-exception', 'exit-code', 'hangs', 'leaves-process', 'skip-without-reason'],
  ...['only-skips', 'same-name', 'nested', 'no-body', 'computed-options', 'surroundings-again'],
  'leaves-process-without-env',
];
let reports: readonly FileReport[] = [];
test.before(async () => {
  reports = await runFiles(together.map(file));
});

function reportOf(fixture: string): FileReport {
  const report = reports[together.indexOf(fixture)];
  if (report === undefined) throw new Error(`there is no report of ${fixture}`);
  return report;
}

/** Runs a fixture that ends its process, between two others: the first is not affected, the last does not run. */
async function runEnding(fixture: string): Promise<FileReport> {
  const [before, report, ...more] = await runFiles(['only-skips', fixture, 'passes'].map(file));
  assert.equal(before?.failed, []);
  assert.equal(more, [], 'one after it was run in the same process');
  if (report === undefined) throw new Error('there is no report');
  return report;
}

/** The failures of a fixture as `test | first line of the error`, in the order of their tests' names. */
function failuresOf(report: FileReport): string[] {
  return report.failed.map(({ test, error }) => `${test} | ${error.split('\n')[0]}`).sort();
}

test('passes when its tests and hooks do, and its skip is listed', () => {
  const report = reportOf('passes');
  assert.equal(report.failed, []);
  assert.equal(report.passed, [
    'good: runs hooks around tests',
    'good: runs tests in order',
    'good too: has a test of its own',
  ]);
  assert.equal(report.skipped, [
    { test: 'good: is left out', reason: 'it needs a machine that is not here' },
  ]);
});

test('fails with the difference of an assertion, its place and what the test printed', () => {
  const report = reportOf('fails');
  assert.equal(report.passed, ['bad: holds']);
  assert.equal(failuresOf(report), [
    'bad: finds a difference | Assertion: Expected values to be deeply equal:',
  ]);
  const [failure] = report.failed;
  assert.match(failure?.error ?? '', '"sum":·1');
  assert.match(failure?.error ?? '', /fixtures\/fails\.ts:\d+:\d+/);
  assert.is(failure?.output, 'printed by the test that fails\n');
});

test('fails when it registers no test', () => {
  const report = reportOf('no-tests');
  assert.equal(failuresOf(report), ['(the file) | no test was registered']);
});

test('fails when a suite registers no test', () => {
  const report = reportOf('empty-suite');
  assert.equal(failuresOf(report), ['empty | the suite registers no test']);
});

test('fails when its import throws', () => {
  const report = reportOf('throws-on-import');
  assert.equal(report.passed, []);
  assert.equal(failuresOf(report), [
    '(outside every test) | Error: thrown on import',
    '(the file) | no test was registered',
  ]);
});

test('fails when its import never ends', async () => {
  const report = await runEnding('waits-on-import');
  assert.equal(failuresOf(report), [
    '(the file) | its process ended early, with code 13, before its first test',
    '(the file) | no test was registered',
  ]);
});

test('fails when before throws, and its other suites run', () => {
  const report = reportOf('before-throws');
  assert.equal(report.passed, ['prepared: runs all the same']);
  assert.equal(failuresOf(report), [
    'unprepared: before | Error: thrown by before',
    'unprepared: needs before | was not run to its end',
  ]);
});

test('fails when before.each throws', () => {
  const report = reportOf('before-each-throws');
  assert.equal(report.passed, []);
  assert.equal(failuresOf(report), [
    'unprepared: before.each | Error: thrown by before.each',
    'unprepared: needs before.each | was not run to its end',
  ]);
});

test('fails when after throws, and its other suites run', () => {
  const report = reportOf('after-throws');
  assert.equal(report.passed, ['untidy: holds', 'next: runs all the same']);
  assert.equal(failuresOf(report), ['untidy: after | Error: thrown by after']);
});

test('fails when after.each throws, naming the tests that this kept from running', () => {
  const report = reportOf('after-each-throws');
  assert.equal(report.passed, []);
  assert.equal(failuresOf(report), [
    'untidy: after.each | Error: thrown by after.each',
    'untidy: comes after | was not run to its end',
    'untidy: fails | Error: thrown by the test',
  ]);
});

test('fails when a test throws a value that is not an Error, or a misleading Error', () => {
  const report = reportOf('non-errors');
  assert.equal(report.passed, ['odd: holds']);
  assert.equal(
    report.failed.map(failure => failure.test),
    [
      'odd: throws undefined',
      'odd: throws a string',
      'odd: rejects with null',
      'odd: throws an Error without a name',
    ],
  );
});

test('fails the test that left a rejection unhandled', async () => {
  const report = reportOf('unhandled-rejection');
  assert.equal(report.passed, ['careless: holds']);
  assert.equal(failuresOf(report), ['careless: forgets to await | unhandled rejection: Error: left behind']);
});

test('fails the test during which an uncaught exception was thrown', () => {
  const report = reportOf('uncaught-exception');
  assert.equal(report.passed, ['careless: holds']);
  assert.equal(failuresOf(report), [
    'careless: waits for ever | uncaught exception: Error: thrown by a timer',
  ]);
});

test('fails when something throws after its last test', () => {
  const report = reportOf('late-exception');
  assert.equal(failuresOf(report), ['(outside every test) | uncaught exception: Error: thrown too late']);
});

test('fails when a test ends the process with code 0', async () => {
  const report = await runEnding('exits');
  assert.equal(report.passed, []);
  assert.equal(failuresOf(report), [
    '(outside every test) | Error: process.exit(0) was called',
    '(the file) | its process ended early, with code 0, in or after "quitter: exits"',
    'quitter: comes after | was not run to its end',
    'quitter: exits | was not run to its end',
  ]);
});

test('fails when the process is made to end after the tests', async () => {
  const report = await runEnding('exits-late');
  assert.equal(failuresOf(report), ['(outside every test) | Error: process.exit(0) was called']);
});

test('fails the test that sets the exit code', () => {
  const report = reportOf('exit-code');
  assert.equal(report.passed, ['coded: holds']);
  assert.equal(failuresOf(report), ['coded: sets an exit code | Error: process.exitCode was set to 0']);
});

test('fails when its process is killed', async () => {
  const report = await runEnding('dies');
  assert.equal(failuresOf(report), [
    '(the file) | its process was ended by SIGKILL in or after "dying: dies"',
    'dying: dies | was not run to its end',
  ]);
});

test('fails when its process does not end by itself, naming what is open', async () => {
  const report = await runEnding('open-handle');
  assert.equal(report.passed, ['open: listens']);
  assert.match(
    failuresOf(report).join(),
    /did not end within 3000 ms after its tests; still open: .*TCPServer/,
  );
  assert.is(report.failed.length, 1);
});

test('fails a test that never ends, by its name, and runs the next', () => {
  const report = reportOf('hangs');
  assert.equal(report.passed, ['slow: comes after']);
  assert.equal(failuresOf(report), ['slow: hangs | Error: did not end within 100 ms']);
});

test('is killed at its time limit together with what it started', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pid-'));
  const pidFile = join(folder, 'pid');
  try {
    const [report] = await runFiles([file('loops')], { PID_FILE: pidFile });
    if (report === undefined) throw new Error('there is no report');
    assert.equal(failuresOf(report), [
      '(the file) | killed: it ran for more than 6000 ms; it was in or after "busy: loops"',
      'busy: loops | was not run to its end',
    ]);
    const pid = Number(readFileSync(pidFile, 'utf8'));
    assert.ok(pid > 0);
    assert.not.ok(isRunning(pid), 'the process that the test had started still runs');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

for (const fixture of ['leaves-process', 'leaves-process-without-env']) {
  test(`fails when it leaves a process behind, which is killed (${fixture})`, () => {
    const report = reportOf(fixture);
    assert.equal(report.passed, ['parent: spawns']);
    assert.is(report.failed.length, 1);
    const [, pid] = /^left a process running: (\d+) \S*sleep 30\d$/.exec(report.failed[0]?.error ?? '') ?? [];
    assert.ok(pid, report.failed[0]?.error);
    assert.not.ok(isRunning(Number(pid)), 'the process still runs');
  });
}

test('fails when a skip has no reason', () => {
  const report = reportOf('skip-without-reason');
  assert.match(failuresOf(report).join(), 'silent: is left out: a skip needs a reason');
});

test('passes nothing when it only skips', () => {
  const report = reportOf('only-skips');
  assert.equal([report.passed.length, report.failed.length, report.skipped.length], [0, 0, 1]);
});

test('fails when two tests have one name', () => {
  const report = reportOf('same-name');
  assert.match(failuresOf(report).join(), 'two tests are named "twins: holds"');
});

test('fails when a test registers a test', () => {
  const report = reportOf('nested');
  assert.match(failuresOf(report).join(), 'test inner cannot be registered: tests are already running');
});

test('fails when a test has no body', () => {
  const report = reportOf('no-body');
  assert.match(failuresOf(report).join(), 'hollow: does nothing: expected a function, got undefined');
});

test('fails when its options cannot be read from its source', () => {
  const report = reportOf('computed-options');
  assert.match(failuresOf(report).join(), 'write `timeoutMs`, `alone` and `ownProcess` as literals');
});

test('declares as literals its time limit, and that it runs alone', () => {
  assert.equal(readFileOptions(source('passes')), { timeoutMs: 120_000, alone: false, ownProcess: false });
  assert.equal(readFileOptions(source('loops')), { timeoutMs: 6_000, alone: false, ownProcess: false });
  assert.equal(readFileOptions(source('alone')), { timeoutMs: 120_000, alone: true, ownProcess: false });
  assert.equal(readFileOptions(source('surroundings')), {
    timeoutMs: 120_000,
    alone: false,
    ownProcess: true,
  });
});

test('has the surroundings that the first file in its process had', () => {
  const printed = ['surroundings', 'surroundings-again'].map(
    fixture => /printed by \d+/.exec(reportOf(fixture).output)?.[0],
  );
  assert.ok(printed[0]);
  assert.is(printed[0], printed[1]);
  for (const fixture of ['surroundings', 'surroundings-again']) {
    assert.equal([reportOf(fixture).passed.length, reportOf(fixture).failed.length], [1, 0], fixture);
  }
});
