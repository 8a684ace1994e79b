// admin-api: bounds of what callers may use with connections, requests sent ahead, and large answers.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { definePlugin } from '../../../core/plugin/define-plugin.ts';
import { ByteBudget } from '../../../plugins/admin-api/byte-budget.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { withApi } from './api.ts';

const test = suite('admin-api connections');

/** A connection that sends what a test says, and reads only when the test asks for it. */
async function open(address: string): Promise<Socket> {
  const [host, port] = address.split(':');
  const socket = connect(Number(port), host);
  socket.on('error', () => {});
  socket.pause();
  await once(socket, 'connect');
  return socket;
}

async function readAll(socket: Socket, enough: (text: string) => boolean): Promise<string> {
  let text = '';
  for await (const bytes of socket.resume()) {
    text += bytes;
    if (enough(text)) break;
  }
  return text;
}

const get = (path: string, ...fields: string[]): string =>
  [`GET ${path} HTTP/1.1`, 'Host: localhost', ...fields, '', ''].join('\r\n');

/** A route that answers when a test says so, and one with a large answer. */
function slowRoutes() {
  const gate = Promise.withResolvers<void>();
  const begun: string[] = [];
  const plugin = definePlugin({
    name: 'slow',
    manager({ admin }) {
      admin.add({
        method: 'GET',
        path: '/slow',
        rel: 'slow',
        summary: 'waits',
        query: { n: 'which one' },
        handle: async ({ query }) => {
          begun.push(query.get('n') ?? '');
          await gate.promise;
          return { status: 200, body: { n: query.get('n') } };
        },
      });
      admin.add({
        method: 'GET',
        path: '/large',
        rel: 'large',
        summary: 'is large',
        query: { bytes: 'how large' },
        handle: ({ query }) => ({ status: 200, body: 'x'.repeat(Number(query.get('bytes') ?? 3_000_000)) }),
      });
    },
  });
  return { plugin: plugin(), begun, go: () => gate.resolve() };
}

test('requests that are sent together are answered in order', async () => {
  const { plugin, begun, go } = slowRoutes();
  await withApi({ after: [plugin] }, async ({ address }) => {
    const socket = await open(address);
    const asked = Array.from({ length: 40 }, (_, n) => `${n}`);
    socket.write(asked.map(n => get(`/slow?n=${n}`)).join(''));
    await until('the first one', () => begun.length > 0);
    await sleep(50);
    assert.equal(begun, ['0'], 'no other one is started before its answer has left');
    go();
    const text = await readAll(socket, got => got.split('"n"').length > asked.length);
    const answered = [...text.matchAll(/\{"n":"(\d+)"\}/g)].map(match => match[1]);
    assert.equal(answered, asked);
    socket.destroy();
  });
});

test('a body arrives whole, however it is split, and the request after it is served', async () => {
  await withApi({}, async ({ address }) => {
    const socket = await open(address);
    const body = JSON.stringify({ url: 'http://127.0.0.1:1', labels: { a: 'x'.repeat(200) } });
    const post = `POST /servers HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length + 5000}\r\n\r\n${' '.repeat(5000)}${body}`;
    for (const piece of [post.slice(0, 30), post.slice(30, 3000), post.slice(3000) + get('/healthz')]) {
      socket.write(piece);
      await sleep(5);
    }
    const text = await readAll(socket, got => got.split('HTTP/1.1 ').length > 2);
    assert.equal(
      [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(match => match[1]),
      ['201', '200'],
    );
    socket.destroy();
  });
});

test('a caller that closes the sending side is still answered', async () => {
  await withApi({}, async ({ address }) => {
    const socket = await open(address);
    socket.end(get('/healthz'));
    assert.match(await readAll(socket, () => false), 'HTTP/1.1 200 OK');
  });
});

test('a new connection is served however many are held, and no request under way is lost', async () => {
  const { plugin, begun, go } = slowRoutes();
  await withApi({ after: [plugin] }, async ({ address, call }) => {
    const worked = await open(address);
    worked.write(get('/slow?n=1'));
    await until('the work', () => begun.length === 1);
    const held = await Promise.all(Array.from({ length: 300 }, () => open(address)));
    for (const socket of held) socket.write('GET / HTTP/1.1\r\nX: ');
    assert.is((await call('GET', '/healthz')).status, 200);
    go();
    assert.match(await readAll(worked, text => text.includes('"n"')), '{"n":"1"}');
    for (const socket of [...held, worked]) socket.destroy();
  });
});

test('large answers that are not read are bounded, and further calls are answered 503 meanwhile', async () => {
  const { plugin } = slowRoutes();
  await withApi({ after: [plugin] }, async ({ address, call }) => {
    const held = await Promise.all(Array.from({ length: 20 }, () => open(address)));
    for (const socket of held) socket.write(get('/large').repeat(5));
    await until('the limit', async () => (await call('GET', '/large')).status === 503);
    const refused = await call('GET', '/large');
    assert.is(refused.headers.get('retry-after'), '1');
    assert.match(refused.text, 'try again');
    assert.is((await call('GET', '/healthz')).status, 200);
    for (const socket of held) socket.destroy();
    await until('room again', async () => (await call('GET', '/large')).status === 200);
  });
});

test('a caller that reads nothing of an answer for ten seconds loses the connection', async () => {
  const { plugin } = slowRoutes();
  await withApi({ after: [plugin] }, async ({ address, call }) => {
    const socket = await open(address);
    socket.write(get('/large?bytes=20000000'));
    await until('the answer to take all room', async () => (await call('GET', '/large')).status === 503);
    await until('room again', async () => (await call('GET', '/large')).status === 200, 30_000);
    const text = await readAll(socket, () => false).catch(() => '');
    assert.ok(text.length < 20_000_000, `${text.length}`);
  });
});

test('a budget admits a single answer of any size, and several up to its limit together', () => {
  const budget = new ByteBudget(10);
  assert.ok(budget.hold(50));
  assert.not.ok(budget.hold(1));
  budget.release(50);
  assert.ok(budget.hold(6));
  assert.not.ok(budget.hold(5));
  assert.ok(budget.hold(4));
});
