// The example plugin for leaderChanged, with a real HTTP server as the zone's API.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import * as assert from 'uvu/assert';
import { managerSide } from '../../core/testing.ts';
import { dnsRecord } from '../../docs/examples/dns-record.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';

const test = suite('the example dns-record');

const leader = { leading: true, leader: 'a', until: 1 };
const follower = { leading: false, leader: 'b', until: 0 };

test('the record is set on each win, not on renewals, and again after a failure', async () => {
  const received: string[] = [];
  let status = 500;
  const zone = createServer(async (request, answer) => {
    received.push(await text(request));
    answer.writeHead(status).end();
  }).listen(0, '127.0.0.1');
  await once(zone, 'listening');
  const address = zone.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const side = await managerSide(
    dnsRecord({
      api: `http://127.0.0.1:${port}/record`,
      token: 'secret',
      name: 'www.example.org',
      address: '10.0.0.1',
    }),
  );
  try {
    await side.hooks.leaderChanged.promise(leader);
    await until('the failure is logged', () => side.logs.some(({ level }) => level === 'error'));
    status = 200;
    await side.hooks.leaderChanged.promise(leader);
    await until('it is set', () => side.logs.some(({ msg }) => msg === 'the record points here'));
    await side.hooks.leaderChanged.promise(leader);
    await side.hooks.leaderChanged.promise(follower);
    assert.is(received.length, 2);
    await side.hooks.leaderChanged.promise(leader);
    await until('it is set again', () => received.length === 3);
    assert.equal(JSON.parse(received[2] ?? ''), {
      name: 'www.example.org',
      type: 'A',
      ttl: 10,
      value: '10.0.0.1',
    });
  } finally {
    await side.close();
    zone.close();
  }
});
