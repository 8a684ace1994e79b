// SocketFile: one path, several claimants.
import { once } from 'node:events';
import { lstatSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { WeldrError } from '../../core/errors.ts';
import { besides, SocketFile } from '../../core/process/socket-file.ts';
import { suite } from '../support/suite.ts';
import { socketFolder } from '../support/unix-origin.ts';

const test = suite('a socket file');

/** Listens under a temporary name, as the process that opens sockets does. */
async function bound(path: string): Promise<{ server: Server; name: string }> {
  const server = createServer(socket => socket.on('error', () => {}).end('hello'));
  const name = besides(path);
  server.listen(`${name}-`);
  await once(server, 'listening');
  renameSync(`${name}-`, name);
  return { server, name };
}

/** Leaves the socket's file behind, as a killed process does. */
async function leaveStale(path: string): Promise<void> {
  const { server, name } = await bound(path);
  renameSync(name, path);
  server.close();
  await once(server, 'close');
}

test('exactly one of many that find a stale one at once takes it over', async () => {
  const folder = socketFolder();
  const path = join(folder, 'a.sock');
  try {
    for (let round = 0; round < 20; round++) {
      await leaveStale(path);
      const all = await Promise.all(Array.from({ length: 8 }, () => bound(path)));
      const claims = await Promise.allSettled(all.map(({ name }) => SocketFile.claim(name, path)));
      const won = claims.flatMap((claim, n) => (claim.status === 'fulfilled' ? n : []));
      assert.is(won.length, 1, `round ${round}`);
      for (const claim of claims) {
        if (claim.status === 'rejected') {
          assert.ok(claim.reason instanceof WeldrError && claim.reason.code === 'LISTEN_FAILED');
        }
      }
      for (const [n, { server }] of all.entries()) if (!won.includes(n)) server.close();
      const client = connect(path);
      const [greeting] = await once(client, 'data');
      assert.is(String(greeting), 'hello');
      assert.equal(readdirSync(folder), ['a.sock']);
      const [winner = 0] = won;
      all[winner]?.server.close();
      rmSync(path);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('is removed only by its owner, once', async () => {
  const folder = socketFolder();
  const path = join(folder, 'a.sock');
  const first = await bound(path);
  const file = await SocketFile.claim(first.name, path);
  rmSync(path);
  const second = await bound(path);
  const other = await SocketFile.claim(second.name, path);
  file.setMode(0o600);
  assert.is.not(lstatSync(path).mode & 0o777, 0o600);
  file.remove();
  assert.equal(readdirSync(folder), ['a.sock']);
  other.remove();
  assert.equal(readdirSync(folder), []);
  other.remove();
  first.server.close();
  second.server.close();
  rmSync(folder, { recursive: true });
});
