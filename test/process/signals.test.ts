// What signals do to the processes of Weldr, including those that would silently end it or open a debugger.
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import * as assert from 'uvu/assert';
import { startOrigin } from '../support/origin.ts';
import { childrenOf, isRunning } from '../support/processes.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { startWeldr, type TestWeldr } from '../support/weldr.ts';

const test = suite('signals', { timeoutMs: 240_000, testTimeoutMs: 60_000 });

const config = (server: string) => `
import { defineConfig } from 'weldr';
import { roundRobin } from 'weldr/plugins';
export default defineConfig({
  listen: '127.0.0.1:0', workers: 2, servers: [${JSON.stringify(server)}], plugins: [roundRobin()],
});`;

async function withWeldr(run: (weldr: TestWeldr) => Promise<void>): Promise<void> {
  const origin = await startOrigin();
  const weldr = await startWeldr({ config: config(origin.url) });
  try {
    await run(weldr);
  } finally {
    await weldr.stop();
    await origin.close();
  }
}

const answers = async (weldr: TestWeldr): Promise<boolean> => (await fetch(weldr.url)).ok;

/** Returns whether any of these processes listens on the debugger's port. */
async function debuggerIsOpen(): Promise<boolean> {
  return await new Promise(resolve => {
    const socket = connect(9229, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

const harmless = [
  'SIGUSR1',
  'SIGALRM',
  'SIGVTALRM',
  'SIGIO',
  'SIGPWR',
  'SIGSTKFLT',
  'SIGXFSZ',
  'SIGPIPE',
  'SIGWINCH',
  'SIGURG',
  'SIGCHLD',
] as const;

test('signals without a meaning change nothing in the manager and in workers, and open no debugger', async () => {
  await withWeldr(async weldr => {
    const workers = weldr.workers().sort();
    for (const signal of harmless) {
      weldr.signal(signal);
      for (const worker of workers) process.kill(worker, signal);
    }
    for (let n = 0; n < 20; n++) assert.ok(await answers(weldr));
    assert.equal(weldr.workers().sort(), workers);
    assert.not.ok(await debuggerIsOpen());
    assert.not.match(weldr.output, /[Dd]ebugger/);
  });
});

test('workers ignore signals that are meant for the manager', async () => {
  await withWeldr(async weldr => {
    const workers = weldr.workers().sort();
    for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGUSR2'] as const)
      for (const worker of workers) process.kill(worker, signal);
    for (let n = 0; n < 20; n++) assert.ok(await answers(weldr));
    assert.equal(weldr.workers().sort(), workers);
  });
});

test('SIGUSR2 reloads, as SIGHUP does', async () => {
  await withWeldr(async weldr => {
    const workers = weldr.workers();
    weldr.signal('SIGUSR2');
    await weldr.logged(({ msg }) => msg === 'reloaded');
    await until('the old workers to end', () => !workers.some(isRunning), 20_000);
    assert.ok(await answers(weldr));
  });
});

/** Prints that it is being read, which takes a moment. */
const slowConfig = (listen: string) => `
import { setTimeout } from 'node:timers/promises';
import { defineConfig } from 'weldr';
console.error('reading');
await setTimeout(300);
export default defineConfig({ listen: ${JSON.stringify(listen)}, workers: 0, plugins: [] });`;

test('SIGHUP during the start reloads after it, once', async () => {
  const weldr = await startWeldr({ config: slowConfig('127.0.0.1:0'), noWait: true });
  try {
    await until('the config to be read', () => weldr.output.includes('reading'));
    for (let n = 0; n < 3; n++) weldr.signal('SIGHUP');
    await weldr.logged(({ msg }) => msg === 'reloaded');
    assert.is(await weldr.stop(), 0);
    const phases = ['listening', 'reloaded', 'stopping', 'stopped'];
    const said = weldr.logs.map(({ msg }) => msg).filter(msg => phases.includes(msg));
    assert.equal(said, phases);
  } finally {
    await weldr.stop();
  }
});

test('SIGHUP during a start that fails leaves the reason of the failure on stderr', async () => {
  const weldr = await startWeldr({ config: slowConfig('127.0.0.1:x'), noWait: true });
  await until('the config to be read', () => weldr.output.includes('reading'));
  weldr.signal('SIGHUP');
  assert.is(await weldr.exited, 78);
  assert.match(weldr.output, /weldr: .*listen/);
  assert.not.match(weldr.output, /rejection|exception/i);
});

test('SIGQUIT finishes the requests in flight and ends with code 0, as SIGTERM does', async () => {
  await withWeldr(async weldr => {
    const slow = fetch(`${weldr.url}/slow?ms=300`);
    await until('the request', async () => (await fetch(weldr.url)).ok);
    weldr.signal('SIGQUIT');
    assert.is((await slow).status, 200);
    assert.is(await weldr.stop(), 0);
  });
});

test('as the first process of a container Weldr reloads, finishes its requests and ends, by its signals', async () => {
  const origin = await startOrigin();
  const weldr = await startWeldr({
    config: config(origin.url),
    shell: 'exec unshare --pid --fork --kill-child --mount-proc "$0" "$@"',
  });
  const [first = 0] = childrenOf(weldr.pid);
  try {
    // The kernel's defaults, such as ending a process by a signal without a listener, do not apply to the first process.
    assert.match(readFileSync(`/proc/${first}/status`, 'utf8'), /^NSpid:\t\d+\t1$/m);
    process.kill(first, 'SIGHUP');
    await weldr.logged(({ msg }) => msg === 'reloaded');
    const slow = fetch(`${weldr.url}/slow?ms=300`);
    await until('the request', async () => (await fetch(weldr.url)).ok);
    process.kill(first, 'SIGTERM');
    assert.is((await slow).status, 200);
    assert.is(await weldr.exited, 0);
    // Every line of the log had been written by then.
    assert.is(weldr.logs.at(-1)?.msg, 'stopped');
  } finally {
    if (isRunning(first)) process.kill(first, 'SIGKILL');
    await weldr.stop();
    await origin.close();
  }
});
