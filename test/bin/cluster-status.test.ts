// weldr cluster status: what it shows of a cluster, and its exit code for scripts.
import { createServer } from 'node:http';
import * as assert from 'uvu/assert';
import { AdminClient } from '../../bin/admin-client.ts';
import { clusterStatus } from '../../bin/commands/cluster.ts';
import { suite } from '../support/suite.ts';

const test = suite('weldr cluster status');

const member = (node: string) => ({
  node,
  leading: node === 'b',
  version: '1.0.0',
  startedAt: 0,
  servers: { total: 3, available: 2 },
  revision: 40,
  inStep: true,
});

const well = {
  node: 'a',
  leading: false,
  leader: 'b',
  leaderSince: 1_000,
  election: { state: 'following', since: 1_000 },
  address: { held: true, by: 'b' },
  stale: false,
  revision: 40,
  lag: { ms: 300 },
  members: [member('a'), member('b')],
  etcd: { healthy: true, clusterId: '7', roundTripMs: 1.5, roundTripWorstMs: 9, warnings: [] },
  etcdMembers: [
    {
      host: 'http://e1:2379',
      healthy: true,
      leader: true,
      version: '3.4.23',
      revision: 90,
      databaseBytes: 3 * 1024 * 1024,
    },
  ],
  damagedKeys: [],
};

async function statusOf(body: object, { json = false } = {}): Promise<{ text: string; exitCode: number }> {
  const server = createServer((_, response) => void response.end(JSON.stringify(body))).listen(
    0,
    '127.0.0.1',
  );
  await new Promise(resolve => server.once('listening', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  try {
    return await clusterStatus(new AdminClient(`http://127.0.0.1:${port}`, undefined), json);
  } finally {
    server.closeAllConnections();
    await new Promise(resolve => server.close(resolve));
  }
}

test('a healthy cluster is shown with its nodes and etcd, and the exit code is 0', async () => {
  const { text, exitCode } = await statusOf(well);
  assert.is(exitCode, 0);
  assert.match(text, /^leader +b, since 1970-01-01 00:00:01$/m);
  assert.match(text, /^election +this node is following, since/m);
  assert.match(text, /^address +held by b$/m);
  assert.match(text, /^round trip +1.5 ms, 9 ms at most in the last minute$/m);
  assert.match(text, /^a +stands by +- +yes +2 of 3 +1\.0\.0/m);
  assert.match(text, /^b +leads +- +yes/m);
  assert.match(text, /^http:\/\/e1:2379 +healthy, leads +3\.4\.23 +90 +3\.0 MB$/m);
  assert.not.match(text, /wrong/);
});

test('failsafe is shown if it is on, with its state', async () => {
  const line = async (failsafe: object, change: object = {}) =>
    /^failsafe +(.*)$/m.exec((await statusOf({ ...well, ...change, failsafe })).text)?.[1];
  const idle = { active: false, since: 0, members: [], promisedTo: null };
  assert.is((await statusOf({ ...well, failsafe: null })).text.includes('failsafe'), false);
  assert.is(await line(idle), 'on');
  assert.is(await line({ ...idle, promisedTo: 'b' }), 'has promised b not to stand');
  assert.is(await line({ ...idle, members: ['a', 'c'] }, { node: 'b' }), 'on, by the promises of a, c');
  assert.match((await line(idle, { node: 'b' })) ?? '', /not possible now: the list has no other candidate/);
  assert.is(
    await line({ ...idle, active: true, since: 1_000, members: ['a'] }, { node: 'b' }),
    'leads without etcd by the promises of a, since 1970-01-01 00:00:01',
  );
});

test('a revision that etcd has not confirmed since the start is shown as unconfirmed', async () => {
  assert.match((await statusOf(well)).text, /^revision +40, confirmed 300 ms ago$/m);
  const { text } = await statusOf({ ...well, lag: { ms: -1 } });
  assert.match(text, /^revision +40, not confirmed since this node started$/m);
});

test('problems are listed, and the exit code is 1', async () => {
  const wrong = async (change: object, words: RegExp) => {
    const { text, exitCode } = await statusOf({ ...well, ...change });
    assert.is(exitCode, 1);
    assert.match(text, words);
  };
  const reason = 'etcd is out of space';
  await wrong(
    { leader: null, election: { state: 'campaigning', since: 1, reason } },
    /^wrong: no node leads: etcd is out of space$/m,
  );
  await wrong(
    { election: { state: 'leading', since: 1, reason: 'renewals take 400 ms' } },
    /^wrong: renewals take 400 ms$/m,
  );
  await wrong({ address: { held: false, by: null, reason: 'x' } }, /^wrong: no node holds the address: x$/m);
  await wrong(
    { members: [member('a'), { ...member('b'), inStep: false }] },
    /^wrong: b is not in step yet$/m,
  );
  await wrong({ etcd: { ...well.etcd, problem: 'split' } }, /^wrong: split$/m);
  await wrong({ stale: true, reason: 'away' }, /^wrong: this node may be out of date: away$/m);
  await wrong(
    { etcdMembers: [{ host: 'http://e1:1', healthy: false, leader: false, reason: 'connection refused' }] },
    /^wrong: etcd at http:\/\/e1:1: connection refused$/m,
  );
});

test('JSON is the answer of the API, with the same exit code', async () => {
  const { text, exitCode } = await statusOf({ ...well, stale: true }, { json: true });
  assert.is(exitCode, 1);
  assert.equal(JSON.parse(text), { ...well, stale: true });
});

test('the answer of an earlier version is shown too', async () => {
  const { election: _, address: __, etcd: ___, ...rest } = well;
  const { text, exitCode } = await statusOf({ ...rest, etcd: { healthy: true, clusterId: '7' } });
  assert.is(exitCode, 0);
  assert.match(text, /^leader +b/m);
});
