// The corpus of raw requests over real sockets: the exact bytes of each at the origin and at the client.
import { setImmediate as nextTurn } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { requestCases } from './requests/all.ts';
import type { Forwarded, RequestCase } from './requests/case.ts';
import { startProxy, type TestProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { echoed, ScriptedOrigin } from './support/scripted-origin.ts';
import { type Message, readRequest, statusOf, valuesOf } from './support/strict-message.ts';

const canary = 'GET /canary HTTP/1.1\r\nHost: canary.test\r\n\r\n';

for (const way of ['in one piece', 'in two pieces', 'byte by byte'] as const) {
  const test = suite(`requests ${way}`);
  let origin: ScriptedOrigin;
  let proxy: TestProxy;

  test.before(async () => {
    origin = await ScriptedOrigin.start();
    // A head that arrives byte by byte and never ends is refused for its timeout, not its content.
    const settings = way === 'byte by byte' ? { timeouts: { header: '400ms' } } : {};
    proxy = await startProxy({ upstreams: [origin.url], settings });
  });
  test.after(async () => {
    proxy.close();
    await origin.close();
  });

  for (const item of requestCases) {
    if (way === 'byte by byte' && item.send.length > 300) continue;
    test(`${item.name} (${item.source})`, async () => {
      origin.forget();
      const client = await RawClient.open(proxy.port);
      try {
        await send(client, item.send, way);
        await check(item, way, client, origin, proxy.port);
      } finally {
        client.close();
      }
    });
  }
}

async function send(client: RawClient, bytes: string, way: string): Promise<void> {
  if (way === 'in one piece') {
    client.send(bytes);
    return;
  }
  const size = way === 'byte by byte' ? 1 : Math.ceil(bytes.length / 2);
  for (let at = 0; at < bytes.length && !client.ended; at += size) {
    client.send(bytes.slice(at, at + size));
    await nextTurn();
  }
}

async function check(
  item: RequestCase,
  way: string,
  client: RawClient,
  origin: ScriptedOrigin,
  port: number,
): Promise<void> {
  const { forwarded, refused } = item;
  const methods = forwarded.map(request => request.method ?? request.line.split(' ')[0] ?? '');
  const stays = item.stays ?? refused === undefined;
  if (stays) {
    await client.responses(...methods);
    client.send(canary);
    await client.responses(...methods, 'GET');
  } else {
    await client.untilEnd();
  }
  const parsed = client.parse([...methods, 'GET']);
  assert.is(parsed.rest, '', 'bytes after the last response');
  assert.is(parsed.interim.length, 0, 'no 1xx was sent');
  forwarded.forEach((request, i) => {
    assert.is(
      parsed.final[i]?.raw,
      expectedResponse(request, !stays && refused === undefined && i === forwarded.length - 1),
    );
  });
  const last = parsed.final[forwarded.length];
  const endless = way === 'byte by byte' && !item.send.endsWith('\r\n\r\n');
  if (refused !== undefined) checkRefusal(last, endless ? [refused, 408] : [refused]);
  else if (stays) assert.is(last?.body, echoed('GET /canary HTTP/1.1'), 'the next request is answered');
  else assert.is(last, undefined, 'nothing after the last response');

  if (item.cut === true) {
    await until('the cut request to end at the origin', () =>
      origin.connections.every(c => c.gone || c.raw.length === c.used),
    );
  } else {
    assert.is(origin.unread, '', 'bytes at the origin that belong to no request');
  }
  assert.equal(origin.problems, []);
  const wanted = forwarded.map(request => expectedRequest(request, origin.port, port));
  const seen = origin.requests.map(request => request.raw);
  if (stays) seen.pop();
  assert.equal(
    way === 'in one piece' ? seen : seen.map(withoutFraming),
    way === 'in one piece' ? wanted : wanted.map(withoutFraming),
  );
}

function checkRefusal(response: Message | undefined, statuses: readonly number[]): void {
  if (response === undefined) throw new Error(`no response; expected ${statuses}`);
  assert.ok(statuses.includes(statusOf(response)), `status ${statusOf(response)}, not ${statuses}`);
  assert.ok(response.complete, 'the refusal is complete');
  assert.is(response.framing, 'length');
  assert.equal(valuesOf(response, 'connection'), ['close']);
  assert.is(valuesOf(response, 'date').length, 1);
}

/** A size line that arrives in pieces is rewritten, so its digits may differ. */
function withoutFraming(raw: string): unknown {
  const { line, fields, body, trailers } = readRequest(raw) ?? {};
  return { line, fields, body, trailers };
}

function expectedRequest(request: Forwarded, originPort: number, port: number): string {
  const named = request.fields.find(line => line.startsWith('Host: '));
  const lines = [
    request.line,
    ...(named === undefined ? [`Host: 127.0.0.1:${originPort}`] : []),
    ...request.fields,
    'X-Forwarded-For: 127.0.0.1',
    'X-Forwarded-Proto: http',
    ...(named === undefined ? [] : [`X-Forwarded-Host: ${named.slice(6)}`]),
    `X-Forwarded-Port: ${port}`,
    `Via: ${request.received ?? '1.1'} weldr`,
    ...(request.framing === undefined ? [] : [request.framing]),
  ];
  return `${lines.join('\r\n')}\r\n\r\n${request.body ?? ''}`;
}

function expectedResponse(request: Forwarded, closes: boolean): string {
  const body = echoed(request.line, request.payload ?? request.body ?? '');
  const keptAlive = request.received === '1.0' ? 'Connection: keep-alive\r\n' : '';
  const connection = closes ? 'Connection: close\r\n' : keptAlive;
  const head = `HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: ${body.length}\r\n${connection}\r\n`;
  return request.line.startsWith('HEAD ') ? head : head + body;
}
