// The ip-filter plugin: which clients are admitted.
import * as assert from 'uvu/assert';
import { workerSide } from '../../../core/testing.ts';
import { type IpFilterOptions, ipFilter } from '../../../plugins/ip-filter/index.ts';
import { suite } from '../../support/suite.ts';

const test = suite('ip-filter');

async function statusOf(options: IpFilterOptions, clientIp: string): Promise<number> {
  const side = await workerSide(ipFilter(options), { upstreams: ['http://a:1'] });
  return (await side.run({ clientIp })).status;
}

const admitted = 200;

test('admits every client without lists', async () => {
  for (const ip of ['192.0.2.1', '2001:db8::1', '']) assert.is(await statusOf({}, ip), admitted);
});

test('admits only allowed clients', async () => {
  const options = { allow: ['10.0.0.0/8', '192.0.2.7', 'fd00::/8'] };
  for (const ip of ['10.1.2.3', '192.0.2.7', 'fd12::1']) assert.is(await statusOf(options, ip), admitted, ip);
  for (const ip of ['11.0.0.1', '192.0.2.8', 'fe80::1', '']) assert.is(await statusOf(options, ip), 403, ip);
});

test('refuses denied clients, even if allowed', async () => {
  const options = { allow: ['10.0.0.0/8'], deny: ['10.66.0.0/16'] };
  assert.is(await statusOf(options, '10.1.0.1'), admitted);
  assert.is(await statusOf(options, '10.66.0.1'), 403);
  assert.is(await statusOf({ deny: ['192.0.2.0/24'] }, '192.0.2.1'), 403);
  assert.is(await statusOf({ deny: ['192.0.2.0/24'] }, '198.51.100.1'), admitted);
});

test('recognises IPv4 addresses that are written as IPv6', async () => {
  assert.is(await statusOf({ deny: ['10.0.0.0/8'] }, '::ffff:10.0.0.1'), 403);
  assert.is(await statusOf({ allow: ['10.0.0.0/8'] }, '::ffff:10.0.0.1'), admitted);
});

test('chooses no upstream for a refused request', async () => {
  const side = await workerSide(ipFilter({ deny: ['192.0.2.1'] }), { upstreams: ['http://a:1'] });
  const result = await side.run({ clientIp: '192.0.2.1' });
  assert.is(result.status, 403);
  assert.is(result.attempts.length, 0);
});

test('admits a client without an address where there is no list, or one that names it', async () => {
  assert.is(await statusOf({}, 'unix:'), admitted);
  assert.is(await statusOf({ allow: ['unix:'] }, 'unix:'), admitted);
  assert.is(await statusOf({ allow: ['unix:', '10.0.0.0/8'], deny: ['10.0.0.1'] }, 'unix:'), admitted);
  assert.is(await statusOf({ allow: ['unix:'] }, '10.0.0.1'), 403);
  for (const options of [
    { allow: ['0.0.0.0/0', '::/0'] },
    { deny: ['192.0.2.1'] },
    { deny: ['unix:'] },
    { allow: ['unix:'], deny: ['unix:'] },
  ]) {
    assert.is(await statusOf(options, 'unix:'), 403, JSON.stringify(options));
  }
});

test('admits a client of unknown address behind a trusted proxy only where there is no list', async () => {
  assert.is(await statusOf({}, 'unknown'), admitted);
  for (const options of [
    { allow: ['0.0.0.0/0', '::/0', 'unix:'] },
    { deny: ['192.0.2.1'] },
    { deny: ['unix:'] },
  ]) {
    assert.is(await statusOf(options, 'unknown'), 403, JSON.stringify(options));
  }
});

test('refuses an invalid network', async () => {
  for (const network of [
    '10.0.0.0/33',
    '10.0.0',
    'fd00::/129',
    '10.0.0.0/8/8',
    'localhost',
    '10.0.0.0/',
    'unix:/a',
  ]) {
    const thrown = await workerSide(ipFilter({ allow: [network] })).catch(error => error);
    assert.is(thrown.code, 'CONFIG_INVALID', network);
    assert.is(thrown.field, 'plugins[0].allow[0]');
  }
});
