// The main module of a test file's process: imports the file, runs the registered tests, then checks that the
// process ends by itself.
import { setTimeout } from 'node:timers';
import { pathToFileURL } from 'node:url';
import { record } from './records.ts';

const END_WITHIN_MS = 3_000;

// uvu reads these when it is loaded; without them it would start, and end, on its own.
Object.assign(globalThis, { UVU_DEFER: 1, UVU_QUEUE: [[]], UVU_INDEX: 0 });
const { describe, failStray, openRegistration, runSuites } = await import('./suite.ts');

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error('usage: entry.ts FILE');

process.on('uncaughtException', error => failStray(error, 'uncaught exception'));
process.on('unhandledRejection', reason => failStray(reason, 'unhandled rejection'));
const exit = process.exit.bind(process);
process.exit = (code): never => {
  const { stack } = new Error(`process.exit(${code ?? ''}) was called`);
  record({ type: 'failed', test: '(outside every test)', error: stack ?? 'process.exit was called' });
  return exit(code);
};

try {
  openRegistration();
  await import(pathToFileURL(file).href);
  await runSuites();
} catch (thrown) {
  process.exitCode = 1;
  record({ type: 'failed', test: '(outside every test)', error: describe(thrown) });
}
record({ type: 'ended' });

setTimeout(() => {
  const open = process.getActiveResourcesInfo().join(', ');
  const error = `the process did not end within ${END_WITHIN_MS} ms after its tests; still open: ${open}`;
  record({ type: 'failed', test: '(after the tests)', error });
  exit(1);
}, END_WITHIN_MS).unref();
