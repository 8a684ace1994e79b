// The corpus of raw upstream responses over real sockets: the exact bytes of each at the client.
import { setImmediate as nextTurn } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import type { ResponseCase } from './responses/case.ts';
import { responseCases } from './responses/corpus.ts';
import { startProxy, type TestProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { echo, echoed, type OriginConnection, ScriptedOrigin } from './support/scripted-origin.ts';
import { type Message, readResponse, statusOf } from './support/strict-message.ts';

const canary = 'GET /canary HTTP/1.1\r\nHost: canary.test\r\n\r\n';
const ways = ['in one piece', 'in two pieces', 'byte by byte'] as const;

for (const way of ways) {
  const test = suite(`responses ${way}`);
  let origin: ScriptedOrigin;
  let proxy: TestProxy;

  test.before(async () => {
    origin = await ScriptedOrigin.start();
    proxy = await startProxy({ upstreams: [origin.url] });
  });
  test.after(async () => {
    proxy.close();
    await origin.close();
  });

  for (const item of responseCases) {
    if (way === 'byte by byte' && item.sends.length > 300) continue;
    test(`${item.name} (${item.source})`, async () => {
      origin.forget();
      origin.answer = request => {
        if (request.target !== '/case') return echo(request);
        void speak(request.connection, item, way);
        return undefined;
      };
      const client = await RawClient.open(proxy.port);
      try {
        await check(item, way, client, origin, proxy);
      } finally {
        client.close();
      }
    });
  }
}

async function speak(connection: OriginConnection, item: ResponseCase, way: string): Promise<void> {
  const { sends, ending } = item;
  const pieces = { 'in one piece': 1, 'in two pieces': 2, 'byte by byte': sends.length }[way] ?? 1;
  const size = Math.max(1, Math.ceil(sends.length / pieces));
  for (let at = 0; at < sends.length && !connection.gone; at += size) {
    connection.send(sends.slice(at, at + size));
    if (pieces > 1) await nextTurn();
  }
  if (ending === 'ends') connection.end();
  if (ending !== 'resets') return;
  // An immediate reset could overtake the bytes before it.
  for (let turn = 0; turn < 5; turn++) await nextTurn();
  connection.cut();
}

async function check(
  item: ResponseCase,
  way: string,
  client: RawClient,
  origin: ScriptedOrigin,
  proxy: TestProxy,
): Promise<void> {
  const [method = 'GET', version = '1.1', keepAlive] = (item.request ?? 'GET 1.1').split(' ');
  const connection = keepAlive === undefined ? '' : 'Connection: keep-alive\r\n';
  const length = method === 'POST' ? 'Content-Length: 2\r\n' : '';
  client.send(
    `${method} /case HTTP/${version}\r\nHost: a.test\r\n${connection}${length}\r\n${length && 'hi'}`,
  );

  await client.until('an outcome', () => client.ended || client.parse([method]).final[0]?.complete === true);
  const got = client.parse([method]).final[0];
  const wasRefused = got !== undefined && statusOf(got) === 502 && got.body.startsWith('502 ');
  if (item.outcome === 'passes') {
    checkPassed(item, way, client, method);
  } else if (item.outcome === 'refused' || (item.outcome === 'refused or cut' && wasRefused)) {
    checkRefused(got, client.text);
  } else {
    await client.untilEnd();
    checkCut(item, client, method);
    checkOnce(origin, proxy);
    return;
  }
  if (item.stays ?? true) {
    client.send(canary);
    const answers = await client.responses(method, 'GET');
    assert.is(answers[1]?.body, echoed('GET /canary HTTP/1.1'), 'the next request gets its own response');
    assert.is(client.parse([method, 'GET']).rest, '', 'bytes after the last response');
    const [used, usedNext] = origin.requests.map(request => request.connection.number);
    const reused = item.reused ?? item.outcome === 'passes';
    assert.is(usedNext === used, reused, 'whether the upstream connection is used again');
  } else {
    await client.untilEnd();
    assert.is(client.failure, '');
    assert.is(client.parse([method]).rest, '', 'bytes after the response');
  }
  checkOnce(origin, proxy);
}

function checkPassed(item: ResponseCase, way: string, client: RawClient, method: string): void {
  const raw = item.raw ?? '';
  if (item.rechunked === true && way !== 'in one piece') {
    const wanted = readResponse(raw, method, true);
    const [got] = client.parse([method]).final;
    assert.equal(
      [got?.line, got?.fields, got?.body, got?.trailers],
      [wanted?.line, wanted?.fields, wanted?.body, wanted?.trailers],
    );
  } else {
    assert.is(client.text, raw);
  }
}

function checkRefused(got: Message | undefined, text: string): void {
  if (got === undefined) throw new Error(`no response: ${JSON.stringify(text)}`);
  assert.is(statusOf(got), 502);
  assert.ok(got.complete);
  assert.ok(/^502 [a-z ]+\n$/.test(got.body), got.body);
  assert.is(text.length, got.raw.length, 'nothing but the refusal');
}

function checkCut(item: ResponseCase, client: RawClient, method: string): void {
  const { final, rest } = client.parse([method]);
  const [got] = final;
  if (got === undefined) {
    assert.is(rest, '', 'half a head');
    assert.is(item.outcome, 'cut');
    return;
  }
  if (got.framing === 'close') assert.is(client.failure, 'ECONNRESET', 'an end that looks like a good one');
  else assert.not(got.complete, 'a response that looks complete');
}

function checkOnce(origin: ScriptedOrigin, proxy: TestProxy): void {
  assert.is(origin.requests.filter(request => request.target === '/case').length, 1, 'sent once');
  const last = proxy.finished.findLast(ctx => ctx.request.target === '/case');
  if (last?.error === undefined) return;
  assert.is(last.error.blame, 'upstream');
  assert.ok(
    proxy.log.some(line => line.level === 'warn' && line['code'] === last.error?.code),
    'the log says why',
  );
}
