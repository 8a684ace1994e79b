// passive-health in a real Weldr: mistakes of clients do not count against servers, failures of servers do.
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { type Origin, startOrigin } from '../../support/origin.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { startWeldr, type TestWeldr } from '../../support/weldr.ts';

const test = suite('passive-health with real traffic');

const config = (origins: readonly Origin[]): string => `import { defineConfig } from 'weldr';
import { adminApi, passiveHealth, roundRobin } from 'weldr/plugins';

export default defineConfig({
  listen: '127.0.0.1:0',
  servers: ${JSON.stringify(origins.map(({ url }) => url))},
  plugins: [passiveHealth({ failures: 1, maxEjected: 1 }), roundRobin(), adminApi({ listen: '127.0.0.1:0' })],
});
`;

/** Requests that a client spoils, each in its own way. */
const spoiled: readonly string[] = [
  'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'GET / HTTP/1.1\r\n\r\n',
  'POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n',
  'POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello',
  'POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhello',
  'GET /slow?ms=1000 HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /large?bytes=50000000 HTTP/1.1\r\nHost: a\r\n\r\n',
  'PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n',
];

test('ejects no server for 200 requests that their clients spoiled', async () => {
  const origins = [await startOrigin(), await startOrigin()];
  const weldr = await startWeldr({ config: config(origins), workers: 1 });
  const port = Number(new URL(weldr.url).port);
  // On a busy machine a client may have left before its request was sent: such a round proves nothing.
  const areTried = () => origins.every(({ requests }) => requests > 25);
  for (let round = 0; round < 25 || !areTried(); round++) {
    await Promise.all(spoiled.map((request, n) => spoil(port, request, (round + n) % 2 === 0)));
  }
  for (const origin of origins) assert.is(await stateOf(weldr, origin), 'active');
  assert.is((await fetch(weldr.url)).status, 200);
  await weldr.stop();
  await Promise.all(origins.map(origin => origin.close()));
});

test('ejects a server that refuses connections, and brings it back when it answers', async () => {
  const origins = [await startOrigin(), await startOrigin()];
  const [bad, good] = origins;
  if (bad === undefined || good === undefined) throw new Error('there is no origin');
  const text = config(origins).replace('failures: 1', `failures: 1, ejection: '500ms'`);
  const weldr = await startWeldr({ config: text, workers: 2 });
  await bad.close();
  await until('it is out', async () => {
    await fetch(weldr.url);
    return (await stateOf(weldr, bad)) === 'down';
  });
  await bad.reopen();
  await until('it is back', async () => {
    await fetch(weldr.url);
    return (await stateOf(weldr, bad)) === 'active';
  });
  await weldr.stop();
  await Promise.all(origins.map(origin => origin.close()));
});

/** Sends a request, and leaves a little later. */
async function spoil(port: number, request: string, politely: boolean): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(request);
  await sleep(60);
  if (politely) socket.destroy();
  else socket.resetAndDestroy();
}

async function stateOf(weldr: TestWeldr, origin: Origin): Promise<string> {
  const answer = await fetch(`${weldr.adminUrl}/servers/127.0.0.1/${origin.port}`);
  const { state } = (await answer.json()) as { state: string };
  return state;
}
