// TLS to clients: handshakes that succeed and fail, and HTTP/1.1 over TLS.
import { once } from 'node:events';
import { connect as connectPlain, createServer } from 'node:net';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import * as assert from 'uvu/assert';
import { listenerTls, type TlsMaterial } from '../../core/certificates/listener-tls.ts';
import { readTls } from '../../core/certificates/tls-reading.ts';
import type { TlsFacts } from '../../core/request/tls-facts.ts';
import type { ConnectionInfo } from '../../core/stages/connection-info.ts';
import { type MadeCertificate, makeCertificate, revocationList } from '../support/authority.ts';
import { helloOf } from '../support/client-hello.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { type ProxyOptions, startProxy, type TestProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { ok, type Script, ScriptedOrigin } from './support/scripted-origin.ts';

const test = suite('TLS to clients');

const authority = makeCertificate({ names: ['authority'], isAuthority: true });
const signed = (name: string): MadeCertificate => makeCertificate({ names: [name], authority });
const shop = signed('shop.test');
// Self-signed, because a client that supports only RSA could not check the authority's signature.
const shopRsa = makeCertificate({ names: ['shop.test'], keyType: 'rsa' });
const wild = signed('*.wild.test');

const material = (more: object = {}, certificates = [shop, shopRsa, wild]): TlsMaterial =>
  readTls(listenerTls.parse({ certificates, ...more }), 'tls').material;

interface Ends {
  readonly proxy: TestProxy;
  readonly origin: ScriptedOrigin;
  /** What plugins learned about closed connections. */
  readonly over: ConnectionInfo[];
  /** The TLS facts that plugins saw in requests. */
  readonly facts: (TlsFacts | undefined)[];
}

async function between(
  tls: TlsMaterial,
  use: (ends: Ends) => Promise<void>,
  { script = {}, ...options }: ProxyOptions & { script?: Script } = {},
): Promise<void> {
  const over: ConnectionInfo[] = [];
  const facts: (TlsFacts | undefined)[] = [];
  const origin = await ScriptedOrigin.start(script);
  const proxy = await startProxy({
    upstreams: [origin.url],
    tls,
    ...options,
    tap(hooks) {
      hooks.connectionFinished.tap('note', info => void over.push(info));
      hooks.respond.tap('note', ctx => void facts.push(ctx.request.tls));
      options.tap?.(hooks);
    },
  });
  try {
    await use({ proxy, origin, over, facts });
  } finally {
    proxy.close();
    await origin.close();
  }
}

const options = (port: number, more: ConnectionOptions = {}): ConnectionOptions => ({
  port,
  host: '127.0.0.1',
  servername: 'shop.test',
  ca: [authority.cert, shopRsa.cert],
  ALPNProtocols: ['http/1.1'],
  ...more,
});

/** Connects; rejects with the code of a failed handshake. */
async function handshake(port: number, more: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect(options(port, more));
  await once(socket, 'secureConnect');
  socket.on('error', () => {});
  return socket;
}

async function failure(port: number, more: ConnectionOptions = {}): Promise<string> {
  const socket = connect(options(port, more));
  // In TLS 1.3 a client may learn only after its own part of the handshake that it is refused.
  socket.on('secureConnect', () => socket.write('GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n'));
  socket.on('data', () => socket.destroy(new Error('answered')));
  let code = 'closed';
  socket.on('error', error => {
    code = 'code' in error ? String(error.code) : String(error);
  });
  await new Promise(resolve => socket.once('close', resolve));
  return code;
}

const get = (path = '/', more = ''): string => `GET ${path} HTTP/1.1\r\nHost: shop.test\r\n${more}\r\n`;

async function answer(socket: TLSSocket, request: string, ends: RegExp): Promise<string> {
  let text = '';
  const listener = (chunk: Buffer): void => {
    text += chunk.toString('latin1');
  };
  socket.on('data', listener);
  socket.write(request);
  await until(`an answer that ends as ${ends}`, () => ends.test(text) || socket.destroyed);
  socket.off('data', listener);
  return text;
}

