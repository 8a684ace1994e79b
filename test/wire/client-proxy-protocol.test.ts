// The PROXY protocol from proxies in front: which proxies are trusted, and what depends on the client's address.
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { connect as connectH2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import * as assert from 'uvu/assert';
import { listenerTls } from '../../core/certificates/listener-tls.ts';
import { readTls } from '../../core/certificates/tls-reading.ts';
import type { ConnectionInfo } from '../../core/stages/connection-info.ts';
import { certificate, privateKey } from '../support/certificate.ts';
import { headerV2, lineV1, localV2, tlsTlv, tlv } from '../support/proxy-header.ts';
import { suite } from '../support/suite.ts';
import { socketFolder } from '../support/unix-origin.ts';
import { until } from '../support/until.ts';
import { type ProxyOptions, startProxy, type TestProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { ok, ScriptedOrigin } from './support/scripted-origin.ts';
import { statusOf } from './support/strict-message.ts';

const test = suite('the PROXY protocol from clients');

const get = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n';
const tls = readTls(
  listenerTls.parse({ certificates: [{ cert: certificate, key: privateKey }] }),
  'tls',
).material;

interface Ends {
  readonly proxy: TestProxy;
  readonly origin: ScriptedOrigin;
  readonly over: ConnectionInfo[];
}

async function between(use: (ends: Ends) => Promise<void>, options: ProxyOptions = {}): Promise<void> {
  const over: ConnectionInfo[] = [];
  const origin = await ScriptedOrigin.start({ answer: () => ok('hello') });
  const proxy = await startProxy({
    upstreams: [origin.url],
    proxyProtocol: { trusted: ['127.0.0.0/8'] },
    ...options,
    tap(hooks) {
      hooks.connectionFinished.tap('note', info => void over.push(info));
      options.tap?.(hooks);
    },
  });
  try {
    await use({ proxy, origin, over });
  } finally {
    proxy.close();
    await origin.close();
  }
}

const warnings = ({ log }: TestProxy): string[] =>
  log.filter(({ level }) => level === 'warn').map(({ msg }) => msg);

/** The value of a field as the origin received it. */
const seen = ({ requests }: ScriptedOrigin, field: string): string | undefined =>
  requests.at(-1)?.fields.find(([name]) => name.toLowerCase() === field)?.[1];

async function ask(port: number, bytes: string | Buffer): Promise<number> {
  const client = await RawClient.open(port);
  client.send(bytes);
  const status = statusOf(await client.response());
  client.close();
  return status;
}

const joined = (...parts: (string | Buffer)[]): Buffer =>
  Buffer.concat(parts.map(part => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)));

for (const [name, header] of [
  ['version 1', lineV1()],
  ['version 2', headerV2()],
] as const) {
  test(`plugins and servers see the client that a header of ${name} names`, () =>
    between(async ({ proxy, origin, over }) => {
      assert.is(await ask(proxy.port, joined(header, get)), 200);
      await until('its end', () => over.length === 1);
      const [ctx] = proxy.finished;
      assert.equal([ctx?.clientIp, ctx?.clientPort, ctx?.localPort], ['203.0.113.9', 4711, 443]);
      assert.equal(
        ['x-forwarded-for', 'x-forwarded-port', 'x-forwarded-proto'].map(field => seen(origin, field)),
        ['203.0.113.9', '443', 'http'],
      );
      assert.equal(
        [over[0]?.remoteAddress, over[0]?.remotePort, over[0]?.refused, over[0]?.proxy?.address],
        ['203.0.113.9', 4711, undefined, '127.0.0.1'],
      );
      assert.equal(warnings(proxy), []);
    }));

  test(`a header of ${name} may arrive byte by byte, as may the request`, () =>
    between(async ({ proxy }) => {
      const bytes = joined(header, get);
      const client = await RawClient.open(proxy.port);
      for (const byte of bytes.subarray(0, bytes.length - 9)) {
        client.send(Buffer.of(byte));
        await new Promise(resolve => setImmediate(resolve));
      }
      client.send(bytes.subarray(bytes.length - 9));
      assert.is(statusOf(await client.response()), 200);
      client.close();
    }));
}

test('further requests on the connection, and large bodies, belong to the same client', () =>
  between(async ({ proxy, origin }) => {
    const body = 'x'.repeat(300_000);
    const client = await RawClient.open(proxy.port);
    client.send(
      joined(
        headerV2(),
        `POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: ${body.length}\r\n\r\n${body}${get}`,
      ),
    );
    await client.responses('POST', 'GET');
    assert.is(origin.requests[0]?.body.length, body.length);
    assert.equal(
      proxy.finished.map(ctx => ctx.clientIp),
      ['203.0.113.9', '203.0.113.9'],
    );
    client.close();
  }));

test('a client that half-closes after its request gets its response', () =>
  between(async ({ proxy }) => {
    const client = await RawClient.open(proxy.port);
    client.send(joined(headerV2(), get));
    client.finish();
    assert.is(statusOf(await client.response()), 200);
    await client.untilEnd();
  }));

for (const [name, header] of [
  ['UNKNOWN', 'PROXY UNKNOWN\r\n'],
  ['LOCAL', localV2],
] as const) {
  test(`with ${name}, the connection's own addresses count`, () =>
    between(async ({ proxy, origin }) => {
      assert.is(await ask(proxy.port, joined(header, get)), 200);
      const [ctx] = proxy.finished;
      assert.equal(
        [ctx?.clientIp, ctx?.localPort, ctx?.request.proxy, seen(origin, 'x-forwarded-for')],
        ['127.0.0.1', proxy.port, undefined, '127.0.0.1'],
      );
    }));
}

test('plugins get the other fields of version 2, and TLS at the proxy makes the scheme https', () =>
  between(async ({ proxy, origin }) => {
    const header = headerV2(
      { from: '2001:db8::9', to: '2001:db8::1' },
      tlv(0x02, 'shop.test'),
      tlv(0x05, 'id-1'),
      tlsTlv(7, 0, tlv(0x21, 'TLSv1.3'), tlv(0x23, 'TLS_AES_128_GCM_SHA256'), tlv(0x22, 'build-7')),
    );
    assert.is(await ask(proxy.port, joined(header, get)), 200);
    const [ctx] = proxy.finished;
    const { port: _, ...facts } = ctx?.request.proxy ?? { port: 0 };
    assert.equal(facts, {
      address: '127.0.0.1',
      version: 2,
      authority: 'shop.test',
      alpn: undefined,
      uniqueId: 'id-1',
      tls: {
        version: 'TLSv1.3',
        cipher: 'TLS_AES_128_GCM_SHA256',
        clientCertificate: { commonName: 'build-7', authorized: true },
      },
    });
    assert.equal(
      [ctx?.scheme, seen(origin, 'x-forwarded-proto'), seen(origin, 'x-forwarded-for')],
      ['https', 'https', '2001:db8::9'],
    );
    assert.throws(() => Object.assign(ctx?.request.proxy ?? {}, { authority: 'b.test' }), TypeError);
  }, {}));

test('X-Forwarded-For is trusted if the client that the header names is, not the proxy that sends it', async () => {
  const request = get.replace('\r\n\r\n', '\r\nX-Forwarded-For: 192.0.2.5\r\n\r\n');
  for (const [trusted, clientIp] of [
    ['127.0.0.1', '203.0.113.9'],
    ['203.0.113.9', '192.0.2.5'],
  ] as const) {
    await between(
      async ({ proxy }) => {
        await ask(proxy.port, joined(lineV1(), request));
        assert.is(proxy.finished[0]?.clientIp, clientIp);
      },
      { settings: { forwarded: { trusted: [trusted] } } },
    );
  }
});

test('a peer that is not trusted is refused, whatever it sends', () =>
  between(
    async ({ proxy, over }) => {
      const client = await RawClient.open(proxy.port);
      client.send(joined(lineV1(), get));
      assert.is(await client.untilEnd(), '');
      await until('its end', () => over.length === 1);
      assert.equal([over[0]?.refused, over[0]?.remoteAddress], ['proxyProtocol', '127.0.0.1']);
      assert.equal(warnings(proxy).length, 1);
      assert.match(warnings(proxy)[0] ?? '', /127\.0\.0\.1 is not in proxyProtocol\.trusted/);
      assert.is(proxy.listener.connections, 0);
    },
    { proxyProtocol: { trusted: ['10.0.0.0/8', 'unix:'] } },
  ));

const refused: [name: string, bytes: string | Buffer, reason: RegExp][] = [
  ['no header', get, /there is no PROXY header/],
  ['a malformed one', 'PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n', /a malformed PROXY line/],
  ['one that is too long', headerV2({}, Buffer.alloc(5000)), /at most 4112/],
];
for (const [name, bytes, reason] of refused) {
  test(`a connection of a trusted peer with ${name} is refused`, () =>
    between(async ({ proxy, over }) => {
      const client = await RawClient.open(proxy.port);
      client.send(bytes);
      assert.is(await client.untilEnd(), '');
      await until('its end', () => over.length === 1);
      assert.is(over[0]?.refused, 'proxyProtocol');
      assert.match(warnings(proxy).join('\n'), reason);
      assert.equal([proxy.finished.length, proxy.listener.connections], [0, 0]);
    }));
}

test('a connection that is closed within the header is refused and logged; one that is closed before it is not', () =>
  between(async ({ proxy, over }) => {
    const silent = await RawClient.open(proxy.port);
    silent.finish();
    await silent.untilEnd();
    await until('its end', () => over.length === 1);
    assert.equal([over[0]?.refused, warnings(proxy)], [undefined, []]);
    const reset = await RawClient.open(proxy.port);
    await until('it is there', () => proxy.listener.connections === 1);
    reset.reset();
    await until('its end', () => over.length === 2);
    assert.equal([over[1]?.refused, warnings(proxy)], [undefined, []]);
    const cut = await RawClient.open(proxy.port);
    cut.send('PROXY TCP4 ');
    cut.finish();
    await cut.untilEnd();
    await until('its end', () => over.length === 3);
    assert.is(over[2]?.refused, 'proxyProtocol');
    assert.match(warnings(proxy).join('\n'), /closed within a PROXY header/);
  }));

test('a header that is not complete in time is refused, even if it keeps dripping', () =>
  between(
    async ({ proxy, over }) => {
      const client = await RawClient.open(proxy.port);
      const dripping = setInterval(() => client.send('f'), 20);
      client.send('PROXY UNKNOWN ');
      await client.untilEnd();
      clearInterval(dripping);
      await until('its end', () => over.length === 1);
      assert.is(over[0]?.refused, 'proxyProtocol');
      assert.match(warnings(proxy).join('\n'), /no PROXY header within 300 ms/);
      client.close();
    },
    { settings: { timeouts: { header: '300ms' } } },
  ));

test('connections are counted by the address of the client, and without an address while they wait for a header', () =>
  between(
    async ({ proxy, over }) => {
      const waiting = await RawClient.open(proxy.port);
      const alsoWaiting = await RawClient.open(proxy.port);
      const held = await RawClient.open(proxy.port);
      held.send(joined(lineV1(), get));
      assert.is(statusOf(await held.response()), 200);
      assert.is(await ask(proxy.port, joined(lineV1({ fromPort: 4712 }), get)), 503);
      assert.is(over[0]?.refused, 'limit');
      assert.is(await ask(proxy.port, joined(lineV1({ from: '203.0.113.10' }), get)), 200);
      held.close();
      await until('it is gone', () =>
        over.some(info => info.remoteAddress === '203.0.113.9' && !info.refused),
      );
      assert.is(await ask(proxy.port, joined(lineV1(), get)), 200);
      waiting.send(joined(lineV1({ from: '203.0.113.11' }), get));
      assert.is(statusOf(await waiting.response()), 200);
      for (const client of [waiting, alsoWaiting]) client.close();
    },
    { settings: { limits: { connectionsPerAddress: 1 } } },
  ));

test('connections that wait for a header count towards the overall limit', () =>
  between(
    async ({ proxy, over }) => {
      const waiting = await RawClient.open(proxy.port);
      await until('it waits', () => proxy.listener.connections === 1);
      const second = await RawClient.open(proxy.port);
      await second.untilEnd();
      assert.is(over[0]?.refused, 'limit');
      waiting.close();
    },
    { settings: { limits: { connections: 1 } } },
  ));

test('a plugin that refuses connections sees the client', () =>
  between(
    async ({ proxy }) => {
      const client = await RawClient.open(proxy.port);
      client.send(joined(lineV1(), get));
      assert.is(await client.untilEnd(), '');
      assert.is(await ask(proxy.port, joined(lineV1({ from: '203.0.113.10' }), get)), 200);
    },
    {
      tap: hooks =>
        hooks.connection.tap('gate', ({ remoteAddress }) =>
          remoteAddress === '203.0.113.9' ? 'refuse' : undefined,
        ),
    },
  ));

test('a drain ends connections that wait for a header', () =>
  between(async ({ proxy }) => {
    const client = await RawClient.open(proxy.port);
    await until('it waits', () => proxy.listener.connections === 1);
    await proxy.listener.drain(20_000);
    await client.untilEnd();
    assert.equal(warnings(proxy), []);
  }));

// --- over TLS, and as HTTP/2 -----------------------------------------------------------------------------------

/** A socket for TLS that sends a header in one segment with the first bytes, or everything byte by byte. */
class Introduced extends Duplex {
  private readonly raw: Socket;
  private header: Buffer | undefined;
  private readonly piece: number;

  constructor(raw: Socket, header: Buffer, piece: number) {
    super();
    this.raw = raw;
    this.header = header;
    this.piece = piece;
    raw.on('data', bytes => this.push(bytes));
    raw.on('end', () => this.push(null));
    raw.on('error', () => this.destroy());
  }

  override _read(): void {}

  override _write(bytes: Buffer, _encoding: string, done: () => void): void {
    const all = this.header === undefined ? bytes : Buffer.concat([this.header, bytes]);
    this.header = undefined;
    void this.sendAll(all).then(done);
  }

  private async sendAll(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length; at += this.piece) {
      await new Promise(resolve => this.raw.write(bytes.subarray(at, at + this.piece), resolve));
    }
  }

  override _final(done: () => void): void {
    this.raw.end(done);
  }
}

