// `npm run dev`, for use beside an editor: runs the demo, restarted when its sources change; the type check after each change;
// and the tests that a change affects. Each line names its source. Ctrl-C ends all of it.
import { type ChildProcess, spawn } from 'node:child_process';
import { watch } from 'node:fs';
import { join, resolve, sep } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { testsOf } from './support/changed-tests.ts';

const checkout = resolve(fileURLToPath(import.meta.url), '../..');
const { values } = parseArgs({ options: { project: { type: 'string', default: checkout } } });
const project = resolve(values.project);
const folders = ['bin', 'config', 'core', 'plugins', 'test'];
/** How long to wait for an editor that saves several files, or one in several steps, ms. */
const pause = 200;

const running = new Set<ChildProcess>();
const changed = new Set<string>();
let failed: readonly string[] = [];
let testing: { readonly child: ChildProcess; readonly paths: readonly string[] } | undefined;
let soon: NodeJS.Timeout | undefined;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    for (const child of running) end(child);
    process.exitCode = 0;
    process.removeAllListeners();
    for (const watcher of watchers) watcher.close();
    clearTimeout(soon);
  });
}

const watchers = folders.map(folder =>
  watch(join(project, folder), { recursive: true }, (_event, name) => {
    if (name === null || !/\.(?:ts|md)$/.test(name)) return;
    changed.add(`${folder}/${name.replaceAll(sep, '/')}`);
    clearTimeout(soon);
    soon = setTimeout(testChanged, pause);
  }),
);

run('demo', 'npm', ['run', '-s', 'dev:demo']);
run('types', 'npm', ['run', '-s', 'dev:types']);

function testChanged(): void {
  if (testing !== undefined) end(testing.child);
  // A file that has not passed yet is tested again with the next change, whatever that is.
  const paths = [...new Set([...(testing?.paths ?? []), ...failed, ...changed])];
  changed.clear();
  failed = [];
  testing = undefined;
  const files = testsOf(project, paths);
  if (files.length === 0) {
    say('tests', `none is affected by ${paths.join(', ')}`);
    return;
  }
  const runner = join(checkout, 'test/run.ts');
  const child = run('tests', process.execPath, [
    ...['-C', 'weldr-source', runner, '--project', project],
    ...files,
  ]);
  testing = { child, paths };
  child.once('exit', code => {
    if (testing?.child !== child) return;
    testing = undefined;
    if (code !== 0) failed = paths;
  });
}

/** Starts a command in a separate process group, and prefixes its lines. */
function run(name: string, command: string, args: readonly string[]): ChildProcess {
  const child = spawn(command, args, { cwd: project, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  child.once('error', error => say(name, error.message));
  child.once('exit', () => running.delete(child));
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', line => say(name, line));
  }
  return child;
}

function end(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM');
  } catch {
    // It has ended by itself.
  }
}

function say(name: string, line: string): void {
  process.stdout.write(`${name.padEnd(5)} │ ${line}\n`);
}
