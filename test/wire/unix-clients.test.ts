// Clients on a unix socket: the same exchange, but without addresses.
import { rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { SettingsInput } from '../../core/settings/settings.ts';
import { startOrigin } from '../support/origin.ts';
import { suite } from '../support/suite.ts';
import { askUnix, socketFolder } from '../support/unix-origin.ts';
import { until } from '../support/until.ts';
import { startProxy, type TestProxy } from './support/proxy.ts';
import { ScriptedOrigin } from './support/scripted-origin.ts';

const test = suite('clients on unix sockets');

/** Calls `body` with a proxy that listens on a unix socket. */
async function withProxy(
  upstreams: readonly string[],
  settings: SettingsInput,
  body: (path: string, proxy: TestProxy) => Promise<void>,
): Promise<void> {
  const folder = socketFolder();
  const path = join(folder, 'http.sock');
  const proxy = await startProxy({ upstreams, settings, path });
  try {
    await body(path, proxy);
  } finally {
    proxy.close();
    rmSync(folder, { recursive: true });
  }
}

/** The forwarding fields that an origin receives for a request with these fields, and the client's address. */
async function forwardingOf(
  forwarded: SettingsInput['forwarded'],
  headers: Readonly<Record<string, string>> = {},
): Promise<{ clientIp: string; scheme: string; lines: string[] }> {
  const origin = await ScriptedOrigin.start();
  const settings = forwarded === undefined ? {} : { forwarded };
  let found = { clientIp: '', scheme: '', lines: [''] };
  try {
    await withProxy([origin.url], settings, async (path, proxy) => {
      await askUnix(path, '/', { headers: { host: 'a.test', ...headers } });
      await until('the request is over', () => proxy.finished.length === 1);
      const [ctx] = proxy.finished;
      const fields = origin.requests[0]?.fields ?? [];
      const lines = fields.filter(([name]) => /forwarded/i.test(name));
      assert.equal([ctx?.clientPort, ctx?.localPort], [0, 0]);
      found = {
        clientIp: ctx?.clientIp ?? '',
        scheme: ctx?.scheme ?? '',
        lines: lines.map(([name, value]) => `${name}: ${value}`).sort(),
      };
    });
  } finally {
    await origin.close();
  }
  return found;
}

const reported = { 'X-Forwarded-For': '203.0.113.7', 'X-Forwarded-Proto': 'https' };

test('have the address unix:, and no other is made up', async () => {
  const { clientIp, scheme, lines } = await forwardingOf({ rfc7239: true });
  assert.equal([clientIp, scheme], ['unix:', 'http']);
  assert.equal(lines, [
    'Forwarded: for=unknown;host="a.test";proto=http',
    'X-Forwarded-Host: a.test',
    'X-Forwarded-Proto: http',
  ]);
});

test('are not believed unless unix: is trusted', async () => {
  for (const trusted of [[], ['0.0.0.0/0', '::/0']]) {
    const { clientIp, lines } = await forwardingOf({ trusted }, reported);
    assert.is(clientIp, 'unix:');
    assert.equal(lines, ['X-Forwarded-Host: a.test', 'X-Forwarded-Proto: http']);
  }
});

test('are believed if unix: is trusted: the client is the one that they report', async () => {
  const { clientIp, scheme, lines } = await forwardingOf({ trusted: ['unix:'] }, reported);
  assert.equal([clientIp, scheme], ['203.0.113.7', 'https']);
  assert.equal(lines, [
    'X-Forwarded-For: 203.0.113.7',
    'X-Forwarded-Host: a.test',
    'X-Forwarded-Proto: https',
  ]);
});

test('cannot gain trust further up the chain by naming unix:', async () => {
  const chain = { 'X-Forwarded-For': '203.0.113.7, unix:' };
  assert.is((await forwardingOf({ trusted: ['unix:'] }, chain)).clientIp, 'unknown');
  assert.is((await forwardingOf({ trusted: ['unix:'] })).clientIp, 'unix:');
});

test('count as one address for connectionsPerAddress', async () => {
  const origin = await startOrigin();
  try {
    await withProxy([origin.url], { limits: { connectionsPerAddress: 1 } }, async (path, proxy) => {
      const held = connect(path);
      await until('it is connected', () => proxy.listener.connections === 1);
      assert.is((await askUnix(path)).status, 503);
      held.destroy();
      await until('it is gone', () => proxy.listener.connections === 0);
      assert.is((await askUnix(path)).status, 200);
    });
  } finally {
    await origin.close();
  }
});

test('send and receive large bodies, and are noticed when they leave', async () => {
  const origin = await startOrigin();
  try {
    await withProxy([origin.url], {}, async (path, proxy) => {
      const large = 'x'.repeat(3_000_000);
      assert.is((await askUnix(path, '/echo', { body: large })).body, large);
      const leaving = connect(path);
      leaving.write('GET /slow?ms=60000 HTTP/1.1\r\nHost: a\r\n\r\n');
      await until('the origin has it', () => origin.inFlight === 1);
      leaving.destroy();
      await until('the request is over', () => proxy.finished.length === 2);
      assert.is(proxy.finished[1]?.status, 499);
    });
  } finally {
    await origin.close();
  }
});

test('get their responses before a drain ends', async () => {
  const origin = await startOrigin();
  origin.delayMs = 300;
  try {
    await withProxy([origin.url], {}, async (path, proxy) => {
      const answer = askUnix(path);
      await until('the origin has it', () => origin.inFlight === 1);
      await proxy.listener.drain(10_000);
      assert.is((await answer).status, 200);
    });
  } finally {
    await origin.close();
  }
});
