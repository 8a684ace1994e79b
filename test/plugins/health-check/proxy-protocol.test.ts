// health-check of servers that get the PROXY protocol: a check is a connection of Weldr itself.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import * as assert from 'uvu/assert';
import { readProxyHeader } from '../../../core/http/accept/proxy-header.ts';
import { managerSide } from '../../../core/testing.ts';
import { healthCheck } from '../../../plugins/health-check/index.ts';
import { certificate, privateKey } from '../../support/certificate.ts';
import { localV2 } from '../../support/proxy-header.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';

const test = suite('health-check with the PROXY protocol');

/** What a server finds before the first bytes of HTTP or TLS, the ends of that connection, and the result of the check. */
async function check(proxyProtocol: 'v1' | 'v2', protocol: 'http' | 'https') {
  const seen: { header: Buffer; from: string }[] = [];
  const answer = (socket: Socket): void => {
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'));
  };
  const server = createServer(socket => {
    const from = `${socket.remoteAddress} ${socket.localAddress} ${socket.remotePort} ${socket.localPort}`;
    socket.on('error', () => {});
    socket.once('data', (bytes: Buffer) => {
      const found = readProxyHeader(bytes);
      const length = typeof found === 'number' ? 0 : found.length;
      seen.push({ header: bytes.subarray(0, length), from });
      socket.pause();
      socket.unshift(bytes.subarray(length));
      if (protocol === 'http') {
        answer(socket);
        socket.resume();
      } else {
        const secured = new TLSSocket(socket, { isServer: true, cert: certificate, key: privateKey });
        secured.on('error', () => {});
        answer(secured);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `${protocol}://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const tls = protocol === 'https' ? { tls: { verify: false } } : {};
  const side = await managerSide(healthCheck({ timeout: '10m' }), {
    servers: [{ url, proxyProtocol, ...tls }],
  });
  try {
    side.clock.advance(1000);
    await until('the check', () => side.pools.get('default', url)?.health !== undefined);
    return { detail: side.pools.get('default', url)?.health?.detail, seen };
  } finally {
    await side.close();
    server.close();
  }
}

for (const protocol of ['http', 'https'] as const) {
  test(`of ${protocol}, version 1 names both ends of the check's own connection`, async () => {
    const { detail, seen } = await check('v1', protocol);
    assert.is(detail, '200');
    assert.is(seen[0]?.header.toString('latin1'), `PROXY TCP4 ${seen[0]?.from}\r\n`);
  });

  test(`of ${protocol}, version 2 says LOCAL`, async () => {
    const { detail, seen } = await check('v2', protocol);
    assert.is(detail, '200');
    assert.equal(seen[0]?.header, localV2);
  });
}
