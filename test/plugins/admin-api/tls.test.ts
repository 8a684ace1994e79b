// admin-api over TLS: which callers are admitted by a certificate, by a token, or not at all, and bounds of handshakes.
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type RequestOptions, request } from 'node:https';
import { connect as connectPlain, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkServerIdentity, connect } from 'node:tls';
import * as assert from 'uvu/assert';
import type { WeldrError } from '../../../core/errors.ts';
import { managerSide, type TestManagerSide } from '../../../core/testing.ts';
import { type AdminApiOptions, adminApi } from '../../../plugins/admin-api/index.ts';
import { makeCertificate } from '../../support/authority.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { rejectionOf } from '../../support/weldr-error.ts';
import { addressOf } from './api.ts';

const test = suite('admin-api over TLS');

const authority = makeCertificate({ names: ['authority'], isAuthority: true });
const own = makeCertificate({ names: ['127.0.0.1'], authority });
const operator = makeCertificate({ names: ['operator'], authority });
const stranger = makeCertificate({ names: ['stranger'] });
const token = 'correct-horse-battery-staple';

interface Api {
  readonly side: TestManagerSide;
  readonly port: number;
  /** The status of a call over a separate connection, and its body; or the code of its error. */
  call(path: string, options?: RequestOptions): Promise<[status: number | string, text: string]>;
}

async function withApi(options: AdminApiOptions, use: (api: Api) => Promise<void>): Promise<void> {
  const side = await managerSide(adminApi({ listen: '127.0.0.1:0', ...options }));
  const port = Number(addressOf(side).split(':')[1]);
  try {
    await use({ side, port, call: (path, more) => call(port, path, more) });
  } finally {
    await side.close();
  }
}

async function call(
  port: number,
  path: string,
  options: RequestOptions = {},
): Promise<[number | string, string]> {
  const all = { host: '127.0.0.1', port, path, agent: false, ca: authority.cert, ...options };
  // By default Node checks it against the Host that is sent.
  const sent = request({
    ...all,
    checkServerIdentity: (_name, shown) => checkServerIdentity('127.0.0.1', shown),
  });
  sent.end(options.method === 'POST' ? '{"url":"http://127.0.0.1:12345"}' : undefined);
  try {
    const [response] = await once(sent, 'response');
    let text = '';
    for await (const piece of response) text += piece;
    return [response.statusCode, text];
  } catch (thrown) {
    return [thrown instanceof Error && 'code' in thrown ? String(thrown.code) : String(thrown), ''];
  }
}

const tls = (clientAuth?: { ca: string; mode?: 'request' | 'require' }): AdminApiOptions['tls'] => ({
  certificates: [own],
  ...(clientAuth && { clientAuth }),
});
const asked = (mode: 'request' | 'require') => tls({ ca: authority.cert, mode });
const bearer = { headers: { authorization: `Bearer ${token}` } };

function startError(options: AdminApiOptions): Promise<WeldrError> {
  return rejectionOf(managerSide(adminApi(options)).then(side => side.close()));
}

