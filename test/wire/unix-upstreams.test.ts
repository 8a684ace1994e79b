// Upstreams on unix sockets: the same exchange over other connections.
import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { describeError } from '../../core/errors.ts';
import { suite } from '../support/suite.ts';
import { socketFolder, startUnixOrigin } from '../support/unix-origin.ts';
import { until } from '../support/until.ts';
import { startProxy } from './support/proxy.ts';

const test = suite('upstreams on unix sockets');

test('receive requests and bodies over reused connections', async () => {
  const origin = await startUnixOrigin();
  const proxy = await startProxy({ upstreams: [origin.url] });
  try {
    const url = `http://127.0.0.1:${proxy.port}`;
    assert.is(await (await fetch(url)).text(), 'hello');
    const large = 'x'.repeat(3_000_000);
    assert.is(await (await fetch(url, { method: 'POST', body: large })).text(), large);
    await until('both are over', () => proxy.finished.length === 2);
    assert.equal(
      proxy.finished.map(ctx => [ctx.upstream?.id, ctx.attempt?.reusedConnection, ctx.outcome]),
      [
        [origin.url, false, 'complete'],
        [origin.url, true, 'complete'],
      ],
    );
  } finally {
    proxy.close();
    await origin.close();
  }
});

test('receive the Host of the client, or localhost if configured to receive their own name', async () => {
  const origin = await startUnixOrigin();
  for (const host of ['client', 'upstream']) {
    const proxy = await startProxy({ upstreams: [{ url: origin.url, host }] });
    await (await fetch(`http://127.0.0.1:${proxy.port}`)).text();
    assert.is(origin.requests.at(-1)?.host, host === 'upstream' ? 'localhost' : `127.0.0.1:${proxy.port}`);
    proxy.close();
  }
  await origin.close();
});

test('that cannot be connected to cause CONNECT_FAILED, which names the path and the reason', async () => {
  const folder = socketFolder();
  const stale = await startUnixOrigin();
  const file = join(folder, 'file');
  writeFileSync(file, '');
  const closed = join(folder, 'closed');
  writeFileSync(closed, '');
  chmodSync(closed, 0);
  try {
    for (const [path, why] of [
      [join(folder, 'missing.sock'), 'ENOENT'],
      [file, 'ECONNREFUSED'],
      [join(file, 'below'), 'ENOTDIR'],
      [closed, process.getuid?.() === 0 ? 'ECONNREFUSED' : 'EACCES'],
    ]) {
      const proxy = await startProxy({ upstreams: [`unix:${path}`] });
      const response = await fetch(`http://127.0.0.1:${proxy.port}`);
      assert.is(response.status, 502);
      await until('the request is over', () => proxy.finished.length === 1);
      const error = proxy.finished[0]?.error;
      assert.is(error?.code, 'CONNECT_FAILED');
      assert.match(describeError(error), `cannot connect to unix:${path}: connect ${why} ${path}`);
      proxy.close();
    }
  } finally {
    await stale.close();
    rmSync(folder, { recursive: true });
  }
});
