// NetworkSet: which addresses belong to networks as people write them.
import * as assert from 'uvu/assert';
import { isNetwork, NetworkSet } from '../../../core/network/network.ts';
import { suite } from '../../support/suite.ts';

const test = suite('networks');

test('are addresses, and addresses with a length that fits their family', () => {
  for (const good of [
    '10.0.0.1',
    '10.0.0.0/8',
    '0.0.0.0/0',
    '::1',
    'fd00::/8',
    '::/128',
    '::ffff:10.0.0.1',
  ]) {
    assert.ok(isNetwork(good), good);
  }
  for (const bad of ['', 'localhost', '10.0.0', '10.0.0.0/', '10.0.0.0/33', '::/129', '10.0.0.0/8/8', '/8']) {
    assert.not(isNetwork(bad), bad);
  }
});

test('hold their addresses and no others', () => {
  const set = new NetworkSet(['10.0.0.0/8', '192.0.2.7', 'fd00::/8', '2001:db8::1']);
  for (const ip of ['10.255.0.1', '192.0.2.7', 'fd12::1', '2001:db8::1', '2001:db8:0::0:1']) {
    assert.ok(set.has(ip), ip);
  }
  for (const ip of ['11.0.0.1', '192.0.2.8', 'fe80::1', '2001:db8::2', '::10.0.0.1']) {
    assert.not(set.has(ip), ip);
  }
});

test('hold nothing when there are none', () => {
  const set = new NetworkSet([]);
  assert.ok(set.isEmpty);
  for (const ip of ['127.0.0.1', '::1']) assert.not(set.has(ip));
});

test('do not hold text that is not an address', () => {
  const set = new NetworkSet(['0.0.0.0/0', '::/0']);
  for (const ip of ['', 'localhost', '10.0.0', '10.0.0.1 ', '[::1]', '010.0.0.1', '1'])
    assert.not(set.has(ip), ip);
});

test('know IPv4 addresses that are written as IPv6, on both sides', () => {
  for (const text of ['10.0.0.0/8', '::ffff:10.0.0.0/104']) {
    const set = new NetworkSet([text]);
    for (const ip of [
      '10.0.0.1',
      '::ffff:10.0.0.1',
      '::ffff:a00:1',
      '::FFFF:A00:1',
      '0:0:0:0:0:ffff:a00:1',
    ]) {
      assert.ok(set.has(ip), `${ip} in ${text}`);
    }
    for (const ip of ['11.0.0.1', '::ffff:11.0.0.1', '::a00:1']) assert.not(set.has(ip), `${ip} in ${text}`);
  }
});

test('of one family hold nothing of the other', () => {
  const all6 = new NetworkSet(['::/0']);
  assert.ok(all6.has('2001:db8::1'));
  for (const ip of ['192.0.2.1', '::ffff:192.0.2.1']) assert.not(all6.has(ip), ip);
  const all4 = new NetworkSet(['0.0.0.0/0']);
  for (const ip of ['192.0.2.1', '::ffff:192.0.2.1']) assert.ok(all4.has(ip), ip);
  assert.not(all4.has('2001:db8::1'));
});

test('hold an address whatever its zone', () => {
  const set = new NetworkSet(['fe80::/10']);
  assert.ok(set.has('fe80::1%eth0'));
  assert.ok(set.has(`fe80::1%${'a'.repeat(500)}`));
});

test('give the same result for an address that was asked for before, and for more than are kept', () => {
  const set = new NetworkSet(['10.0.0.0/9']);
  for (let round = 0; round < 2; round++) {
    for (let n = 0; n < 25_000; n++) {
      assert.is(set.has(`10.${n & 1 ? 1 : 200}.${(n >> 8) & 255}.${n & 255}`), (n & 1) === 1);
    }
  }
});

test('a client of a unix socket is in a set that names unix:, and in no network', () => {
  assert.ok(new NetworkSet(['10.0.0.0/8', 'unix:']).has('unix:'));
  assert.not.ok(new NetworkSet(['0.0.0.0/0', '::/0']).has('unix:'));
  assert.not.ok(new NetworkSet(['unix:']).has('10.0.0.1'));
  assert.not.ok(new NetworkSet(['unix:']).has('unix:/run/a'));
});
