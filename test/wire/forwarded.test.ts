// The client's identity as sent to upstreams: modes, trusted proxies, and what a stranger cannot forge.
import * as assert from 'uvu/assert';
import type { SettingsInput } from '../../core/settings/settings.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { startProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { ScriptedOrigin } from './support/scripted-origin.ts';
import { valuesOf } from './support/strict-message.ts';

const test = suite('forwarding fields');

interface Arrived {
  readonly clientIp: string;
  readonly scheme: string;
  readonly port: number;
  /** Lines about forwarding, in order. */
  readonly lines: string[];
}

/** What the origin receives for a request with these lines, from 127.0.0.1. */
async function send(forwarded: SettingsInput['forwarded'], ...lines: string[]): Promise<Arrived> {
  const origin = await ScriptedOrigin.start();
  const settings = forwarded === undefined ? {} : { forwarded };
  const proxy = await startProxy({ upstreams: [origin.url], settings });
  const client = await RawClient.open(proxy.port);
  try {
    client.send(['GET / HTTP/1.1', 'Host: a.test', ...lines, '', ''].join('\r\n'));
    await client.response();
    const [ctx] = proxy.finished;
    const fields = origin.requests[0]?.fields ?? [];
    return {
      clientIp: ctx?.clientIp ?? '',
      scheme: ctx?.scheme ?? '',
      port: proxy.port,
      lines: fields.filter(([name]) => /forwarded/i.test(name)).map(([name, value]) => `${name}: ${value}`),
    };
  } finally {
    client.close();
    proxy.close();
    await origin.close();
  }
}

const own = (port: number): string[] => [
  'X-Forwarded-For: 127.0.0.1',
  'X-Forwarded-Proto: http',
  'X-Forwarded-Host: a.test',
  `X-Forwarded-Port: ${port}`,
];
const forged = [
  'X-Forwarded-For: 6.6.6.6',
  'X-Forwarded-Proto: https',
  'Forwarded: for=6.6.6.6',
  'X_Forwarded_Host: evil',
];

test('the fields of a stranger are replaced', async () => {
  const { lines, clientIp, scheme, port } = await send({}, ...forged);
  assert.equal(lines, own(port));
  assert.equal([clientIp, scheme], ['127.0.0.1', 'http']);
});

test('a stranger cannot remove them with Connection', async () => {
  const { lines, port } = await send(
    {},
    'Connection: X-Forwarded-For, x-forwarded-host, X-FORWARDED-PROTO, forwarded',
  );
  assert.equal(lines, own(port));
});

test('the fields of a trusted proxy are believed and extended', async () => {
  const { lines, clientIp, scheme } = await send(
    { trusted: ['127.0.0.0/8'] },
    'X-Forwarded-For: 203.0.113.9',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Host: shop.test',
    'X-Forwarded-Port: 443',
  );
  assert.equal(lines, [
    'X-Forwarded-For: 203.0.113.9, 127.0.0.1',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Host: shop.test',
    'X-Forwarded-Port: 443',
  ]);
  assert.equal([clientIp, scheme], ['203.0.113.9', 'https']);
});

test("the client is the last address that is not a trusted proxy's", async () => {
  const trusted = ['127.0.0.1', '10.0.0.0/8', 'fd00::/8'];
  const chains: readonly (readonly [string, string])[] = [
    ['6.6.6.6, 203.0.113.9, 10.1.2.3', '203.0.113.9'],
    ['203.0.113.9', '203.0.113.9'],
    ['10.1.1.1, 10.1.2.3', '10.1.1.1'],
    ['2001:db8::9, fd00::1', '2001:db8::9'],
    ['[2001:db8::9]', '2001:db8::9'],
    ['203.0.113.9, , 10.1.2.3,', '203.0.113.9'],
    ['', '127.0.0.1'],
    [' , ', '127.0.0.1'],
  ];
  for (const [chain, expected] of chains) {
    const { clientIp } = await send({ trusted }, `X-Forwarded-For: ${chain}`);
    assert.is(clientIp, expected, chain);
  }
});

