// Upstreams that are this Weldr itself: no request is sent to them, however they are spelt.
import { rmSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import * as assert from 'uvu/assert';
import { describeError } from '../../core/errors.ts';
import { OwnAddresses } from '../../core/http/upstream/own-addresses.ts';
import { upstreamRecord } from '../../core/testing/pool.ts';
import { suite } from '../support/suite.ts';
import { socketFolder } from '../support/unix-origin.ts';
import { startProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { ok, ScriptedOrigin } from './support/scripted-origin.ts';
import { statusOf } from './support/strict-message.ts';

const test = suite('own addresses');

const get = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n';
const settings = { via: false as const };

/** An address of this machine other than loopback, if there is one. */
const outer = Object.values(networkInterfaces())
  .flat()
  .find(one => one?.family === 'IPv4' && !one.internal)?.address;

for (const host of [
  '127.0.0.1',
  '127.0.0.9',
  'localhost',
  '0.0.0.0',
  '[::ffff:127.0.0.1]',
  outer ?? '127.1.2.3',
]) {
  test(`a proxy that listens everywhere sends nothing to itself as ${host}`, async () => {
    const proxy = await startProxy({ host: '0.0.0.0', settings });
    proxy.pools.default.set(upstreamRecord(`http://${host}:${proxy.port}`));
    const client = await RawClient.open(proxy.port);
    try {
      client.send(get);
      assert.is(statusOf(await client.response()), 508);
      assert.is(proxy.finished.length, 1, 'it did not come back');
      const error = describeError(proxy.finished[0]?.error);
      assert.match(error, /cannot connect to .*: this Weldr itself listens there/);
    } finally {
      client.close();
      proxy.close();
    }
  });
}

test('a proxy that listens on a unix socket sends nothing to itself', async () => {
  const folder = socketFolder();
  const path = `${folder}/own.sock`;
  const proxy = await startProxy({ settings });
  try {
    proxy.listener.avoid(`unix:${path}`);
    proxy.pools.default.set(upstreamRecord(`unix:${path}`));
    const client = await RawClient.open(proxy.port);
    client.send(get);
    assert.is(statusOf(await client.response()), 508);
    assert.match(describeError(proxy.finished[0]?.error), 'this Weldr itself listens there');
    client.close();
  } finally {
    proxy.close();
    rmSync(folder, { recursive: true });
  }
});

test('another process on the same port of another address gets requests', async () => {
  const origin = await ScriptedOrigin.start({ answer: () => ok('other') });
  const proxy = await startProxy({ upstreams: [origin.url], settings });
  try {
    proxy.listener.avoid(`127.0.0.77:${origin.port}`);
    proxy.listener.avoid(`[::1]:${origin.port}`);
    const client = await RawClient.open(proxy.port);
    client.send(get);
    assert.is((await client.response()).body, 'other');
    client.close();
  } finally {
    proxy.close();
    await origin.close();
  }
});

test("Weldr's own address is recognized in every spelling, and so is any local one if it listens on all", () => {
  const own = new OwnAddresses();
  own.add('0.0.0.0:80');
  own.add('[::1]:81');
  own.add('192.0.2.1:82');
  const peer = (localAddress: string, remoteAddress: string, remotePort: number) =>
    own.hasPeerOf({ localAddress, remoteAddress, remotePort });
  assert.ok(peer('127.0.0.1', '127.0.0.9', 80));
  assert.ok(peer('192.0.2.9', '192.0.2.9', 80));
  assert.ok(peer('::ffff:127.0.0.1', '::ffff:127.0.0.1', 80));
  assert.not.ok(peer('192.0.2.9', '192.0.2.10', 80), 'another machine');
  assert.ok(peer('::1', '::1', 81));
  assert.not.ok(peer('127.0.0.1', '127.0.0.1', 81));
  assert.ok(peer('192.0.2.1', '::ffff:192.0.2.1', 82));
  assert.not.ok(peer('127.0.0.1', '127.0.0.1', 82));
});
