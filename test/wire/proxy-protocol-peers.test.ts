// The PROXY protocol with HAProxy and nginx, in front of Weldr and behind it.
import { once } from 'node:events';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import * as assert from 'uvu/assert';
import type { ProxyContext } from '../../core/request/context.ts';
import type { ConnectionInfo } from '../../core/stages/connection-info.ts';
import { makeCertificate } from '../support/authority.ts';
import { certificate, privateKey } from '../support/certificate.ts';
import { type NativeProxy, startHaproxy, startNginx } from '../support/native-proxy.ts';
import { freePort } from '../support/ports.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { startProxy, type TestProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { ok, ScriptedOrigin } from './support/scripted-origin.ts';
import { statusOf } from './support/strict-message.ts';

const test = suite('the PROXY protocol with other proxies');

const get = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n';
/** Clients connect from here, proxies from 127.0.0.1. */
const clientIp = '127.0.0.9';
/** Checks whether a port has a listener. */
const lookingIp = '127.0.0.8';

const authority = makeCertificate({ names: ['authority'], isAuthority: true });
const client = makeCertificate({ names: ['build-7'], authority });

/** Ports by the names of their listeners. */
const ports = new Map<string, number>();
const port = (name: string): number => ports.get(name) ?? 0;
let weldr: TestProxy;
let origin: ScriptedOrigin;
/** Closed connections. */
const over: ConnectionInfo[] = [];
const peers: NativeProxy[] = [];
const names = [
  ...['haproxy-v1', 'haproxy-v2', 'haproxy-tls', 'haproxy-http', 'haproxy-https'],
  ...['nginx-v1', 'nginx-http', 'nginx-https'],
];

const haproxyConfig = (): string => `
global
  nbthread 1
  no strict-limits
defaults
  mode tcp
  timeout connect 10s
  timeout client 60s
  timeout server 60s
  timeout check 10s
listen v1
  bind 127.0.0.1:${port('haproxy-v1')}
  server weldr 127.0.0.1:${weldr.port} send-proxy
listen v2
  bind 127.0.0.1:${port('haproxy-v2')}
  unique-id-format id-of-%ci
  server weldr 127.0.0.1:${weldr.port} send-proxy-v2 proxy-v2-options crc32c,unique-id
listen tls
  bind 127.0.0.1:${port('haproxy-tls')} ssl crt {folder}/own.pem ca-file {folder}/ca.pem verify optional alpn http/1.1
  server weldr 127.0.0.1:${weldr.port} send-proxy-v2-ssl-cn proxy-v2-options authority,ssl-cipher,crc32c
backend checks
  mode http
  option httpchk GET /check
  http-check expect status 200
  server silent 127.0.0.1:${weldr.port} check inter 200ms send-proxy-v2 check-send-proxy
backend looks
  server plain 127.0.0.1:${weldr.port} check inter 200ms source ${lookingIp}
frontend http
  mode http
  bind 127.0.0.1:${port('haproxy-http')} accept-proxy
  http-request return status 200 content-type text/plain lf-string "%[src] %[src_port] %[dst_port]"
frontend https
  mode http
  bind 127.0.0.1:${port('haproxy-https')} accept-proxy ssl crt {folder}/own.pem
  http-request return status 200 content-type text/plain lf-string "%[src] %[src_port] %[dst_port]"
`;

const nginxConfig = (): string => `
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
events {}
stream {
  server {
    listen 127.0.0.1:${port('nginx-v1')};
    proxy_protocol on;
    proxy_pass 127.0.0.1:${weldr.port};
  }
}
http {
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {
    listen 127.0.0.1:${port('nginx-http')} proxy_protocol;
    listen 127.0.0.1:${port('nginx-https')} ssl proxy_protocol;
    ssl_certificate {folder}/own.pem;
    ssl_certificate_key {folder}/own.pem;
    location / {
      default_type text/plain;
      return 200 "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_port";
    }
  }
}
`;

test.before(async () => {
  for (const name of names) ports.set(name, await freePort());
  origin = await ScriptedOrigin.start({ answer: () => ok('hello') });
  weldr = await startProxy({
    upstreams: [origin.url],
    proxyProtocol: { trusted: ['127.0.0.1', lookingIp] },
    tap: hooks => hooks.connectionFinished.tap('note', info => void over.push(info)),
  });
  const files = { 'own.pem': `${certificate}\n${privateKey}`, 'ca.pem': authority.cert };
  peers.push(await startHaproxy(haproxyConfig(), port('haproxy-https'), files));
  peers.push(await startNginx(nginxConfig(), port('nginx-https'), files));
});