const withTlv = headerV2({}, tlv(0x02, 'shop.test'));

async function secureAnswer(way: Duplex): Promise<string> {
  const secure = connectTls({ socket: way, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] });
  await once(secure, 'secureConnect');
  let text = '';
  secure.on('data', bytes => {
    text += bytes;
  });
  secure.write(get);
  await until('the answer', () => text.endsWith('hello'));
  secure.destroy();
  return text;
}

async function rawTo(port: number): Promise<Socket> {
  const raw = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(raw, 'connect');
  return raw;
}

for (const [name, piece] of [
  ['in one segment with the first bytes of TLS', 100_000],
  ['in pieces of 7 bytes, like everything after it', 7],
] as const) {
  test(`over TLS, with the header ${name}`, () =>
    between(
      async ({ proxy, origin }) => {
        const raw = await rawTo(proxy.port);
        assert.match(await secureAnswer(new Introduced(raw, withTlv, piece)), /^HTTP\/1\.1 200/);
        raw.destroy();
        const [ctx] = proxy.finished;
        assert.equal(
          [ctx?.clientIp, ctx?.scheme, ctx?.request.tls?.version, ctx?.request.proxy?.authority],
          ['203.0.113.9', 'https', 'TLSv1.3', 'shop.test'],
        );
        assert.is(seen(origin, 'x-forwarded-for'), '203.0.113.9');
      },
      { tls },
    ));
}