test('a response without a length that breaks off resets the connection', async () => {
  const script: Script = {
    answer({ connection }) {
      connection.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n');
      setTimeout(() => connection.socket.destroy(), 50);
      return undefined;
    },
  };
  await between(
    material(),
    async ({ proxy }) => {
      const socket = await handshake(proxy.port);
      const failed = new Promise<NodeJS.ErrnoException>(resolve => socket.once('error', resolve));
      socket.resume().write('GET / HTTP/1.0\r\nHost: shop.test\r\n\r\n');
      assert.is((await failed).code, 'ECONNRESET');
      assert.is(proxy.listener.connections, 0);
    },
    { script },
  );
});

test('requests over TLS are proxied, and the server and the plugins can see that they came over TLS', async () => {
  await between(
    material(),
    async ({ proxy, origin, facts, over }) => {
      const socket = await handshake(proxy.port);
      assert.match(await answer(socket, get('/one'), /hello$/), /^HTTP\/1\.1 200 OK\r\n/);
      assert.match(await answer(socket, get('/two'), /hello$/), /^HTTP\/1\.1 200 OK\r\n/);
      assert.match(origin.requests[0]?.raw ?? '', /^X-Forwarded-Proto: https\r$/m);
      assert.equal(facts[0], {
        sni: 'shop.test',
        version: 'TLSv1.3',
        cipher: 'TLS_AES_128_GCM_SHA256',
        alpn: 'http/1.1',
        resumed: false,
        clientCertificate: undefined,
      });
      assert.is(facts[1], facts[0]);
      socket.end();
      await until('its end', () => over.length === 1);
      assert.equal(
        [over[0]?.refused, over[0]?.tls?.sni, proxy.listener.connections],
        [undefined, 'shop.test', 0],
      );
    },
    { script: { answer: () => ok('hello') } },
  );
});

test('bodies of any size pass both ways, even in pieces and to slow readers', async () => {
  const size = 5 * 1024 * 1024;
  const body = Buffer.alloc(size, 'abcdefghij');
  await between(
    material(),
    async ({ proxy }) => {
      const socket = await handshake(proxy.port);
      socket.write(
        `POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: ${size}\r\nConnection: close\r\n\r\n`,
      );
      socket.write(body);
      const chunks: Buffer[] = [];
      for await (const chunk of socket) {
        chunks.push(chunk);
        await new Promise(resolve => setImmediate(resolve));
      }
      const all = Buffer.concat(chunks);
      const start = all.indexOf('\r\n\r\n') + 4;
      assert.ok(all.subarray(start).equals(body), `${all.length - start} bytes`);
    },
    { script: { answer: ({ body: received }) => ok(received) } },
  );
});

test('a client gets the certificate for its name; without a name, or with an unknown one, it gets the first', async () => {
  await between(material(), async ({ proxy }) => {
    for (const [servername, subject] of [
      ['shop.test', 'shop.test'],
      ['SHOP.test', 'shop.test'],
      ['a.wild.test', '*.wild.test'],
      ['a.b.wild.test', 'shop.test'],
      ['other.test', 'shop.test'],
      ['', 'shop.test'],
    ]) {
      const socket = await handshake(proxy.port, { servername, checkServerIdentity: () => undefined });
      assert.is(socket.getPeerCertificate().subject.CN, subject, servername);
      socket.destroy();
    }
  });
});

test('a client gets ECDSA if its name has several key types; without a name, it gets one that it supports', async () => {
  await between(material(), async ({ proxy }) => {
    for (const [servername, sigalgs, type] of [
      ['shop.test', undefined, 'ec'],
      ['', 'ECDSA+SHA256', 'ec'],
      ['', 'RSA-PSS+SHA256:RSA+SHA256', 'rsa'],
    ] as const) {
      const socket = await handshake(proxy.port, {
        servername,
        rejectUnauthorized: false,
        ...(sigalgs && { sigalgs }),
      });
      assert.is(socket.getPeerX509Certificate()?.publicKey.asymmetricKeyType, type);
      socket.destroy();
    }
  });
});