test.after(async () => {
  for (const peer of peers) await peer.stop();
  weldr.close();
  await origin.close();
});

/** The request that came from this port of the client. */
async function requestOf(clientPort: number | undefined): Promise<ProxyContext> {
  const find = () => weldr.finished.find(ctx => ctx.clientPort === clientPort);
  await until('the request is over', () => find() !== undefined);
  const ctx = find();
  assert.ok(ctx);
  return ctx;
}

for (const [name, version] of [
  ['haproxy-v1', 1],
  ['haproxy-v2', 2],
  ['nginx-v1', 1],
] as const) {
  test(`${name} in front reports the client`, async () => {
    const asking = await RawClient.open(port(name), '127.0.0.1', clientIp);
    asking.send(get);
    assert.is(statusOf(await asking.response()), 200);
    const ctx = await requestOf(asking.socket.localPort);
    assert.equal(
      [ctx.clientIp, ctx.localPort, ctx.scheme, ctx.request.proxy?.address, ctx.request.proxy?.version],
      [clientIp, port(name), 'http', '127.0.0.1', version],
    );
    assert.is(ctx.request.proxy?.uniqueId, name === 'haproxy-v2' ? `id-of-${clientIp}` : undefined);
    asking.close();
  });
}

for (const shows of [true, false]) {
  test(`HAProxy that terminates TLS reports it, ${shows ? 'with the certificate' : 'without a client certificate'}`, async () => {
    const options: ConnectionOptions & { localAddress: string } = {
      port: port('haproxy-tls'),
      host: '127.0.0.1',
      localAddress: clientIp,
      servername: 'shop.test',
      rejectUnauthorized: false,
      ALPNProtocols: ['http/1.1'],
      ...(shows && { cert: client.cert, key: client.key }),
    };
    const asking = connectTls(options);
    await once(asking, 'secureConnect');
    asking.write(get);
    const ctx = await requestOf(asking.localPort);
    assert.equal(
      [ctx.clientIp, ctx.scheme, ctx.request.tls, ctx.request.proxy?.authority, ctx.request.proxy?.alpn],
      [clientIp, 'https', undefined, 'shop.test', 'http/1.1'],
    );
    const { version, cipher, clientCertificate } = ctx.request.proxy?.tls ?? {};
    assert.is(version, 'TLSv1.3');
    assert.match(cipher ?? '', /^TLS_/);
    assert.equal(clientCertificate, shows ? { commonName: 'build-7', authorized: true } : undefined);
    asking.destroy();
  });
}

test("HAProxy's health checks pass, with a header or without any bytes, and none causes a warning", async () => {
  const checks = () => weldr.finished.filter(ctx => ctx.request.target === '/check' && ctx.status === 200);
  await until('three checks', () => checks().length >= 3);
  assert.equal([checks()[0]?.clientIp, checks()[0]?.request.proxy], ['127.0.0.1', undefined]);
  // Most checks that only connect are gone before their address can be read.
  const looks = over.filter(({ remoteAddress }) => remoteAddress === lookingIp);
  assert.ok(looks.every(({ refused }) => refused === undefined));
  assert.equal(
    weldr.log.filter(({ level }) => /warn|error|fatal/.test(level)).map(({ msg }) => msg),
    [],
  );
});

for (const name of ['haproxy-http', 'haproxy-https', 'nginx-http', 'nginx-https']) {
  for (const proxyProtocol of ['v1', 'v2'] as const) {
    test(`${name} as a server understands ${proxyProtocol}, and its connection is kept for the client`, async () => {
      const url = `${name.endsWith('s') ? 'https' : 'http'}://127.0.0.1:${port(name)}`;
      const front = await startProxy({ upstreams: [{ url, proxyProtocol, tls: { verify: false } }] });
      try {
        const asking = await RawClient.open(front.port, '127.0.0.1', clientIp);
        asking.send(get + get);
        for (const answer of await asking.responses('GET', 'GET')) {
          assert.is(answer.body, `${clientIp} ${asking.socket.localPort} ${front.port}`);
        }
        assert.equal(
          front.finished.map(ctx => ctx.attempt?.reusedConnection),
          [false, true],
        );
        asking.close();
      } finally {
        front.close();
      }
    });
  }
}
