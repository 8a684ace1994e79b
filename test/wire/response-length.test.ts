// The length of a response as plugins see it, which is not in the header list.
import * as assert from 'uvu/assert';
import { reply } from '../../core/request/reply.ts';
import { suite } from '../support/suite.ts';
import { startProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { ScriptedOrigin } from './support/scripted-origin.ts';

const test = suite('the length of a response');

const cases: readonly (readonly [what: string, method: string, head: string, length: number])[] = [
  ['a length', 'GET', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc', 3],
  ['an empty body', 'GET', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', 0],
  ['chunks', 'GET', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n', -1],
  ['HEAD, announced', 'HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n', 3000],
  ['HEAD, not announced', 'HEAD', 'HTTP/1.1 200 OK\r\n\r\n', -1],
  ['304', 'GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n', 7],
  ['a reply in its place', 'GET', 'HTTP/1.1 503 Busy\r\nContent-Length: 3\r\n\r\nabc', 5],
];

test('is the announced one, even without a body, and for a reply that of its body', async () => {
  let seen: (number | undefined)[] = [];
  const origin = await ScriptedOrigin.start();
  const proxy = await startProxy({
    upstreams: [origin.url],
    tap(hooks) {
      hooks.postProxy.tap('look', ({ response }) => {
        seen.push(response?.bodyLength);
        return response?.status === 503 ? reply(503, 'näh\n') : undefined;
      });
      hooks.respond.tap('look', ({ response }) => {
        seen.push(response?.bodyLength);
      });
    },
  });
  const client = await RawClient.open(proxy.port);
  try {
    const methods: string[] = [];
    for (const [what, method, head, length] of cases) {
      seen = [];
      origin.answer = () => head;
      methods.push(method);
      client.send(`${method} / HTTP/1.1\r\nHost: a.test\r\n\r\n`);
      await client.responses(...methods);
      assert.equal(seen, [what.startsWith('a reply') ? 3 : length, length], what);
    }
  } finally {
    client.close();
    proxy.close();
    await origin.close();
  }
});
