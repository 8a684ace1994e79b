// The wire in the real command: a worker process with its manager, and the default balancer.
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { startWeldr, type TestWeldr } from '../support/weldr.ts';
import { requestCases } from './requests/all.ts';
import { responseCases } from './responses/corpus.ts';
import { RawClient } from './support/raw-client.ts';
import { echo, echoed, ScriptedOrigin } from './support/scripted-origin.ts';
import { statusOf } from './support/strict-message.ts';

const test = suite('the wire of the command weldr');
const canary = 'GET /canary HTTP/1.1\r\nHost: a.test\r\n\r\n';
let origin: ScriptedOrigin;
let weldr: TestWeldr;
let port: number;

test.before(async () => {
  origin = await ScriptedOrigin.start();
  weldr = await startWeldr({
    workers: 1,
    config: `
      import { defineConfig } from 'weldr';
      import { roundRobin } from 'weldr/plugins';
      export default defineConfig({
        listen: '127.0.0.1:0',
        servers: ['${origin.url}'],
        timeouts: { tunnel: '5s' },
        plugins: [roundRobin()],
      });`,
  });
  port = Number(new URL(weldr.url).port);
});
test.after(async () => {
  assert.is(await weldr.stop(), 0);
  assert.not(weldr.logs.some(line => line.level >= 50 && line['code'] === 'INTERNAL'));
  await origin.close();
});

test("refuses the corpus's invalid requests, and keeps working", async () => {
  for (const item of requestCases.filter(({ refused, cut }) => refused !== undefined && cut !== true)) {
    origin.forget();
    const client = await RawClient.open(port);
    client.send(item.send);
    await client.until(`an end after: ${item.name}`, () => client.ended);
    const methods = item.forwarded.map(({ line }) => line.split(' ')[0] ?? '');
    const last = client.parse([...methods, 'GET']).final.at(-1);
    assert.is(last && statusOf(last), item.refused, item.name);
    assert.is(origin.requests.length, item.forwarded.length, item.name);
    assert.is(origin.unread, '', item.name);
    client.close();
  }
  const client = await RawClient.open(port);
  client.send(canary);
  assert.is((await client.response()).body, echoed('GET /canary HTTP/1.1'));
  client.close();
});

test("turns the corpus's invalid responses into 502, and keeps working", async () => {
  const refused = responseCases.filter(
    ({ outcome, request }) => outcome === 'refused' && request === undefined,
  );
  for (const item of refused) {
    origin.answer = request => {
      if (request.target !== '/case') return echo(request);
      request.connection.end(item.sends);
      return undefined;
    };
    const client = await RawClient.open(port);
    client.send(`GET /case HTTP/1.1\r\nHost: a.test\r\n\r\n${canary}`);
    const [first, second] = await client.responses('GET', 'GET');
    assert.is(first && statusOf(first), 502, item.name);
    assert.is(second?.body, echoed('GET /canary HTTP/1.1'), item.name);
    client.close();
  }
});

test('tunnels an upgrade', async () => {
  origin.answer = () => 'HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhello';
  const client = await RawClient.open(port);
  client.send('GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n');
  await client.until('the first bytes', () => client.text.endsWith('hello'));
  client.send('back');
  await until('bytes at the origin', () => origin.connections.some(({ raw }) => raw.endsWith('back')));
  client.finish();
  await client.untilEnd();
  client.close();
});

test('cancels a request upstream when its client resets', async () => {
  origin.answer = () => undefined;
  origin.forget();
  const client = await RawClient.open(port);
  client.send('GET /silent HTTP/1.1\r\nHost: a.test\r\n\r\n');
  await until('the request', () => origin.requests.length === 1);
  const connection = origin.requests[0]?.connection;
  client.reset();
  await until('the cancel', () => connection?.gone === true, 2_000);
});
