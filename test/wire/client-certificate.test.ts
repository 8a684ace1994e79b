// The certificate of a client, in X-Forwarded-Client-Cert to upstreams: set by Weldr, and only passed on from trusted proxies.
import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectH2 } from 'node:http2';
import { connect, type SecureContextOptions } from 'node:tls';
import * as assert from 'uvu/assert';
import { listenerTls } from '../../core/certificates/listener-tls.ts';
import { readTls } from '../../core/certificates/tls-reading.ts';
import type { SettingsInput } from '../../core/settings/settings.ts';
import { makeCertificate } from '../support/authority.ts';
import { suite } from '../support/suite.ts';
import { startProxy } from './support/proxy.ts';
import { ScriptedOrigin } from './support/scripted-origin.ts';

const test = suite('X-Forwarded-Client-Cert on the wire');

const authority = makeCertificate({ names: ['authority'], isAuthority: true });
const shop = makeCertificate({ names: ['shop.test'], authority });
const client = makeCertificate({ names: ['client.test'], authority });
const stranger = makeCertificate({ names: ['stranger.test'] });

const said = ({ cert }: { readonly cert: string }, name: string): string =>
  `Hash=${createHash('sha256').update(new X509Certificate(cert).raw).digest('hex')};Subject="CN=${name}";DNS=${name}`;
const ofClient = said(client, 'client.test');

interface Sending {
  readonly forwarded: NonNullable<SettingsInput['forwarded']>;
  readonly mode?: 'request' | 'require' | 'none';
  readonly shown?: SecureContextOptions;
  readonly lines?: readonly string[];
  readonly requests?: number;
}

/** The lines, in any spelling, that arrive with each request of one connection. */
async function arriving(sending: Sending): Promise<string[][]> {
  const { forwarded, mode = 'request', shown = client, lines = [], requests = 1 } = sending;
  const clientAuth = mode === 'none' ? undefined : { ca: authority.cert, mode };
  const tls = readTls(
    listenerTls.parse({ certificates: [shop], ...(clientAuth && { clientAuth }) }),
    'tls',
  ).material;
  const origin = await ScriptedOrigin.start();
  const proxy = await startProxy({ upstreams: [origin.url], tls, settings: { forwarded } });
  const socket = connect({ port: proxy.port, ca: authority.cert, servername: 'shop.test', ...shown });
  try {
    for (let n = 0; n < requests; n++) {
      socket.write(['GET / HTTP/1.1', `Host: ${n}.test`, ...lines, '', ''].join('\r\n'));
      await once(socket, 'data');
    }
    return origin.requests.map(({ fields }) =>
      fields.filter(([name]) => /client.cert/i.test(name)).map(([name, value]) => `${name}: ${value}`),
    );
  } finally {
    socket.destroy();
    proxy.close();
    await origin.close();
  }
}

const forged = [
  'X-Forwarded-Client-Cert: Hash=forged',
  'X_Forwarded_Client_Cert: Hash=forged',
  'X-Forwarded-Client_Cert: Hash=forged',
  'X-FORWARDED-CLIENT-CERT: Hash=forged',
];

test('a verified certificate is sent with every request of its connection', async () => {
  for (const mode of ['request', 'require'] as const) {
    const arrived = await arriving({ forwarded: { clientCertificate: true }, mode, requests: 3 });
    assert.equal(arrived, Array(3).fill([`X-Forwarded-Client-Cert: ${ofClient}`]));
  }
});

test('nothing is sent unless configured, nor without a verified certificate', async () => {
  assert.equal(await arriving({ forwarded: {} }), [[]]);
  const forwarded = { clientCertificate: true };
  for (const shown of [{}, stranger]) assert.equal(await arriving({ forwarded, shown }), [[]]);
});

test("a client's own field is removed, however it is spelt, in any mode", async () => {
  for (const mode of ['request', 'none'] as const) {
    const known = mode === 'none' ? [] : [`X-Forwarded-Client-Cert: ${ofClient}`];
    for (const line of forged) {
      const lines = [line];
      assert.equal(await arriving({ mode, lines, forwarded: { clientCertificate: true } }), [known], line);
      for (const forwarded of [{}, { mode: 'preserve' }, { mode: 'remove' }] as const) {
        assert.equal(await arriving({ mode, lines, forwarded }), [[]], line);
      }
    }
  }
  assert.equal(await arriving({ lines: forged, shown: stranger, forwarded: { clientCertificate: true } }), [
    [],
  ]);
});

test('a client cannot remove it with Connection', async () => {
  const lines = ['Connection: X-Forwarded-Client-Cert, close'];
  const arrived = await arriving({ lines, forwarded: { clientCertificate: true } });
  assert.equal(arrived, [[`X-Forwarded-Client-Cert: ${ofClient}`]]);
});

test("a trusted proxy's field is passed on, and Weldr's own value comes last", async () => {
  const trusted = ['127.0.0.1'];
  const lines = [
    'X-Forwarded-Client-Cert: Hash=1',
    'x-forwarded-client-cert: Hash=2',
    'X_Forwarded-Client-Cert: Hash=3',
  ];
  const told = (...elements: string[]): string[][] => [[`X-Forwarded-Client-Cert: ${elements.join(',')}`]];
  const forwarded = { clientCertificate: true, trusted };
  assert.equal(await arriving({ lines, forwarded }), told('Hash=1', 'Hash=2', ofClient));
  assert.equal(await arriving({ lines, forwarded, shown: {} }), told('Hash=1', 'Hash=2'));
  assert.equal(await arriving({ lines: [], forwarded }), told(ofClient));
  assert.equal(
    await arriving({ lines: [lines[0] ?? ''], forwarded: { trusted, mode: 'preserve' } }),
    told('Hash=1'),
  );
  assert.equal(await arriving({ lines, forwarded: { trusted, mode: 'remove' } }), [[]]);
});

test('it is sent for HTTP/2 clients too, which cannot forge it either', async () => {
  const tls = readTls(
    listenerTls.parse({ certificates: [shop], clientAuth: { ca: authority.cert } }),
    'tls',
  ).material;
  const origin = await ScriptedOrigin.start();
  const settings = { forwarded: { clientCertificate: { cert: true } } };
  const proxy = await startProxy({ upstreams: [origin.url], tls, settings, http2: true });
  const session = connectH2(`https://127.0.0.1:${proxy.port}`, {
    ca: authority.cert,
    servername: 'shop.test',
    ...client,
  });
  try {
    const stream = session.request({ ':authority': 'shop.test', 'x-forwarded-client-cert': 'Hash=forged' });
    await once(stream.resume(), 'end');
    const lines = (origin.requests[0]?.fields ?? []).filter(([name]) => /client.cert/i.test(name));
    assert.is(lines.length, 1);
    const [, certificate = ''] = /;Cert="([^"]*)";/.exec(lines[0]?.[1] ?? '') ?? [];
    assert.is(decodeURIComponent(certificate).trim(), client.cert.trim());
  } finally {
    session.destroy();
    proxy.close();
    await origin.close();
  }
});
