// health-check of https:// servers: with the server's TLS settings, and its certificate verified.
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import * as assert from 'uvu/assert';
import type { ServerInput } from '../../../core/pool/server-definition.ts';
import { managerSide } from '../../../core/testing.ts';
import { healthCheck } from '../../../plugins/health-check/index.ts';
import { certificate, privateKey } from '../../support/certificate.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';

const test = suite('health-check of https');

type Tls = NonNullable<Exclude<ServerInput, string>['tls']>;

interface Seen {
  servername: string | undefined;
  authorized: boolean;
}

/** The result of the first check of an https origin with these settings, and what the origin sees. */
async function check(tls: Tls | undefined): Promise<{ detail: string; seen: Seen | undefined }> {
  let seen: Seen | undefined;
  const options = {
    cert: certificate,
    key: privateKey,
    ca: certificate,
    requestCert: true,
    rejectUnauthorized: false,
  };
  const server = createServer(options, (request, response) => {
    const { servername, authorized } = request.socket as TLSSocket & { servername?: string };
    seen = { servername: servername || undefined, authorized };
    response.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const side = await managerSide(healthCheck({ timeout: '10m' }), {
    servers: [tls === undefined ? url : { url, tls }],
  });
  try {
    side.clock.advance(1000);
    await until('the check', () => side.pools.get('default', url)?.health !== undefined);
    return { detail: side.pools.get('default', url)?.health?.detail ?? '', seen };
  } finally {
    await side.close();
    server.closeAllConnections();
    server.close();
  }
}

test('an untrusted certificate is a failure', async () => {
  const { detail, seen } = await check(undefined);
  assert.match(detail, /self.signed certificate/);
  assert.is(seen, undefined);
});

test('a certificate of the given CA passes; an address is not sent as a name', async () => {
  assert.equal(await check({ ca: certificate }), {
    detail: '200',
    seen: { servername: undefined, authorized: false },
  });
});

test('the configured name is requested and verified', async () => {
  const good = await check({ ca: certificate, servername: 'origin.test' });
  assert.equal([good.detail, good.seen?.servername], ['200', 'origin.test']);
  assert.match(
    (await check({ ca: certificate, servername: 'other.test' })).detail,
    /does not match|altnames/i,
  );
});

test('a client certificate is sent', async () => {
  const { detail, seen } = await check({ ca: certificate, cert: certificate, key: privateKey });
  assert.equal([detail, seen?.authorized], ['200', true]);
});

test('without verification any certificate passes', async () => {
  assert.is((await check({ verify: false })).detail, '200');
});

test('an address as the configured name is what the certificate is verified against', async () => {
  assert.is((await check({ ca: certificate, servername: '127.0.0.1' })).detail, '200');
  assert.match((await check({ ca: certificate, servername: '127.0.0.2' })).detail, '127.0.0.2');
});
