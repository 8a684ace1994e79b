// The log: Weldr continues whatever happens to stdout.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { startOrigin } from '../../support/origin.ts';
import { freePort } from '../../support/ports.ts';
import { childrenOf, isRunning } from '../../support/processes.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { commandFrom, makeFolder, startWeldr } from '../../support/weldr.ts';

const test = suite('log', { timeoutMs: 300_000 });

/** Logs a line for each request, so that there is something to write. */
const config = (port: number, server: string) => `
import { defineConfig } from 'weldr';
import { roundRobin } from 'weldr/plugins';
export default defineConfig({
  listen: '127.0.0.1:${port}', workers: 2, servers: [${JSON.stringify(server)}],
  plugins: [
    { name: 'talker', worker: ({ hooks, log }) => hooks.finished.tap('talker', ctx => log.info({ target: ctx.request.target }, 'x'.repeat(2000))) },
    roundRobin(),
  ],
});`;

async function answers(url: string): Promise<boolean> {
  return await fetch(url).then(
    async response => (await response.text()) !== '' && response.status === 200,
    () => false,
  );
}

/** Runs Weldr with this stdout, sends it requests, and checks that the same processes keep running. */
async function survives(
  stdout: 'pipe' | number,
  spoil: (child: ChildProcess) => Promise<void>,
): Promise<void> {
  const origin = await startOrigin();
  const port = await freePort();
  const folder = makeFolder();
  writeFileSync(join(folder, 'weldr.config.mjs'), config(port, origin.url));
  const child = spawn(process.execPath, commandFrom(), {
    cwd: folder,
    stdio: ['ignore', stdout, 'pipe'],
  });
  let errors = '';
  child.stderr?.setEncoding('utf8').on('data', text => {
    errors += text;
  });
  try {
    const url = `http://127.0.0.1:${port}/`;
    await until('it answers', () => answers(url), 20_000);
    await until('both workers run', () => childrenOf(child.pid ?? 0).length === 2);
    await spoil(child);
    const workers = childrenOf(child.pid ?? 0).sort();
    for (let i = 0; i < 50; i++) assert.ok(await answers(url));
    process.kill(child.pid ?? 0, 'SIGHUP');
    await until('the reload has replaced the workers', () => !workers.some(isRunning), 20_000);
    for (let i = 0; i < 50; i++) assert.ok(await answers(url));
    assert.is(child.exitCode, null);
    assert.is(errors, '');
  } finally {
    child.kill();
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    rmSync(folder, { recursive: true });
    await origin.close();
  }
  assert.is(child.exitCode, 0);
}

test('does not end Weldr when its reader ends, as in `weldr | head -1`', async () => {
  await survives('pipe', async child => {
    if (child.stdout !== null && child.stdout.readableLength === 0) await once(child.stdout, 'readable');
    child.stdout?.destroy();
  });
});

test('does not end Weldr when the disk is full', async () => {
  const full = openSync('/dev/full', 'w');
  try {
    await survives(full, async () => {});
  } finally {
    closeSync(full);
  }
});

test('does not hold up Weldr when its reader has stopped reading', async () => {
  await survives('pipe', async child => {
    child.stdout?.pause();
  });
});

test('is JSON, one line a record, with level, time and the worker', async () => {
  const origin = await startOrigin();
  const weldr = await startWeldr({ config: config(0, origin.url) });
  try {
    await (await fetch(`${weldr.url}/a`)).text();
    const record = await weldr.logged(line => line['target'] === '/a');
    assert.is(record.level, 30);
    assert.is(record['plugin'], 'talker');
    assert.ok(record['worker'] === 1 || record['worker'] === 2);
    assert.match(String(record['time']), /^\d{4}-\d\d-\d\dT/);
    assert.is(weldr.output, '');
  } finally {
    await weldr.stop();
    await origin.close();
  }
});

test('omits records below its level', async () => {
  const origin = await startOrigin();
  const weldr = await startWeldr({
    config: config(0, origin.url),
    env: { WELDR_LOG_LEVEL: 'warn' },
    noWait: true,
  });
  try {
    await until('the workers run', () => weldr.workers().length === 2);
    await weldr.stop();
    assert.equal(
      weldr.logs.filter(({ level }) => level < 40),
      [],
    );
  } finally {
    await weldr.stop();
    await origin.close();
  }
});
