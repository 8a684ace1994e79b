// Forwarding: which peers are trusted, and how often a request has passed this proxy.
import * as assert from 'uvu/assert';
import { Forwarding } from '../../../../core/http/exchange/forwarding.ts';
import { settingsSchema } from '../../../../core/settings/settings.ts';
import { suite } from '../../../support/suite.ts';

const test = suite('Forwarding');

test('only addresses in the trusted networks are trusted', () => {
  const forwarding = new Forwarding(
    settingsSchema.parse({ forwarded: { trusted: ['10.0.0.0/8', '192.0.2.7', 'fd00::/8', '2001:db8::1'] } }),
  );
  for (const good of ['10.0.0.1', '10.255.255.255', '192.0.2.7', 'fd12::1', '2001:db8::1'])
    assert.ok(forwarding.trusts(good), good);
  for (const bad of [
    '11.0.0.1',
    '192.0.2.8',
    'fe80::1',
    '2001:db8::2',
    '',
    'localhost',
    '10.0.0.1 ',
    '10.0.0',
  ]) {
    assert.not(forwarding.trusts(bad), bad);
  }
});

test('by default no address is trusted', () => {
  const forwarding = new Forwarding(settingsSchema.parse({}));
  for (const address of ['127.0.0.1', '::1', '10.0.0.1']) assert.not(forwarding.trusts(address));
});

test('passes through this proxy are counted by the pseudonym in Via', () => {
  const forwarding = new Forwarding(settingsSchema.parse({ via: 'edge' }));
  assert.is(forwarding.passes(''), 0);
  assert.is(forwarding.passes('1.1 weldr, 1.0 other'), 0);
  assert.is(forwarding.passes('1.1 edge, 1.0 other,1.1\tedge (a comment), HTTP/1.1 edge'), 3);
  assert.is(forwarding.passes('edge, 1.1 edgeless'), 0);
});
