// The main module of a process that runs test files: imports each, runs the tests that it registers, and goes on to the next
// once nothing keeps the process alive, so that no file finds what another one left open.
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clearTimeout, setImmediate, setTimeout } from 'node:timers';
import { pathToFileURL } from 'node:url';
import { cpuMs } from './processes.ts';
import { printedBytes, record } from './records.ts';

const END_WITHIN_MS = 3_000;

// uvu reads these when it is loaded; without them it would start, and end, on its own.
Object.assign(globalThis, { UVU_DEFER: 1, UVU_QUEUE: [[]], UVU_INDEX: 0 });
const { describe, failStray, openRegistration, runSuites } = await import('./suite.ts');

const files = process.argv.slice(2);
if (files.length === 0) throw new Error('usage: entry.ts FILE…');

// Coverage counts this process. Most of what tests start runs the bundle, whose lines nothing counts.
delete process.env['NODE_V8_COVERAGE'];
const environment = { ...process.env };
const workingFolder = process.cwd();
const temporary = tmpdir();

process.on('uncaughtException', error => failStray(error, 'uncaught exception'));
process.on('unhandledRejection', reason => failStray(reason, 'unhandled rejection'));
const exit = process.exit.bind(process);
process.exit = (code): never => {
  const { stack } = new Error(`process.exit(${code ?? ''}) was called`);
  record({ type: 'failed', test: '(outside every test)', error: stack ?? 'process.exit was called' });
  return exit(code);
};

let begun = 0;
let settled = true;
let late: NodeJS.Timeout | undefined;
process.on('beforeExit', next);
next();

/** Begins the next file. The event loop is empty now, except before the first one. */
function next(): void {
  // An import that never ends: the code is Node's for it.
  if (!settled) exit(13);
  clearTimeout(late);
  const file = files[begun];
  if (file === undefined) return;
  restoreSurroundings();
  record({ type: 'file', at: Date.now(), outputFrom: printedBytes() });
  begun++;
  settled = false;
  // What a handler of beforeExit does at once, without leaving anything pending, is the last that a process does.
  setImmediate(() => void run(file));
}

async function run(file: string): Promise<void> {
  const cpuBefore = begun === 1 ? 0 : cpuMs();
  try {
    openRegistration();
    await import(pathToFileURL(file).href);
    await runSuites();
  } catch (thrown) {
    record({ type: 'failed', test: '(outside every test)', error: describe(thrown) });
  }
  record({ type: 'ended', cpuMs: cpuMs() - cpuBefore });
  settled = true;
  late = setTimeout(() => {
    const open = process.getActiveResourcesInfo().join(', ');
    const error = `the process did not end within ${END_WITHIN_MS} ms after its tests; still open: ${open}`;
    record({ type: 'failed', test: '(after the tests)', error });
    exit(1);
  }, END_WITHIN_MS).unref();
}

/** Gives the next file the environment and the folder of the first, and a temporary folder. */
function restoreSurroundings(): void {
  const folder = join(temporary, String(begun));
  mkdirSync(folder);
  // The runner attributes a process that was left behind to a file by the number in its token.
  const tokens = `${environment['TEST_TOKENS'] ?? ''}#${begun}`;
  const wanted: NodeJS.ProcessEnv = { ...environment, TMPDIR: folder, TEST_TOKENS: tokens };
  for (const name of Object.keys(process.env)) if (!(name in wanted)) delete process.env[name];
  Object.assign(process.env, wanted);
  process.chdir(workingFolder);
}