test("an unknown name is refused with its alert if unknownName is 'refuse'", async () => {
  await between(material({ unknownName: 'refuse' }), async ({ proxy, over }) => {
    assert.is(await failure(proxy.port, { servername: 'other.test' }), 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME');
    await until('its end', () => over.length === 1);
    assert.is(over[0]?.refused, 'handshake');
    (await handshake(proxy.port)).destroy();
  });
});

test('TLS 1.1 and ciphers without forward secrecy are refused; the profile modern accepts only TLS 1.3', async () => {
  await between(material(), async ({ proxy }) => {
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    assert.is(await failure(proxy.port, old), 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION');
    for (const ciphers of ['AES128-GCM-SHA256', 'ECDHE-ECDSA-AES128-SHA', 'DHE-RSA-AES128-GCM-SHA256']) {
      assert.match(
        await failure(proxy.port, { maxVersion: 'TLSv1.2', ciphers }),
        'HANDSHAKE_FAILURE',
        ciphers,
      );
    }
    (await handshake(proxy.port, { maxVersion: 'TLSv1.2' })).destroy();
  });
  await between(material({ profile: 'modern' }), async ({ proxy }) => {
    assert.is(await failure(proxy.port, { maxVersion: 'TLSv1.2' }), 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION');
    (await handshake(proxy.port)).destroy();
  });
});

test('a client that offers only unknown protocols is refused, one that offers none is not', async () => {
  await between(material(), async ({ proxy }) => {
    assert.is(
      await failure(proxy.port, { ALPNProtocols: ['ftp'] }),
      'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL',
    );
    (await handshake(proxy.port, { ALPNProtocols: [] })).destroy();
  });
});

test('plain HTTP gets a plain HTTP response that names the remedy', async () => {
  await between(material(), async ({ proxy, over }) => {
    const client = await RawClient.open(proxy.port);
    client.send(get());
    await client.untilEnd();
    assert.match(
      client.text,
      /^HTTP\/1\.1 400 Bad Request\r\n.*\r\n\r\nthis port speaks TLS; use an https:\/\/ URL\n$/s,
    );
    await until('its end', () => over.length === 1);
  });
});

test('a handshake has the timeout of a head, and counts as a connection', async () => {
  const settings = { timeouts: { header: '300ms' }, limits: { connectionsPerAddress: 2 } };
  await between(
    material(),
    async ({ proxy, over }) => {
      const slow = [await RawClient.open(proxy.port), await RawClient.open(proxy.port)];
      await until('both', () => proxy.listener.connections === 2);
      const third = await RawClient.open(proxy.port);
      await third.untilEnd();
      assert.is(over[0]?.refused, 'limit');
      slow[0]?.send('\x16\x03\x01');
      for (const client of slow) await client.untilEnd();
      await until('the end of both', () => proxy.listener.connections === 0);
      assert.equal(
        over.slice(1).map(({ refused }) => refused),
        ['handshake', 'handshake'],
      );
      (await handshake(proxy.port)).destroy();
    },
    { settings },
  );
});

test('clients that leave, reset or send nonsense in a handshake leave nothing behind', async () => {
  await between(material(), async ({ proxy, over }) => {
    for (const piece of [
      '',
      '\x16',
      '\x16\x03\x01\x02\x00\x01',
      '\x80\x2e\x01',
      'SSH-2.0-x\r\n',
      '\x00'.repeat(500),
    ]) {
      for (const how of ['close', 'finish', 'reset'] as const) {
        const client = await RawClient.open(proxy.port);
        if (piece !== '') client.send(piece);
        client[how]();
      }
    }
    await until('the end of all', () => over.length === 18, 20_000);
    assert.is(proxy.listener.connections, 0);
    assert.equal([...new Set(over.map(({ refused }) => refused))], ['handshake']);
    (await handshake(proxy.port)).destroy();
  });
});

test('clients that close during a handshake, or right after it, are released at once', async () => {
  // With several key types, as in the second list, the name is read before the handshake begins.
  for (const certificates of [
    [shop, wild],
    [wild, shop, shopRsa],
  ]) {
    await between(
      material({}, certificates),
      async ({ proxy, over }) => {
        for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
          const hello = await helloOf({ maxVersion, servername: 'shop.test' });
          for (const bytes of [hello.subarray(0, 40), hello]) {
            const client = await RawClient.open(proxy.port);
            client.socket.resume().end(bytes);
          }
          for (let n = 0; n < 20; n++) (await handshake(proxy.port, { maxVersion })).destroy();
        }
        await until('the end of all', () => proxy.listener.connections === 0);
        assert.is(over.length, 44);
      },
      { settings: { timeouts: { header: '60s' } } },
    );
  }
});

test('a drain closes handshakes, finishes a request, and announces that it is the last', async () => {
  await between(
    material(),
    async ({ proxy }) => {
      const waiting = await RawClient.open(proxy.port);
      const socket = await handshake(proxy.port);
      const answered = answer(socket, get('/slow'), /hello$/);
      await until('the request', () => proxy.listener.activeRequests === 1);
      const drained = proxy.listener.drain(5_000);
      assert.match(await answered, /^Connection: close\r$/m);
      await drained;
      await waiting.untilEnd();
    },
    {
      script: {
        answer: ({ connection }) => {
          setTimeout(() => connection.send(ok('hello')), 200);
          return undefined;
        },
      },
    },
  );
});

const answering: ProxyOptions & { script: Script } = { script: { answer: () => ok('hello') } };

test('a drain finishes a handshake in progress, and serves its request', async () => {
  await between(
    material(),
    async ({ proxy }) => {
      // Holds back what the client sends after its hello.
      const held: Buffer[] = [];
      let isReleased = false;
      let release = (): void => {};
      const relay = createServer(near => {
        const far = connectPlain(proxy.port, '127.0.0.1');
        let hasBegun = false;
        near.on('data', (bytes: Buffer) => {
          if (isReleased || !hasBegun) far.write(bytes);
          else held.push(bytes);
          hasBegun = true;
        });
        release = () => {
          isReleased = true;
          for (const bytes of held.splice(0)) far.write(bytes);
        };
        far.pipe(near);
        near.on('error', () => far.destroy()).on('close', () => far.destroy());
        far.on('error', () => near.destroy()).on('close', () => near.destroy());
      });
      relay.listen(0, '127.0.0.1');
      await once(relay, 'listening');
      const address = relay.address();
      if (address === null || typeof address === 'string') throw new Error('no port');
      const socket = connect(options(address.port));
      socket.on('error', () => {});
      await until('its hello and what follows it', () => held.length > 0);
      const silent = await RawClient.open(proxy.port);
      await until('both', () => proxy.listener.connections === 2);
      const drained = proxy.listener.drain(10_000);
      // It arrived later, and was still read.
      await silent.untilEnd();
      const answered = answer(socket, get(), /hello$/);
      release();
      assert.match(await answered, /^HTTP\/1\.1 200 OK\r\n/);
      socket.destroy();
      await drained;
      relay.close();
    },
    answering,
  );
});

const client = signed('client');
const revoked = signed('revoked');
const stranger = makeCertificate({ names: ['stranger'] });
const shown = ({ cert, key }: MadeCertificate): ConnectionOptions => ({ cert, key });

test('clientAuth accepts only clients with a certificate of the authority', async () => {
  const clientAuth = { ca: authority.cert, crl: revocationList(authority, [revoked]), mode: 'require' };
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    await between(
      material({ clientAuth }),
      async ({ proxy, facts }) => {
        for (const more of [{}, shown(stranger), shown(revoked)]) {
          const code = await failure(proxy.port, { maxVersion, ...more });
          assert.match(code, /^(closed|ERR_SSL_|ECONNRESET|EPIPE)/, code);
        }
        assert.equal(facts, []);
        const socket = await handshake(proxy.port, { maxVersion, ...shown(client) });
        await answer(socket, get(), /hello$/);
        const certificate = facts[0]?.clientCertificate;
        assert.equal(
          [certificate?.subject, certificate?.issuer, certificate?.authorized],
          ['CN=client', 'CN=authority', true],
        );
        socket.destroy();
      },
      { script: { answer: () => ok('hello') } },
    );
  }
});

test("clientAuth in mode 'request' accepts all clients, and reports their certificates", async () => {
  const clientAuth = { ca: authority.cert, mode: 'request' };
  await between(
    material({ clientAuth }),
    async ({ proxy, facts }) => {
      for (const more of [{}, shown(stranger), shown(client)]) {
        const socket = await handshake(proxy.port, more);
        await answer(socket, get(), /hello$/);
        socket.destroy();
      }
      assert.equal(
        facts.map(
          fact =>
            fact?.clientCertificate && [fact.clientCertificate.subject, fact.clientCertificate.authorized],
        ),
        [undefined, ['CN=stranger', false], ['CN=client', true]],
      );
    },
    { script: { answer: () => ok('hello') } },
  );
});

test('a client with a certificate shows it in every handshake: no session replaces it', async () => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    await between(
      material({ clientAuth: { ca: authority.cert } }),
      async ({ proxy, facts }) => {
        let session: Buffer | undefined;
        for (let n = 0; n < 3; n++) {
          const socket = await handshake(proxy.port, {
            maxVersion,
            ...shown(client),
            ...(session && { session }),
          });
          socket.on('session', given => {
            session = given;
          });
          await answer(socket, get(), /hello$/);
          socket.destroy();
        }
        assert.equal(
          facts.map(fact => [fact?.resumed, fact?.clientCertificate?.subject]),
          Array(3).fill([false, 'CN=client']),
        );
      },
      { script: { answer: () => ok('hello') } },
    );
  }
});