test('calls go over TLS, old versions and plain HTTP do not', async () => {
  await withApi({ tls: tls() }, async ({ call, port, side }) => {
    assert.is((await call('/servers'))[0], 200);
    assert.is((await call('/servers', { method: 'POST' }))[0], 201);
    assert.is(side.pools.default.size, 1);
    const old = { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    assert.is((await call('/servers', old))[0], 'EPROTO');
    const plain = await fetch(`http://127.0.0.1:${port}/servers`);
    assert.equal([plain.status, await plain.text()], [400, 'this port speaks TLS; use an https:// URL\n']);
    assert.match(side.logs.map(({ msg }) => msg).join('\n'), `listens on https://127.0.0.1:${port}`);
  });
});

test('TLS alone does not open the API to other machines: a token or required certificates do', async () => {
  for (const options of [{ tls: tls() }, { tls: asked('request') }]) {
    const error = await startError({ listen: '0.0.0.0:0', ...options });
    assert.equal([error.code, error.field], ['CONFIG_INVALID', 'token']);
    assert.match(error.message, 'require certificates of callers (tls.clientAuth)');
  }
  for (const options of [{ tls: tls(), token }, { tls: asked('require') }]) {
    await (await managerSide(adminApi({ listen: '0.0.0.0:0', ...options }))).close();
  }
});

test('required certificates replace a token, whatever name or proxy a call comes by', async () => {
  await withApi({ tls: asked('require') }, async ({ call, side }) => {
    const headers = { host: 'weldr.example', via: '1.1 proxy.example' };
    assert.is((await call('/servers', { ...operator, headers, method: 'POST' }))[0], 201);
    assert.match(JSON.stringify(side.logs), /127\.0\.0\.1 with the certificate CN=operator/);
    for (const shown of [{}, stranger, bearer]) {
      for (const path of ['/servers', '/healthz']) {
        const [status] = await call(path, shown);
        assert.match(String(status), /^(ERR_SSL_|ECONNRESET|EPIPE)/, path);
      }
    }
  });
});

test('a page of another site gains nothing from the certificate of its browser', async () => {
  await withApi({ tls: asked('require') }, async ({ call }) => {
    for (const headers of [{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }]) {
      assert.is((await call('/servers', { ...operator, headers, method: 'POST' }))[0], 403);
    }
  });
});

test('a token is required in addition to required certificates, and instead of optional ones', async () => {
  await withApi({ tls: asked('require'), token }, async ({ call }) => {
    assert.is((await call('/servers', operator))[0], 401);
    assert.is((await call('/servers', { ...operator, ...bearer }))[0], 200);
  });
  await withApi({ tls: asked('request'), token }, async ({ call }) => {
    for (const [shown, status] of [
      [operator, 200],
      [bearer, 200],
      [{}, 401],
      [stranger, 401],
      [{ ...stranger, ...bearer }, 200],
    ] as const) {
      assert.is((await call('/servers', shown))[0], status);
    }
    assert.is((await call('/healthz'))[0], 200, 'probes need neither');
  });
});

test('unusable files are refused at the start, with their place; changed files are used', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weldr-admin-tls-'));
  try {
    const [cert, key] = [join(folder, 'own.pem'), join(folder, 'own.key')];
    const missing = await startError({ tls: { certificates: [{ cert, key }] } });
    assert.equal([missing.code, missing.field], ['CONFIG_INVALID', 'tls.certificates[0].cert']);
    writeFileSync(cert, own.cert);
    writeFileSync(key, own.key);
    await withApi({ tls: { certificates: [{ cert, key }] } }, async ({ port, side }) => {
      const shown = async (): Promise<string> => {
        const socket = connect({ port, host: '127.0.0.1', ca: authority.cert });
        await once(socket, 'secureConnect');
        const { fingerprint256 } = socket.getPeerCertificate();
        socket.destroy();
        return fingerprint256;
      };
      const before = await shown();
      const next = makeCertificate({ names: ['127.0.0.1'], authority });
      writeFileSync(cert, next.cert);
      writeFileSync(key, next.key);
      side.clock.advance(2_000);
      assert.is.not(await shown(), before);
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** A connection over which a handshake begins and does not continue. */
async function slow(port: number): Promise<Socket> {
  const socket = connectPlain(port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(Buffer.from([0x16, 3, 1, 2, 0, 1]));
  return socket;
}

test('a new handshake ends at once however many are held, and no call under way is cut', async () => {
  await withApi({ tls: tls() }, async ({ call, port }) => {
    const held = await Promise.all(Array.from({ length: 300 }, () => slow(port)));
    assert.is((await call('/healthz'))[0], 200);
    await until(
      'those over the limit to be closed',
      () => held.filter(socket => socket.closed).length >= 200,
    );
    for (const socket of held) socket.destroy();
    assert.is((await call('/healthz'))[0], 200);
  });
});

test('a handshake that drips ends after ten seconds', async () => {
  await withApi({ tls: tls() }, async ({ port, side }) => {
    const socket = await slow(port);
    const closed = new Promise(resolve => socket.once('close', resolve));
    // Its turn comes in one of the next turns of the event loop.
    await call(port, '/healthz');
    side.clock.advance(9_000);
    socket.write(Buffer.from([0]));
    side.clock.advance(1_500);
    await closed;
  });
});

test('closing the API ends handshakes', async () => {
  let socket: Socket | undefined;
  await withApi({ tls: tls() }, async ({ port }) => {
    socket = await slow(port);
    await call(port, '/healthz');
  });
  await until('its end', () => socket?.closed === true);
});

test('answers and bodies of any size are transferred whole', async () => {
  await withApi({ tls: tls() }, async ({ call, port }) => {
    const url = (n: number): string => `http://127.0.0.1:${n}`;
    const changes = Array.from({ length: 100 }, (_, n) => ({
      op: 'add',
      url: url(2000 + n),
      value: { weight: 2 },
    }));
    const body = JSON.stringify({ changes }).padEnd(60_000);
    const sent = request({
      host: '127.0.0.1',
      port,
      path: '/batch',
      method: 'POST',
      ca: authority.cert,
      agent: false,
    });
    sent.end(body);
    const [response] = await once(sent, 'response');
    response.resume();
    assert.is(response.statusCode, 200);
    const [status, text] = await call('/servers?limit=1000');
    assert.equal([status, JSON.parse(text).servers.length], [200, 100]);
  });
});

test('a caller that closes the sending side after a call is still answered', async () => {
  await withApi({ tls: tls() }, async ({ port }) => {
    const socket = connect({ port, host: '127.0.0.1', ca: authority.cert });
    socket.end('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
    let text = '';
    for await (const piece of socket) text += piece;
    assert.match(text, 'HTTP/1.1 200 OK');
  });
});