test('over TLS, with the header sent before the first bytes of TLS', () =>
  between(
    async ({ proxy }) => {
      const raw = await rawTo(proxy.port);
      raw.write(lineV1());
      await new Promise(resolve => setTimeout(resolve, 30));
      assert.match(await secureAnswer(raw), /^HTTP\/1\.1 200/);
      raw.destroy();
    },
    { tls },
  ));

test('a handshake that fails after a header is reported with its client', () =>
  between(
    async ({ proxy, over }) => {
      const client = await RawClient.open(proxy.port);
      client.send(joined(headerV2(), Buffer.from([0x16, 3, 1, 0, 4, 0xff, 0xff, 0xff, 0xff])));
      await client.untilEnd();
      await until('its end', () => over.length === 1);
      assert.equal([over[0]?.refused, over[0]?.remoteAddress], ['handshake', '203.0.113.9']);
      client.close();
    },
    { tls },
  ));

for (const secured of [false, true]) {
  test(`HTTP/2 ${secured ? 'over TLS' : 'without TLS'} after a header belongs to its client`, () =>
    between(
      async ({ proxy }) => {
        const raw = await rawTo(proxy.port);
        const way = new Introduced(raw, headerV2(), 100_000);
        const session = connectH2(`http${secured ? 's' : ''}://a.test`, {
          createConnection: () =>
            secured ? connectTls({ socket: way, rejectUnauthorized: false, ALPNProtocols: ['h2'] }) : way,
        });
        session.on('error', () => {});
        const stream = session.request({ ':path': '/' });
        let status: unknown;
        stream.on('response', headers => {
          status = headers[':status'];
        });
        stream.resume();
        await until('the answer', () => status === 200);
        await until('the request is over', () => proxy.finished.length === 1);
        assert.equal(
          [proxy.finished[0]?.clientIp, proxy.finished[0]?.request.version],
          ['203.0.113.9', '2.0'],
        );
        session.destroy();
        raw.destroy();
      },
      secured ? { tls, http2: true } : { http2: true },
    ));
}

