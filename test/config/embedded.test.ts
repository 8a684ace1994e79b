// Weldr within another program, through `startWeldr` of the package `weldr`.

import * as assert from 'uvu/assert';
import { defineConfig, reply, startWeldr, WeldrError } from '../../config/index.ts';
import { startOrigin } from '../support/origin.ts';
import { suite } from '../support/suite.ts';

const test = suite('startWeldr');

const teapot = defineConfig({
  listen: '127.0.0.1:0',
  logLevel: 'silent',
  plugins: [{ name: 'teapot', worker: ({ hooks }) => hooks.request.tap('teapot', () => reply(418)) }],
});

test('proxies in this process, and ends with close()', async () => {
  const origin = await startOrigin();
  const weldr = await startWeldr({
    listen: '127.0.0.1:0',
    logLevel: 'silent',
    servers: [origin.url],
    plugins: [
      {
        name: 'first',
        worker: ({ hooks }) => hooks.selectUpstream.tap('first', ctx => ctx.pool.available[0]),
      },
    ],
  });
  const url = `http://${weldr.addresses[0]}/`;
  try {
    const answer = await fetch(url);
    assert.is(await answer.text(), origin.name);
    assert.is(weldr.status.readyWorkers, 1);
  } finally {
    await weldr.close();
    await origin.close();
  }
  await fetch(url).then(
    () => assert.unreachable('it still answers'),
    () => {},
  );
});

test('runs twice in one process', async () => {
  const [one, two] = [await startWeldr(teapot), await startWeldr(teapot)];
  try {
    for (const weldr of [one, two]) {
      assert.is((await fetch(`http://${weldr.addresses[0]}/`)).status, 418);
    }
  } finally {
    await one.close();
    await two.close();
  }
});

test('closes what had started, and leaves nothing behind, when a plugin fails', async () => {
  const closed: string[] = [];
  const one = {
    name: 'one',
    manager: ({ onClose }: { onClose(fn: () => void): void }) => onClose(() => closed.push('one')),
  };
  const failing = {
    name: 'failing',
    worker() {
      throw new Error('no luck');
    },
  };
  await startWeldr({ ...teapot, plugins: [one, failing] }).then(
    () => assert.unreachable('it started'),
    thrown => assert.match(thrown.message, 'plugin failing did not start: no luck'),
  );
  assert.equal(closed, ['one']);
});

test('refuses separate worker processes', async () => {
  await startWeldr({ ...teapot, workers: 2 }).then(
    () => assert.unreachable('it started'),
    thrown => assert.ok(thrown instanceof WeldrError && thrown.field === 'workers'),
  );
});
