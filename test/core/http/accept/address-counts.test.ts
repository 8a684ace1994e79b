// The keys under which connections are counted.
import * as assert from 'uvu/assert';
import { AddressCounts } from '../../../../core/http/accept/address-counts.ts';
import { suite } from '../../../support/suite.ts';

const test = suite('connections by address');

test('counts all addresses of one IPv6 /64 as one', () => {
  const counts = new AddressCounts();
  for (let n = 1; n <= 9; n++) counts.add(`2001:db8:0:1::${n}`);
  counts.add('2001:db8:0:2::1');
  assert.is(counts.of('2001:db8:0:1:ffff::1'), 9);
  assert.is(counts.of('2001:db8:0:2::2'), 1);
});

test('counts each IPv4 address separately, also in IPv6 form', () => {
  const counts = new AddressCounts();
  counts.add('192.0.2.1');
  counts.add('::ffff:192.0.2.1');
  assert.is(counts.of('192.0.2.1'), 2);
  assert.is(counts.of('192.0.2.2'), 0);
});

test('forgets an address with its last connection', () => {
  const counts = new AddressCounts();
  counts.add('2001:db8::1');
  counts.add('2001:db8::2');
  counts.remove('2001:db8::1');
  assert.is(counts.of('2001:db8::1'), 1);
  counts.remove('2001:db8::2');
  assert.is(counts.of('2001:db8::1'), 0);
});