/** The session of a connection that has carried one request. */
async function sessionOf(port: number, more: ConnectionOptions): Promise<Buffer> {
  let session: Buffer | undefined;
  const socket = connect(options(port, more));
  socket.on('session', given => {
    session = given;
  });
  await once(socket, 'secureConnect');
  await answer(socket, get(), /hello$/);
  await until('a session', () => session !== undefined);
  socket.destroy();
  return session ?? Buffer.alloc(0);
}

test('CVE-2025-23419 a session from a listener without client certificates does not resume on one that asks for them', async () => {
  const keys = Buffer.alloc(48, 7);
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    await between(
      material(),
      async open => {
        open.proxy.listener.changeTls(keys, { '': material() });
        for (const mode of ['require', 'request']) {
          const asking = material({ clientAuth: { ca: authority.cert, mode } });
          await between(
            asking,
            async closed => {
              closed.proxy.listener.changeTls(keys, { '': asking });
              const session = await sessionOf(open.proxy.port, { maxVersion });
              if (mode === 'require') {
                assert.match(await failure(closed.proxy.port, { maxVersion, session }), /^(closed|E)/);
                assert.equal(closed.facts, []);
              } else {
                const socket = await handshake(closed.proxy.port, { maxVersion, session });
                await answer(socket, get(), /hello$/);
                assert.equal(
                  [closed.facts[0]?.resumed, closed.facts[0]?.clientCertificate],
                  [false, undefined],
                );
                socket.destroy();
              }
            },
            answering,
          );
        }
        // The same ticket is valid at the listener that issued it.
        const session = await sessionOf(open.proxy.port, { maxVersion });
        const socket = await handshake(open.proxy.port, { maxVersion, session });
        assert.is(socket.isSessionReused(), true);
        socket.destroy();
      },
      answering,
    );
  }
});

