// The load itself: it notices every wrong byte, so that a run without failures means something.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { ChaosOrigin } from './support/chaos-origin.ts';
import { type Failure, Load } from './support/load.ts';
import { pattern } from './support/pattern.ts';

const test = suite('chaos: the load');

/** Runs GET requests against a server and returns the failures that the load finds. */
async function failuresOf(
  answer: (id: string, bytes: number, response: ServerResponse, request: IncomingMessage) => void,
): Promise<readonly Failure[]> {
  const server = createServer((request, response) => {
    const [, , id = '', bytes = '0'] = (request.url ?? '').split('/');
    answer(id, Number(bytes), response, request);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  const options = { port: address.port, clients: 2, methods: ['GET'] };
  const load = await Load.during(options, running => running.requestsMore(20));
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
  return load.failures;
}

function good(id: string, bytes: number, response: ServerResponse): void {
  response.setHeader('x-id', id);
  response.setHeader('content-length', bytes);
  response.end(pattern(id, bytes));
}

test('finds nothing wrong with an origin that behaves well', async () => {
  const origin = await ChaosOrigin.start();
  const options = { port: origin.port, clients: 5, downloads: 1, tunnels: 1 };
  const load = await Load.during(options, running => running.requestsMore(300));
  assert.is(load.failures.length, 0, load.summary());
  assert.ok(origin.executed.length > 30);
  await origin.kill();
});

test('finds the response of another request', async () => {
  let last = 'r0';
  const failures = await failuresOf((id, bytes, response) => {
    good(last, bytes, response);
    last = id;
  });
  assert.ok(failures.length >= 19);
  assert.ok(failures.every(({ kind }) => kind === 'wrong'));
});

test('finds one wrong byte', async () => {
  const failures = await failuresOf((id, bytes, response) => {
    const body = pattern(id, bytes);
    if (bytes > 0) body[bytes - 1] = 0;
    response.setHeader('x-id', id);
    response.setHeader('content-length', bytes);
    response.end(body);
  });
  assert.ok(failures.length >= 19);
  assert.ok(failures.every(({ kind }) => kind === 'wrong'));
});

test('finds bytes that follow a response', async () => {
  const failures = await failuresOf((id, _bytes, response) => {
    response.socket?.write(`HTTP/1.1 200 OK\r\nX-Id: ${id}\r\nContent-Length: 0\r\n\r\nHTTP`);
  });
  assert.ok(failures.length >= 19);
  assert.ok(failures.every(({ kind, why }) => kind === 'wrong' && /follow/.test(why)));
});

test('distinguishes an error response of the proxy from a lost connection', async () => {
  const refused = await failuresOf((_id, _bytes, response) => {
    response.statusCode = 503;
    response.setHeader('content-length', 0);
    response.end();
  });
  assert.ok(refused.every(({ kind, status }) => kind === 'status' && status === 503));
  const lost = await failuresOf((id, bytes, response) => {
    response.setHeader('x-id', id);
    response.setHeader('content-length', bytes + 10);
    response.write(pattern(id, bytes));
    response.destroy();
  });
  assert.ok(refused.length >= 19 && lost.length >= 19);
  assert.ok(lost.every(({ kind }) => kind === 'lost'));
});