test('an address that a trusted proxy sends with a port is read without the port', async () => {
  const trusted = ['127.0.0.1', '10.0.0.0/8'];
  for (const [node, expected] of [
    ['8.8.8.8:4711', '8.8.8.8'],
    ['[2001:db8::9]:4711', '2001:db8::9'],
    ['8.8.8.8, 10.1.2.3:80', '8.8.8.8'],
    ['8.8.8.8:1, 10.1.2.3', '8.8.8.8'],
    ['::ffff:10.1.2.3', '::ffff:10.1.2.3'],
  ]) {
    assert.is((await send({ trusted }, `X-Forwarded-For: ${node}`)).clientIp, expected, node);
  }
});

test('an invalid address from a trusted proxy makes the client unknown, not the proxy the client', async () => {
  const trusted = ['127.0.0.1', '10.0.0.0/8'];
  for (const node of [
    'unknown',
    '_hidden',
    'nonsense',
    'unix:',
    '203.0.113.9, nonsense, 10.1.2.3',
    '203.0.113.9, 10.1.2.3, unknown',
    '8.8.8.8:',
    '8.8.8.8:123456',
    '8.8.8.8:80:80',
    '[8.8.8.8]',
    '[2001:db8::9',
    '2001:db8::9]',
    '[2001:db8::9]80',
    '"[2001:db8::9]:80"',
    '010.0.0.7',
    '10.1.2',
    '10.1.2.3/8',
    'for=10.1.2.3',
  ]) {
    assert.is((await send({ trusted }, `X-Forwarded-For: ${node}`)).clientIp, 'unknown', node);
  }
});

test('several lines from a trusted proxy form one chain', async () => {
  const { lines, clientIp } = await send(
    { trusted: ['127.0.0.1'] },
    'X-Forwarded-For: 6.6.6.6',
    'X-Forwarded-For: 203.0.113.9',
  );
  assert.is(clientIp, '203.0.113.9');
  assert.is(lines[0], 'X-Forwarded-For: 6.6.6.6, 203.0.113.9, 127.0.0.1');
});

test('an invalid scheme is not believed', async () => {
  const { scheme } = await send({ trusted: ['127.0.0.1'] }, 'X-Forwarded-Proto: javascript');
  assert.is(scheme, 'http');
});

test('other spellings of a trusted proxy’s fields do not pass through', async () => {
  const { lines } = await send(
    { trusted: ['127.0.0.1'] },
    'X-Forwarded-For: 203.0.113.9',
    'X_Forwarded_For: 6.6.6.6',
  );
  assert.not(lines.some(line => line.includes('6.6.6.6')));
});

test('mode preserve passes on what arrived, and adds nothing', async () => {
  const { lines } = await send(
    { mode: 'preserve' },
    'X-Forwarded-For: 203.0.113.9',
    'Forwarded: for=203.0.113.9',
  );
  assert.equal(lines, ['X-Forwarded-For: 203.0.113.9', 'Forwarded: for=203.0.113.9']);
  assert.equal((await send({ mode: 'preserve' })).lines, []);
});

test('mode remove passes on nothing, from any sender', async () => {
  assert.equal((await send({ mode: 'remove' }, ...forged)).lines, []);
  assert.equal((await send({ mode: 'remove', trusted: ['127.0.0.1'] }, ...forged)).lines, []);
});

test('Forwarded is sent as well if configured (RFC 7239)', async () => {
  const { lines } = await send({ rfc7239: true }, ...forged);
  assert.is(lines.at(-1), 'Forwarded: for=127.0.0.1;host="a.test";proto=http');
  const trusted = await send({ rfc7239: true, trusted: ['127.0.0.1'] }, 'Forwarded: for=203.0.113.9');
  assert.ok(trusted.lines.includes('Forwarded: for=203.0.113.9, for=127.0.0.1;host="a.test";proto=http'));
});

test('with via: false no Via is added, and those of other proxies pass', async () => {
  for (const mode of ['append', 'preserve', 'remove'] as const) {
    const origin = await ScriptedOrigin.start();
    const proxy = await startProxy({
      upstreams: [origin.url],
      settings: { via: false, forwarded: { mode } },
    });
    const client = await RawClient.open(proxy.port);
    client.send(
      'GET / HTTP/1.1\r\nHost: a.test\r\n\r\nGET / HTTP/1.1\r\nHost: a.test\r\nVia: 1.1 edge\r\n\r\n',
    );
    await until('both requests', () => origin.requests.length === 2);
    const [own, others] = origin.requests;
    assert.equal([own && valuesOf(own, 'via'), others && valuesOf(others, 'via')], [[], ['1.1 edge']], mode);
    client.close();
    proxy.close();
    await origin.close();
  }
});
