// Listening sockets that drop new connections to some addresses, while other addresses and open connections continue.
import { execFileSync } from 'node:child_process';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { handleOf } from '../../core/process/socket-handle.ts';
import { dropNewConnections, takeNewConnections } from '../../core/process/syn-filter.ts';
import { suite } from '../support/suite.ts';

const test = suite('syn filter');

function whyNot(): string | undefined {
  try {
    execFileSync('perl', ['-e', 'exit 0'], { stdio: 'ignore' });
    return process.platform === 'linux' ? undefined : 'it needs Linux';
  } catch {
    return 'perl is not installed';
  }
}

/** A connection attempt and its outcome so far. */
function attempt(port: number, host: string): { readonly socket: Socket; outcome: string } {
  const tried = { socket: connect({ host, port }), outcome: 'nothing' };
  tried.socket.once('connect', () => {
    tried.outcome = 'connected';
  });
  tried.socket.once('error', () => {
    tried.outcome = 'refused';
  });
  return tried;
}

const behaviour =
  'new connections to the addresses are neither accepted nor refused until they open again, and others stay';
const run = async () => {
  const server = createServer(socket => socket.on('data', data => socket.write(data)));
  await new Promise<void>(resolve => server.listen(0, '::', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const before = attempt(port, '127.0.0.2');
  await new Promise<void>(resolve => before.socket.once('connect', () => resolve()));
  const more = Array.from({ length: 62 }, (_, n) => `2001:db8::${n}`);
  while ((await dropNewConnections([handleOf(server)], ['127.0.0.2', ...more, '::1'])) !== 'done');
  const dropped = [attempt(port, '127.0.0.2'), attempt(port, '::1')];
  const taken = attempt(port, '127.0.0.1');
  before.socket.write('hello');
  const answer = await new Promise<string>(resolve =>
    before.socket.once('data', data => resolve(String(data))),
  );
  assert.is(answer, 'hello');
  await sleep(100);
  assert.equal(
    [...dropped, taken].map(({ outcome }) => outcome),
    ['nothing', 'nothing', 'connected'],
  );
  while ((await takeNewConnections([handleOf(server)])) !== 'done');
  // Repeating it is harmless.
  while ((await takeNewConnections([handleOf(server)])) !== 'done');
  const after = attempt(port, '127.0.0.2');
  await new Promise<void>(resolve => after.socket.once('connect', () => resolve()));
  for (const { socket } of [before, ...dropped, taken, after]) socket.destroy();
  server.close();
};
const missing = whyNot();
if (missing === undefined) test(behaviour, run);
else test.skip(behaviour, missing, run);