test('HTTP/1.1 after a header is recognized where HTTP/2 is also allowed, in one piece and in two', () =>
  between(
    async ({ proxy }) => {
      assert.is(await ask(proxy.port, joined(headerV2(), get)), 200);
      const client = await RawClient.open(proxy.port);
      await client.sendPieces([headerV2(), get]);
      assert.is(statusOf(await client.response()), 200);
      client.close();
    },
    { http2: true },
  ));

test('a proxy on a unix socket is believed if unix: is trusted', async () => {
  const folder = socketFolder();
  const path = join(folder, 'http.sock');
  try {
    for (const trusted of ['unix:', '127.0.0.1']) {
      await between(
        async ({ proxy, over }) => {
          const raw = connect(path);
          await once(raw, 'connect');
          raw.on('error', () => {});
          let text = '';
          raw.on('data', bytes => {
            text += bytes;
          });
          raw.write(joined(headerV2(), get));
          await until('an answer, or the end', () => text.endsWith('hello') || raw.closed);
          raw.destroy();
          await until('its end', () => over.length === 1);
          const [ctx] = proxy.finished;
          const expected =
            trusted === 'unix:' ? ['203.0.113.9', 443, 'unix:'] : [undefined, undefined, undefined];
          assert.equal([ctx?.clientIp, ctx?.localPort, ctx?.request.proxy?.address], expected);
          assert.is(over[0]?.refused, trusted === 'unix:' ? undefined : 'proxyProtocol');
        },
        { path, proxyProtocol: { trusted: [trusted] } },
      );
      rmSync(path, { force: true });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
