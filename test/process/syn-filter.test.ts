// Listening sockets that drop what new clients send, while connections that stand go on.
import { execFileSync } from 'node:child_process';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { handleOf } from '../../core/process/socket-handle.ts';
import { dropNewConnections } from '../../core/process/syn-filter.ts';
import { suite } from '../support/suite.ts';

const test = suite('syn filter');

function whyNot(): string | undefined {
  try {
    execFileSync('perl', ['-e', 'exit 0'], { stdio: 'ignore' });
    return process.platform === 'linux' ? undefined : 'it is of Linux';
  } catch {
    return 'perl is not installed';
  }
}

const behaviour = 'who connects is neither taken in nor refused, and who is in stays';
const run = async () => {
  const server = createServer(socket => socket.on('data', data => socket.write(data)));
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const open = (): Socket => connect({ host: '127.0.0.1', port });
  const before = open();
  await new Promise<void>(resolve => before.once('connect', () => resolve()));
  while (!(await dropNewConnections([handleOf(server)])));
  let outcome = 'nothing';
  const after = open();
  after.once('connect', () => {
    outcome = 'connected';
  });
  after.once('error', () => {
    outcome = 'refused';
  });
  before.write('hello');
  const answer = await new Promise<string>(resolve => before.once('data', data => resolve(String(data))));
  assert.is(answer, 'hello');
  await sleep(100);
  assert.is(outcome, 'nothing');
  for (const socket of [before, after]) socket.destroy();
  server.close();
};
const missing = whyNot();
if (missing === undefined) test(behaviour, run);
else test.skip(behaviour, missing, run);
