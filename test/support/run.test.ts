// The command behind `npm test`, run on small projects.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { isRunning } from './processes.ts';
import { suite } from './suite.ts';

const test = suite('npm test', { timeoutMs: 300_000 });

const runner = fileURLToPath(new URL('../run.ts', import.meta.url));
const suiteModule = new URL('./suite.ts', import.meta.url).href;
const importSuite = `import { suite } from ${JSON.stringify(suiteModule)};\n`;
const passing = `${importSuite}suite('good')('holds', () => {});\n`;
const failing = `${importSuite}suite('bad')('breaks', () => { throw new Error('broken'); });\n`;
const skipping = `${importSuite}suite('idle').skip('is left out', 'no machine for it', () => {});\n`;
// Bundling writes into the folder of the last argument.
const bundle = 'f() { mkdir -p "$2" dashboard/dist; }; f';
const scripts = { lint: 'exit 0', typecheck: 'exit 0', bundle };

let project: string;
test.before.each(() => {
  project = mkdtempSync(join(tmpdir(), 'project-'));
  write('package.json', JSON.stringify({ type: 'module', scripts }));
});
test.after.each(() => rmSync(project, { recursive: true }));

function write(name: string, text: string): void {
  const path = join(project, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

interface Run {
  readonly code: number | null;
  readonly output: string;
  readonly lastLine: string | undefined;
}

async function run(...args: string[]): Promise<Run> {
  const child = spawn(process.execPath, ['-C', 'weldr-source', runner, '--project', project, ...args]);
  let output = '';
  child.stdout.on('data', chunk => {
    output += chunk;
  });
  child.stderr.on('data', chunk => {
    output += chunk;
  });
  const code = await new Promise<number | null>(done => child.once('close', done));
  return { code, output, lastLine: output.trimEnd().split('\n').at(-1) };
}

test('counts lint, types, the bundle and every test on exactly one line, and shows what fails and what is skipped', async () => {
  write('test/good.test.ts', passing);
  write('test/deep/er/good.test.ts', passing);
  write('test/worse.test.ts', failing);
  write('test/idle.test.ts', skipping);
  const { code, output, lastLine } = await run();
  assert.is(lastLine, '5 passed, 1 failed, 1 skipped');
  assert.equal(output.match(/^\d+ passed, \d+ failed.*$/gm), [lastLine]);
  assert.is(code, 1);
  assert.match(output, 'Error: broken');
  assert.match(output, 'idle: is left out — no machine for it');
});

test('fails when lint, types or the bundle do, and shows what they printed', async () => {
  const broken = ['lint', 'typecheck', 'bundle'].map(step => [step, `echo ${step} is crooked; exit 3`]);
  write('package.json', JSON.stringify({ scripts: Object.fromEntries(broken) }));
  write('test/good.test.ts', passing);
  const { code, output, lastLine } = await run();
  assert.is(lastLine, '1 passed, 3 failed');
  assert.is(code, 1);
  for (const [step] of broken) assert.match(output, `${step} is crooked`);
});

test('fails when there is no test file', async () => {
  const { code, lastLine } = await run();
  assert.is(lastLine, '3 passed, 1 failed');
  assert.is(code, 1);
});

test('fails when no test file matches the filter', async () => {
  write('test/good.test.ts', passing);
  const { code, output, lastLine } = await run('godo');
  assert.is(lastLine, '0 passed, 1 failed');
  assert.is(code, 1);
  assert.match(output, 'no test file matches godo');
});

test('fails when every test is skipped', async () => {
  write('test/idle.test.ts', skipping);
  const { code, lastLine } = await run('idle');
  assert.is(lastLine, '0 passed, 0 failed, 1 skipped');
  assert.is(code, 1);
});

test('runs the files that match a filter, and nothing else', async () => {
  write('package.json', JSON.stringify({ scripts: { lint: 'exit 1', typecheck: 'exit 1' } }));
  write('test/good.test.ts', passing);
  write('test/worse.test.ts', failing);
  const { code, lastLine } = await run('test/good');
  assert.is(lastLine, '1 passed, 0 failed');
  assert.is(code, 0);
});

test('runs the files that a change affects with --changed, and nothing else', async () => {
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@localhost', ...args], { cwd: project });
  write('core/one.ts', 'export {};\n');
  write('test/one.test.ts', `import '../core/one.ts';\n${passing}`);
  write('test/two.test.ts', failing);
  git('init', '-q', '-b', 'main');
  git('add', '.');
  git('commit', '-qm', 'all');
  const none = await run('--changed');
  assert.match(none.output, 'No test file is affected by what changed.');
  assert.is(none.code, 0);
  write('core/one.ts', 'export const one = 1;\n');
  const { code, lastLine } = await run('--changed');
  assert.is(lastLine, '1 passed, 0 failed');
  assert.is(code, 0);
});

test('refuses an unknown option', async () => {
  write('test/good.test.ts', passing);
  const { code, output } = await run('--covrage');
  assert.is(code, 1);
  assert.match(output, "Unknown option '--covrage'");
  assert.not.match(output, 'passed');
});

test('fails when too few lines are covered', async () => {
  const covered = { include: ['core/*.ts'], tempDirectory: 'coverage/tmp', reporter: ['text-summary'] };
  write('.c8rc.json', JSON.stringify({ ...covered, checkCoverage: true, lines: 60 }));
  write(
    'core/half.ts',
    'export function half(n: number) {\n  return n / 2;\n}\n\n\n\nexport function never() {\n  return 0;\n}\n',
  );
  write('test/half.test.ts', `${passing}import { half } from '../core/half.ts';\nhalf(4);\n`);
  const enough = await run('--coverage');
  assert.is(enough.lastLine, '5 passed, 0 failed');
  assert.is(enough.code, 0);
  assert.match(enough.output, /Lines +: 77\.77% \( 7\/9 \)/);

  write('.c8rc.json', JSON.stringify({ ...covered, checkCoverage: true, lines: 80 }));
  const tooLittle = await run('--coverage');
  assert.is(tooLittle.lastLine, '4 passed, 1 failed');
  assert.is(tooLittle.code, 1);
  assert.match(tooLittle.output, 'Coverage for lines (77.77%) does not meet global threshold (80%)');
});

/** Returns a test file that logs its start and end. */
function timed(name: string, options: string): string {
  return `${importSuite}import { appendFileSync } from 'node:fs';
suite('${name}', ${options})('takes its time', async () => {
  appendFileSync(${JSON.stringify(join(project, 'log'))}, '+${name}\\n');
  await new Promise(done => setTimeout(done, 300));
  appendFileSync(${JSON.stringify(join(project, 'log'))}, '-${name}\\n');
});
`;
}

test('runs a file that asks to be alone after all others, and by itself', async () => {
  write('test/a.test.ts', timed('a', '{ alone: true }'));
  write('test/b.test.ts', timed('b', '{}'));
  write('test/c.test.ts', timed('c', '{ alone: true }'));
  const { lastLine } = await run('test/', '--jobs', '3');
  assert.is(lastLine, '3 passed, 0 failed');
  assert.is(readFileSync(join(project, 'log'), 'utf8').trim().replaceAll('\n', ' '), '+b -b +a -a +c -c');
});

test('runs slow files only with --slow, or if a filter matches them without --quick', async () => {
  write('test/a.test.ts', timed('a', '{}'));
  write('test/b.slow.test.ts', timed('b', '{}'));
  const log = () => readFileSync(join(project, 'log'), 'utf8').trim().replaceAll('\n', ' ');
  await run();
  assert.is(log(), '+a -a');
  await run('--slow');
  assert.is(log(), '+a -a +b -b');
  await run('test/b');
  assert.is(log(), '+a -a +b -b +b -b');
  await run('--quick', 'test/');
  assert.is(log(), '+a -a +b -b +b -b +a -a');
});

test('runs as many files at a time as --jobs says', async () => {
  for (const name of ['a', 'b', 'c']) write(`test/${name}.test.ts`, timed(name, '{}'));
  await run('test/', '--jobs', '1');
  assert.is(readFileSync(join(project, 'log'), 'utf8').trim().replaceAll('\n', ' '), '+a -a +b -b +c -c');
});

test('kills the files that run when it is told to stop', async () => {
  const log = join(project, 'log');
  write('log', '');
  write(
    'test/slow.test.ts',
    `${importSuite}import { appendFileSync } from 'node:fs';
suite('slow')('waits', () => {
  appendFileSync(${JSON.stringify(log)}, String(process.pid));
  return new Promise(() => {});
});
`,
  );
  const child = spawn(process.execPath, ['-C', 'weldr-source', runner, '--project', project, 'slow']);
  while (readFileSync(log, 'utf8') === '') await new Promise(done => setTimeout(done, 20));
  child.kill('SIGINT');
  assert.is(await new Promise(done => child.once('exit', done)), 130);
  const pid = Number(readFileSync(log, 'utf8'));
  while (isRunning(pid)) await new Promise(done => setTimeout(done, 20));
});
