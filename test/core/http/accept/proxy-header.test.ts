// PROXY headers of connections: both versions, every prefix, and what is refused.
import * as assert from 'uvu/assert';
import {
  type ProxyHeader,
  ProxyHeaderError,
  readProxyHeader,
} from '../../../../core/http/accept/proxy-header.ts';
import {
  headerV2,
  lineV1,
  localV2,
  rawV2,
  tlsTlv,
  tlv,
  withChecksum,
} from '../../../support/proxy-header.ts';
import { randomOf } from '../../../support/random.ts';
import { suite } from '../../../support/suite.ts';

const test = suite('PROXY header');

const read = (header: string | Buffer): ProxyHeader | number =>
  readProxyHeader(typeof header === 'string' ? Buffer.from(header, 'latin1') : header);

function whole(header: string | Buffer): ProxyHeader {
  const found = read(header);
  if (typeof found === 'number') throw new Error(`not whole: ${found} bytes are wanted`);
  return found;
}

const refuses = (header: string | Buffer): void =>
  assert.throws(
    () => read(header),
    (error: unknown) => error instanceof ProxyHeaderError,
    `taken: ${JSON.stringify(header.toString('latin1'))}`,
  );

const v4 = { ip: '203.0.113.9', port: 4711, localIp: '198.51.100.1', localPort: 443 };
const v6 = { ip: '2001:db8::7', port: 1, localIp: '2001:db8::1', localPort: 65_535 };
const wish6 = { from: '2001:db8::7', fromPort: 1, to: '2001:db8::1', toPort: 65_535 };
const full = headerV2(
  {},
  tlv(0x02, 'shop.test'),
  tlv(0x01, 'h2'),
  tlv(0x04, 'padding'),
  tlv(0x05, 'id-1'),
  tlv(0xea, 'of a cloud'),
  tlsTlv(7, 0, tlv(0x21, 'TLSv1.3'), tlv(0x23, 'TLS_AES_128_GCM_SHA256'), tlv(0x22, 'Zoë'), tlv(0x25, 'RSA')),
);

const headers: [name: string, header: string | Buffer, ends: ProxyHeader['ends']][] = [
  ['a line of TCP4', lineV1(), v4],
  ['a line of TCP6', lineV1(wish6), v6],
  ['a line of UNKNOWN', 'PROXY UNKNOWN\r\n', undefined],
  ['a line of UNKNOWN with addresses', 'PROXY UNKNOWN ::1 what ever 99999999\r\n', undefined],
  ['the longest line', `PROXY UNKNOWN ${'f'.repeat(91)}\r\n`, undefined],
  ['TCP over IPv4', headerV2(), v4],
  ['TCP over IPv6', headerV2(wish6), v6],
  ['TLVs', full, v4],
  ['a checksum', withChecksum(full), v4],
  ['LOCAL', localV2, undefined],
  ['LOCAL with bytes to skip', rawV2(Buffer.alloc(50, 0xff), { command: 0x20, family: 0xff }), undefined],
  ['a family that is not specified', rawV2(Buffer.alloc(0), { family: 0 }), undefined],
  ['a transport that is not specified', rawV2(Buffer.alloc(3), { family: 0x10 }), undefined],
  ['UDP', rawV2(Buffer.alloc(12), { family: 0x12 }), undefined],
  ['a unix socket', rawV2(Buffer.alloc(216), { family: 0x31 }), undefined],
  ['the longest header', headerV2({}, tlv(0x04, Buffer.alloc(4096 - 12 - 3))), v4],
];

for (const [name, header, ends] of headers) {
  test(`reads ${name} once it is complete, whatever follows, and neither refuses nor accepts a prefix of it`, () => {
    const bytes = Buffer.from(header.toString('latin1'), 'latin1');
    for (let n = 1; n < bytes.length; n++) {
      const wanted = read(bytes.subarray(0, n));
      assert.ok(typeof wanted === 'number' && wanted > n && wanted <= bytes.length, `${n}: ${wanted}`);
    }
    for (const more of ['', '\x16\x03\x01', 'PROXY UNKNOWN\r\n', '\r\n']) {
      const found = whole(Buffer.concat([bytes, Buffer.from(more, 'latin1')]));
      assert.equal([found.length, found.ends], [bytes.length, ends]);
    }
  });
}

