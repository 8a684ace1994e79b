// The bytes of addresses, in every form they are written in.
import * as assert from 'uvu/assert';
import { addressBytes, ipv6Groups } from '../../../core/network/address-bytes.ts';
import { addressKey } from '../../../core/network/address-key.ts';
import { suite } from '../../support/suite.ts';

const test = suite('the bytes of an address');

test('are four of IPv4', () => {
  assert.equal(addressBytes('192.0.2.1'), [192, 0, 2, 1]);
});

test('are sixteen of IPv6, with the zeros that :: leaves out', () => {
  assert.equal(addressBytes('2001:db8::1'), [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
  assert.equal(ipv6Groups('::'), [0, 0, 0, 0, 0, 0, 0, 0]);
  assert.equal(ipv6Groups('1:2:3:4:5:6:7:8'), [1, 2, 3, 4, 5, 6, 7, 8]);
  assert.equal(ipv6Groups('fe80::'), [0xfe80, 0, 0, 0, 0, 0, 0, 0]);
});

test('hold the IPv4 address at the end of an IPv6 address', () => {
  assert.equal(ipv6Groups('::ffff:192.0.2.1'), [0, 0, 0, 0, 0, 0xffff, 0xc000, 0x0201]);
});

test('form the key that clients are counted under, by network', () => {
  assert.is(addressKey('2001:DB8:0:a::7'), '2001:db8:0:a::/64');
  assert.is(addressKey('2001:db8:ffff::1', 40), '2001:db8:ff00::/40');
  assert.is(addressKey('::ffff:192.0.2.1'), '192.0.2.1');
});