test('CVE-2025-23048 a session for one name does not open another: the name is that of the new handshake', async () => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    await between(
      material(),
      async ({ proxy, facts }) => {
        const session = await sessionOf(proxy.port, { maxVersion });
        facts.length = 0;
        const socket = await handshake(proxy.port, { maxVersion, session, servername: 'a.wild.test' });
        await answer(socket, get(), /hello$/);
        assert.is(facts[0]?.sni, 'a.wild.test');
        socket.destroy();
      },
      answering,
    );
  }
});

test('CVE-2025-68121 a session from before the rule or the authority changed opens nothing afterwards', async () => {
  const keys = Buffer.alloc(48, 7);
  const nextAuthority = makeCertificate({ names: ['next authority'], isAuthority: true });
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    await between(
      material(),
      async ({ proxy, facts }) => {
        const change = (ca?: string): void =>
          proxy.listener.changeTls(keys, {
            '': ca === undefined ? material() : material({ clientAuth: { ca } }),
          });
        change();
        const plain = await sessionOf(proxy.port, { maxVersion });
        change(authority.cert);
        assert.match(await failure(proxy.port, { maxVersion, session: plain }), /^(closed|E)/);
        // A listener that asks for certificates issues no session; a client may believe that it has one.
        const socket = await handshake(proxy.port, { maxVersion, ...shown(client) });
        await answer(socket, get(), /hello$/);
        const known = socket.getSession();
        socket.destroy();
        facts.length = 0;
        change(nextAuthority.cert);
        const again = { maxVersion, ...shown(client), ...(known && { session: known }) };
        assert.match(await failure(proxy.port, again), /^(closed|E)/);
        assert.equal(facts, []);
      },
      answering,
    );
  }
});