test('a header that arrives byte by byte is joined and read at most three times, or once per byte of a line', () => {
  const readsOf = (header: Buffer): number => {
    let [reads, wanted] = [0, 1];
    for (let n = 1; n <= header.length; n++) {
      if (n < wanted) continue;
      const found = read(header.subarray(0, n));
      reads++;
      wanted = typeof found === 'number' ? found : 0;
    }
    return reads;
  };
  assert.ok(readsOf(headerV2({}, tlv(0x04, Buffer.alloc(4000)))) <= 3);
  assert.ok(readsOf(Buffer.from(`PROXY UNKNOWN ${'f'.repeat(91)}\r\n`)) <= 107);
});

test('IPv6 addresses are written as sockets report them, and IPv4-mapped ones as IPv4', () => {
  for (const [written, usual] of [
    ['2001:DB8:0:0:0:0:0:7', '2001:db8::7'],
    ['2001:0db8::0007', '2001:db8::7'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:c000:201', '192.0.2.1'],
    ['::', '::'],
  ] as const) {
    const line = `PROXY TCP6 ${written} ::1 1 2\r\n`;
    assert.is(whole(line).ends?.ip, usual);
    assert.is(
      whole(headerV2({ from: usual.includes(':') ? usual : '::ffff:c000:201', to: '::1' })).ends?.ip,
      usual,
    );
  }
});

test('what version 2 carries in addition to addresses is read', () => {
  const { checksumAt: _, ...facts } = whole(full).tlvs ?? { checksumAt: 0 };
  assert.equal(facts, {
    authority: 'shop.test',
    alpn: 'h2',
    uniqueId: 'id-1',
    tls: {
      version: 'TLSv1.3',
      cipher: 'TLS_AES_128_GCM_SHA256',
      clientCertificate: { commonName: 'Zoë', authorized: true },
    },
  });
  const tlsOf = (...given: Parameters<typeof tlsTlv>) => whole(headerV2({}, tlsTlv(...given))).tlvs?.tls;
  assert.equal(tlsOf(1, 1), { version: undefined, cipher: undefined, clientCertificate: undefined });
  assert.equal(tlsOf(5, 1)?.clientCertificate, { commonName: undefined, authorized: false });
  assert.is(tlsOf(0, 0, tlv(0x21, 'TLSv1.3')), undefined);
  assert.is(whole(headerV2()).tlvs?.tls, undefined);
});

const wrongLines = [
  'PROXY TCP4 203.0.113.9 198.51.100.1 4711 443\n',
  'PROXY TCP4 203.0.113.9 198.51.100.1 4711 443\r443\r\n',
  'PROXY\r\n',
  'PROXY  TCP4 203.0.113.9 198.51.100.1 1 2\r\n',
  'PROXY TCP4 203.0.113.9  198.51.100.1 1 2\r\n',
  'PROXY TCP4 203.0.113.9 198.51.100.1 1 2 \r\n',
  'PROXY TCP4 203.0.113.9 198.51.100.1 1 2 3\r\n',
  'PROXY TCP4 203.0.113.9 198.51.100.1 1\r\n',
  'PROXY TCP4 203.0.113.9\t198.51.100.1 1 2\r\n',
  'PROXY TCP4\r\n',
  'PROXY UNKNOWNS\r\n',
  'PROXY unknown\r\n',
  'PROXY UDP4 203.0.113.9 198.51.100.1 1 2\r\n',
  'PROXY TCP5 203.0.113.9 198.51.100.1 1 2\r\n',
  'proxy TCP4 203.0.113.9 198.51.100.1 1 2\r\n',
  'PROXY TCP4 203.0.113.09 198.51.100.1 1 2\r\n',
  'PROXY TCP4 203.0.113 198.51.100.1 1 2\r\n',
  'PROXY TCP4 203.0.113.256 198.51.100.1 1 2\r\n',
  'PROXY TCP4 0xcb.0.113.9 198.51.100.1 1 2\r\n',
  'PROXY TCP4 ::1 ::1 1 2\r\n',
  'PROXY TCP4 ::ffff:1.2.3.4 198.51.100.1 1 2\r\n',
  'PROXY TCP6 203.0.113.9 198.51.100.1 1 2\r\n',
  'PROXY TCP6 ::1 198.51.100.1 1 2\r\n',
  'PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n',
  'PROXY TCP6 [::1] ::1 1 2\r\n',
  'PROXY TCP6 1::2::3 ::1 1 2\r\n',
  'PROXY TCP6 1:2:3:4:5:6:7 ::1 1 2\r\n',
  'PROXY TCP4 203.0.113.9 198.51.100.1 01 2\r\n',
  'PROXY TCP4 203.0.113.9 198.51.100.1 1 65536\r\n',
  'PROXY TCP4 203.0.113.9 198.51.100.1 -1 2\r\n',
  'PROXY TCP4 203.0.113.9 198.51.100.1 +1 2\r\n',
  `PROXY UNKNOWN ${'f'.repeat(92)}\r\n`,
  'GET / HTTP/1.1\r\n',
  'PRO\r\n',
  '\x16\x03\x01',
  ' PROXY',
  '\r\nPROXY',
  '\r\n\r\n\0\r\nQUIT\r',
];
for (const line of wrongLines) {
  test(`refuses ${JSON.stringify(line).slice(0, 70)}`, () => refuses(line));
}

const ends = Buffer.alloc(12);
const wrongBinaries: [name: string, header: Buffer][] = [
  ['version 1 in binary', rawV2(ends, { command: 0x11 })],
  ['version 3', rawV2(ends, { command: 0x31 })],
  ['an unknown command', rawV2(ends, { command: 0x22 })],
  ['an unknown family', rawV2(ends, { family: 0x41 })],
  ['an unknown transport', rawV2(ends, { family: 0x13 })],
  ['addresses that are cut', rawV2(ends.subarray(1))],
  ['addresses of IPv6 that are cut', rawV2(Buffer.alloc(35), { family: 0x21 })],
  ['addresses of unix sockets that are cut', rawV2(Buffer.alloc(215), { family: 0x31 })],
  ['a length over the limit, before the bytes arrive', rawV2(Buffer.alloc(0), { length: 4097 })],
  ['a TLV whose start is cut', headerV2({}, Buffer.from([4, 0]))],
  ['a TLV that is cut', headerV2({}, Buffer.from([4, 0, 1]))],
  ['two authorities', headerV2({}, tlv(2, 'a.test'), tlv(2, 'b.test'))],
  ['a long authority', headerV2({}, tlv(2, 'a'.repeat(256)))],
  ['an authority of two lines', headerV2({}, tlv(2, 'a\r\nb'))],
  ['a protocol with NUL', headerV2({}, tlv(1, 'h\0'))],
  ['a long unique id', headerV2({}, tlv(5, 'a'.repeat(129)))],
  ['TLS that is cut', headerV2({}, tlv(0x20, Buffer.alloc(4)))],
  ['TLS whose parts are cut', headerV2({}, tlsTlv(1, 0, Buffer.from([0x21, 0, 9])))],
  ['TLS with a name of two lines', headerV2({}, tlsTlv(7, 0, tlv(0x22, 'a\nb')))],
  ['a checksum of 3 bytes', headerV2({}, tlv(3, 'abc'))],
  ['a checksum of zeros', headerV2({}, tlv(3, Buffer.alloc(4)))],
  ['two checksums', withChecksum(withChecksum(headerV2()))],
];
for (const [name, header] of wrongBinaries) {
  test(`refuses ${name}`, () => refuses(header));
}

test('a header with a checksum is refused with any other bit in it', () => {
  const right = withChecksum(headerV2({}, tlv(2, 'a.test')));
  for (let bit = 0; bit < right.length * 8; bit++) {
    const wrong = Buffer.from(right);
    wrong.writeUInt8(wrong.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    let found: ProxyHeader | number;
    try {
      found = readProxyHeader(wrong);
    } catch {
      continue;
    }
    // LOCAL and headers without addresses are accepted without reading the rest; a longer one must be complete.
    assert.ok(typeof found === 'number' || found.ends === undefined || found.tlvs?.checksumAt === undefined);
  }
});

test('random bytes are refused, need a bounded number of further bytes, or are read within what arrived', () => {
  const random = randomOf(20_261_130);
  const starts = headers.map(([, header]) => Buffer.from(header.toString('latin1'), 'latin1'));
  const pieces = [
    ...starts,
    ...['\r\n', ' ', 'PROXY ', 'TCP4', '::', '0', '\0'].map(text => Buffer.from(text)),
  ];
  for (let n = 0; n < 20_000; n++) {
    const start = Buffer.from(starts[random(starts.length)] ?? '');
    for (let edits = random(4); edits > 0; edits--) start.writeUInt8(random(256), random(start.length));
    const piece = pieces[random(pieces.length)] ?? start;
    const bytes = Buffer.concat([start.subarray(0, random(start.length + 1)), piece]);
    try {
      const found = readProxyHeader(bytes);
      if (typeof found === 'number') assert.ok(found > bytes.length && found <= 16 + 4096);
      else assert.ok(found.length <= bytes.length && found.length >= 15);
    } catch (thrown) {
      if (!(thrown instanceof ProxyHeaderError)) throw thrown;
    }
  }
});
