// How each field defined in RFC 9110, 9111 and 9112 is treated, in requests and in responses.
import * as assert from 'uvu/assert';
import { reply } from '../../core/request/reply.ts';
import type { RequestHooks } from '../../core/stages/request-hooks.ts';
import { suite } from '../support/suite.ts';
import { startProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { ScriptedOrigin } from './support/scripted-origin.ts';
import { type Message, statusOf, valuesOf } from './support/strict-message.ts';

const test = suite('field rules');

/** Fields that only pass through, in both directions, on any number of lines. */
const plain: Readonly<Record<string, string>> = {
  Accept: 'text/html',
  'Accept-Charset': 'utf-8',
  'Accept-Encoding': 'gzip',
  'Accept-Language': 'en',
  'Accept-Ranges': 'bytes',
  Age: '5',
  Allow: 'GET',
  'Authentication-Info': 'nextnonce="a"',
  Authorization: 'Basic YTpi',
  'Cache-Control': 'no-store',
  'Content-Encoding': 'identity',
  'Content-Language': 'en',
  'Content-Location': '/a',
  'Content-Range': 'bytes 0-1/5',
  'Content-Type': 'text/plain',
  ETag: '"a"',
  Expires: '0',
  From: 'a@b.test',
  'If-Match': '"a"',
  'If-Modified-Since': 'Sun, 06 Nov 1994 08:49:37 GMT',
  'If-None-Match': '"a"',
  'If-Range': '"a"',
  'If-Unmodified-Since': 'Sun, 06 Nov 1994 08:49:37 GMT',
  'Last-Modified': 'Sun, 06 Nov 1994 08:49:37 GMT',
  Location: '/a',
  'MIME-Version': '1.0',
  Pragma: 'no-cache',
  'Proxy-Authenticate': 'Basic realm="a"',
  'Proxy-Authentication-Info': 'nextnonce="a"',
  'Proxy-Authorization': 'Basic YTpi',
  Range: 'bytes=0-1',
  Referer: 'http://a.test/',
  'Retry-After': '5',
  Server: 'a',
  Trailer: 'Expires',
  'User-Agent': 'a',
  Vary: '*',
  Warning: '199 a "b"',
  'WWW-Authenticate': 'Basic realm="a"',
};

/** Fields that control a request and mean nothing in a response. */
const ofRequests: Readonly<Record<string, string>> = {
  Host: 'b.test',
  'Max-Forwards': '5',
  Expect: '100-continue',
};

/** Fields of one connection (RFC 9110 section 7.6.1). */
const ofConnection: Readonly<Record<string, string>> = {
  'Keep-Alive': 'timeout=5',
  'Proxy-Connection': 'keep-alive',
  TE: 'trailers',
  Upgrade: 'foo',
};

interface Exchanged {
  readonly request: Message | undefined;
  readonly response: Message;
}

interface Script {
  readonly requestLines?: readonly string[];
  readonly status?: string;
  readonly responseLines?: readonly string[];
  readonly tap?: (hooks: RequestHooks) => void;
}

async function exchange({ requestLines = [], status = '200 OK', responseLines = [], tap }: Script) {
  const answer = (): string =>
    [`HTTP/1.1 ${status}`, 'Content-Length: 2', ...responseLines, '', 'ok'].join('\r\n');
  const origin = await ScriptedOrigin.start({ answer });
  const proxy = await startProxy({ upstreams: [origin.url], ...(tap === undefined ? {} : { tap }) });
  const client = await RawClient.open(proxy.port);
  try {
    client.send(['GET / HTTP/1.1', ...requestLines, '', ''].join('\r\n'));
    const response = await client.response();
    const exchanged: Exchanged = { request: origin.requests[0], response };
    return exchanged;
  } finally {
    client.close();
    proxy.close();
    await origin.close();
  }
}

const twice = ([name, value]: [string, string]): string[] => [`${name}: ${value}`, `${name}: ${value}`];

test('a field with no meaning for a proxy passes unchanged in both directions, on each of its lines', async () => {
  const lines = Object.entries(plain).flatMap(twice);
  const { request, response } = await exchange({
    requestLines: ['Host: a.test', ...lines],
    responseLines: lines,
  });
  for (const [name, value] of Object.entries(plain)) {
    assert.equal(request && valuesOf(request, name), [value, value], `${name} of a request`);
    assert.equal(valuesOf(response, name), [value, value], `${name} of a response`);
  }
});

for (const [name, value] of Object.entries(ofRequests)) {
  test(`${name} is refused if a request has it twice, but passes in a response`, async () => {
    const host = name === 'Host' ? [] : ['Host: a.test'];
    const requests = await exchange({ requestLines: [...host, ...twice([name, value])] });
    assert.is(statusOf(requests.response), 400);
    const responses = await exchange({
      requestLines: ['Host: a.test'],
      responseLines: twice([name, value]),
    });
    assert.is(statusOf(responses.response), 200);
    assert.equal(valuesOf(responses.response, name), [value, value]);
  });
}

test('hop-by-hop fields do not pass in either direction', async () => {
  const lines = Object.entries(ofConnection).map(([name, value]) => `${name}: ${value}`);
  const { request, response } = await exchange({
    requestLines: ['Host: a.test', ...lines],
    responseLines: lines,
  });
  for (const name of Object.keys(ofConnection)) {
    assert.equal(request && valuesOf(request, name), [], `${name} of a request`);
    assert.equal(valuesOf(response, name), [], `${name} of a response`);
  }
});

for (const connection of ['Connection: Upgrade', 'Connection: upgrade, close', 'Connection: close', '']) {
  test(`a 426 names the protocols that it requires (${connection || 'no Connection'})`, async () => {
    const { response } = await exchange({
      requestLines: ['Host: a.test'],
      status: '426 Upgrade Required',
      responseLines: ['Upgrade: HTTP/3.0', 'Upgrade: websocket', connection].filter(line => line !== ''),
    });
    assert.is(statusOf(response), 426);
    assert.equal(valuesOf(response, 'upgrade'), ['HTTP/3.0,websocket']);
    assert.equal(valuesOf(response, 'connection'), ['upgrade']);
  });
}

test('a 426 without Upgrade gets none', async () => {
  const { response } = await exchange({ requestLines: ['Host: a.test'], status: '426 Upgrade Required' });
  assert.equal(valuesOf(response, 'upgrade'), []);
  assert.equal(valuesOf(response, 'connection'), []);
});

test('a 426 to a client that closes names both options', async () => {
  const { response } = await exchange({
    requestLines: ['Host: a.test', 'Connection: close'],
    status: '426 Upgrade Required',
    responseLines: ['Upgrade: websocket'],
  });
  assert.equal(valuesOf(response, 'connection'), ['upgrade, close']);
});

test('a plugin replies 426 with the protocols that it requires', async () => {
  const { response } = await exchange({
    requestLines: ['Host: a.test'],
    tap: hooks => hooks.request.tap('old', () => reply(426, 'no', { Upgrade: 'websocket' })),
  });
  assert.is(statusOf(response), 426);
  assert.equal(valuesOf(response, 'upgrade'), ['websocket']);
  assert.equal(valuesOf(response, 'connection'), ['upgrade']);
});

test('a plugin can remove the protocols from a 426', async () => {
  const { response } = await exchange({
    requestLines: ['Host: a.test'],
    status: '426 Upgrade Required',
    responseLines: ['Upgrade: websocket'],
    tap: hooks =>
      hooks.respond.tap('quiet', ctx => {
        ctx.response?.headers.delete('upgrade');
      }),
  });
  assert.is(statusOf(response), 426);
  assert.equal(valuesOf(response, 'upgrade'), []);
});