test('CVE-2026-21637 a certificate that fails when a client asks for its name ends only that handshake', async () => {
  const good = material();
  const [first] = good.certificates;
  if (first === undefined) throw new Error('no certificate');
  const broken = { ...first, name: 'broken.test', names: ['broken.test'], cert: 'no certificate' };
  await between(
    { ...good, certificates: [...good.certificates, broken] },
    async ({ proxy, over }) => {
      assert.match(await failure(proxy.port, { servername: 'broken.test' }), /^(closed|ECONNRESET|ERR_SSL_)/);
      await until('its end', () => over.length === 1);
      assert.is(over[0]?.refused, 'handshake');
      for (const servername of [
        'x'.repeat(255),
        'a\0b.test',
        '*.wild.test',
        '.',
        '..wild.test',
        '%00',
        '__proto__',
      ]) {
        await failure(proxy.port, { servername, checkServerIdentity: () => undefined });
      }
      const socket = await handshake(proxy.port);
      assert.match(await answer(socket, get(), /hello$/), /^HTTP\/1\.1 200 OK/);
      socket.destroy();
    },
    answering,
  );
});

test('a tunnel over TLS carries bytes both ways', async () => {
  const script: Script = {
    answer: ({ connection }) => {
      connection.send('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
      connection.socket.pipe(connection.socket);
      return undefined;
    },
  };
  await between(
    material(),
    async ({ proxy }) => {
      const socket = await handshake(proxy.port);
      assert.match(
        await answer(socket, get('/', 'Connection: Upgrade\r\nUpgrade: echo\r\n'), /\r\n\r\n$/),
        /^HTTP\/1\.1 101 /,
      );
      assert.is(await answer(socket, 'hello', /hello$/), 'hello');
      socket.destroy();
    },
    { script },
  );
});

test('the certificates of a listener change while connections are open', async () => {
  const next = signed('next.test');
  await between(
    material(),
    async ({ proxy }) => {
      const before = await handshake(proxy.port);
      proxy.listener.changeTls(Buffer.alloc(48, 1), { '': material({}, [next]) });
      const after = await handshake(proxy.port, { servername: 'next.test' });
      assert.is(after.getPeerCertificate().subject.CN, 'next.test');
      assert.match(await answer(before, get(), /hello$/), /^HTTP\/1\.1 200 OK/);
      before.destroy();
      after.destroy();
    },
    { script: { answer: () => ok('hello') } },
  );
});

test('a listener without certificates of its own serves the names of the others, and nothing else', async () => {
  const other = signed('other.test');
  const asks = { clientAuth: { ca: authority.cert } };
  const more = { others: material({}, [other]).certificates };
  for (const tls of [material({}, []), material(asks, [])]) {
    await between(tls, async ({ proxy }) => {
      for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
        const refused = 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME';
        assert.is(await failure(proxy.port, { servername: 'other.test', maxVersion }), refused);
        assert.match(await failure(proxy.port, { servername: '', maxVersion }), 'HANDSHAKE_FAILURE');
      }
      proxy.listener.changeTls(Buffer.alloc(48, 1), { '': { ...tls, ...more } });
      const shown = await handshake(proxy.port, { servername: 'other.test', ...signed('me') });
      assert.is(shown.getPeerCertificate().subject.CN, 'other.test');
      shown.destroy();
      assert.is(await failure(proxy.port, { servername: 'shop.test' }), 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME');
      if (tls.clientAuth === undefined) return;
      const uncertified = { servername: 'other.test', maxVersion: 'TLSv1.3' } as const;
      assert.not.match(await failure(proxy.port, uncertified), 'answered');
    });
  }
});

test('a client cannot renegotiate', async () => {
  await between(material(), async ({ proxy, over }) => {
    const socket = await handshake(proxy.port, { maxVersion: 'TLSv1.2' });
    const renegotiated = new Promise(resolve => {
      if (!socket.renegotiate({}, error => resolve(error === null))) resolve(false);
    });
    const closed = new Promise(resolve => socket.once('close', () => resolve(false)));
    assert.is(await Promise.race([renegotiated, closed]), false);
    socket.destroy();
    await until('its end', () => over.length === 1);
  });
});

test('a plain listener is not confused by a handshake', async () => {
  const proxy = await startProxy();
  const socket = connectPlain(proxy.port, '127.0.0.1');
  socket.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03, 0x0d, 0x0a]));
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  assert.match(text, /^HTTP\/1\.1 400 /);
  proxy.close();
});
