// PROXY headers as written: read back by the reader, and compared with those of other code.
import * as assert from 'uvu/assert';
import { readProxyHeader } from '../../../../core/http/accept/proxy-header.ts';
import { proxyHeader } from '../../../../core/http/upstream/proxy-header.ts';
import { headerV2, lineV1, localV2, tlv } from '../../../support/proxy-header.ts';
import { suite } from '../../../support/suite.ts';

const test = suite('PROXY header to upstreams');

const v4 = { ip: '203.0.113.9', port: 4711, localIp: '198.51.100.1', localPort: 443 };
const v6 = { ip: '2001:db8::7', port: 1, localIp: '2001:db8::1', localPort: 65_535 };
const wish6 = { from: '2001:db8::7', fromPort: 1, to: '2001:db8::1', toPort: 65_535 };

test("shows both ends of a client's connection", () => {
  assert.is(proxyHeader('v1', v4).toString('latin1'), lineV1());
  assert.is(proxyHeader('v1', v6).toString('latin1'), lineV1(wish6));
  assert.equal(proxyHeader('v2', v4), headerV2());
  assert.equal(proxyHeader('v2', v6), headerV2(wish6));
});

test('shows no addresses for clients on unix sockets, for those that have left, and for Weldr itself', () => {
  const nobodies = [undefined, { ...v4, ip: 'unix:', localIp: undefined }, { ...v4, localIp: undefined }];
  for (const ends of nobodies) {
    assert.is(proxyHeader('v1', ends).toString('latin1'), 'PROXY UNKNOWN\r\n');
    assert.equal(proxyHeader('v2', ends), localV2);
  }
});

test('has the name that the client asked for in TLS, at Weldr or at a proxy in front', () => {
  const named = headerV2({}, tlv(0x02, 'shop.test'));
  assert.equal(proxyHeader('v2', { ...v4, tls: { sni: 'shop.test' } }), named);
  assert.equal(proxyHeader('v2', { ...v4, proxy: { authority: 'shop.test' } }), named);
  const both = { ...v4, tls: { sni: 'shop.test' }, proxy: { authority: 'other.test' } };
  assert.equal(proxyHeader('v2', both), named);
  assert.equal(proxyHeader('v2', { ...v4, tls: { sni: 'a'.repeat(256) } }), headerV2());
  assert.is(proxyHeader('v1', both).toString('latin1'), lineV1());
});

test('writes an IPv4 address in IPv6 form if the other is IPv6, and leaves out zones', () => {
  for (const version of ['v1', 'v2'] as const) {
    const header = readProxyHeader(proxyHeader(version, { ...v6, localIp: '198.51.100.1' }));
    assert.equal(typeof header === 'object' && header.ends, { ...v6, localIp: '198.51.100.1' });
    const local = { ...v6, ip: 'fe80::1%eth0', localIp: '::1' };
    const zoned = readProxyHeader(proxyHeader(version, local));
    assert.equal(typeof zoned === 'object' && zoned.ends, { ...local, ip: 'fe80::1' });
  }
});
