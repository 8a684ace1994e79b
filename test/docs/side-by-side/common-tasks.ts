// Common tasks: the checks of tasks that several pages about another proxy have, and their origins and options.
import type { RequestListener } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { connect as connectTls } from 'node:tls';
import * as assert from 'uvu/assert';
import { makeCertificate } from '../../support/authority.ts';
import { lineV1 } from '../../support/proxy-header.ts';
import { until } from '../../support/until.ts';
import { answerStatus } from './origin-answers.ts';
import type { Answer } from './question.ts';
import type { SideProxy, TaskOptions } from './side-by-side.ts';

/** The servers of most tasks, as the pages name them. */
export const first = '10.0.0.1:8080';
export const second = '10.0.0.2:8080';
export const third = '10.0.0.3:8080';

/** The authority of clients' certificates. */
export const authority = makeCertificate({ names: ['clients'], isAuthority: true });
const client = makeCertificate({ names: ['build-7'], authority });

/** For tasks about the network of an office: 127.0.0.9 is in it, other addresses of this machine are not. */
export const office = { replace: [['10.9.0.0/16', '127.0.0.9/32']] } as const satisfies TaskOptions;

/** For certificates from Let's Encrypt, which nothing here can reach; test/plugins/acme tests acme() with an authority. */
export const unreachableAuthority: TaskOptions = {
  weldrAlone: true,
  replace: [
    [
      "acme({ email: 'ops@shop.example',",
      "acme({ email: 'ops@shop.example', directory: 'https://127.0.0.1:9/',",
    ],
  ],
};

/** The first server fails each request, the second one none. */
export const failingFirst = {
  [first]: answerStatus(503),
  [second]: answerStatus(200),
} satisfies TaskOptions['origins'];

/** Returns the header fields of the request, with a field that tells about the server. */
export const talkative: RequestListener = ({ headers }, response) => {
  response.setHeader('x-powered-by', 'a test');
  response.end(JSON.stringify({ headers }));
};

/** Never answers `/`, and everything else after 400 ms. */
export const slowServer: RequestListener = (request, response) => {
  if (request.url === '/') return;
  setTimeout(() => response.end(), 400);
};

/** A service for authentication: lets the cookie `in=1` pass, as the user `ada`, with a status and a field of its choice. */
export const signIn =
  (status: number, field: string): RequestListener =>
  (request, response) => {
    const isIn = request.headers.cookie === 'in=1';
    response.writeHead(isIn ? status : 401, isIn ? { [field]: 'ada' } : {}).end();
  };

/** The Authorization of the user `ada`. */
export const authorization = `Basic ${Buffer.from('ada:correct horse battery staple').toString('base64')}`;

/** A request behind a PROXY header, which says that its client is 203.0.113.6. */
export const introduced = `${lineV1({ from: '203.0.113.6' })}GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;

/** Sends bytes over a new connection. Resolves with everything that comes back. */
export async function exchange(
  proxy: SideProxy,
  bytes: string,
  { port = 80, from = '127.0.0.1' } = {},
): Promise<string> {
  const socket = connect({ port: proxy.port(port), host: '127.0.0.1', localAddress: from });
  socket.write(bytes);
  return await text(socket);
}

/** The first server has three times the weight of the second. */
export async function expectWeights(proxy: SideProxy): Promise<void> {
  const servers = await proxy.servers(8);
  assert.is(servers.filter(server => server === first).length, 6, proxy.name);
  assert.is(servers.filter(server => server === second).length, 2, proxy.name);
}

/** Only the second server gets requests, after a while. */
export async function expectFirstOut(proxy: SideProxy): Promise<void> {
  await until('the server that fails is out', async () =>
    (await proxy.servers(4)).every(server => server === second),
  );
}

/** The second server answers each request, with 200. */
export async function expectRetries(proxy: SideProxy): Promise<void> {
  for (let n = 0; n < 4; n++) {
    const { status, server } = await proxy.ask('/');
    assert.equal([status, server], [200, second], proxy.name);
  }
}

/** Each of 20 keys keeps its server, and they use all three. */
export async function expectServerPerKey(
  proxy: SideProxy,
  headersOf: (n: number) => Readonly<Record<string, string>>,
): Promise<void> {
  const chosen = new Set<string>();
  for (let n = 0; n < 20; n++) {
    const headers = headersOf(n);
    const { server } = await proxy.ask('/', { headers });
    assert.is((await proxy.ask('/', { headers })).server, server);
    chosen.add(server);
  }
  assert.is(chosen.size, 3);
}

/** The first answer sets such a cookie, which leads to the same server again. */
export async function expectStickyCookie(proxy: SideProxy, pattern: RegExp): Promise<void> {
  const { server, headers } = await proxy.ask('/');
  const [cookie = ''] = headers['set-cookie'] ?? [];
  assert.match(cookie, pattern);
  for (let n = 0; n < 4; n++) {
    assert.is((await proxy.ask('/', { headers: { cookie: cookie.split(';')[0] ?? '' } })).server, server);
  }
}

/** Both servers get new clients, and a cookie leads to the same one again. */
export async function expectStickySplit(proxy: SideProxy): Promise<void> {
  const servers = new Set<string>();
  for (let n = 0; n < 60; n++) {
    const { server, headers } = await proxy.ask('/');
    servers.add(server);
    if (n % 20 !== 0) continue;
    const cookie = headers['set-cookie']?.[0]?.split(';')[0] ?? '';
    assert.is((await proxy.ask('/', { headers: { cookie } })).server, server);
  }
  assert.equal(servers, new Set([first, second]));
}

/** HTTP is redirected to HTTPS, which has HSTS and HTTP/2. */
export async function expectHttps(proxy: SideProxy): Promise<void> {
  const moved = await proxy.ask('/a?b=c', { headers: { host: 'origin.test' } });
  assert.equal([moved.status, moved.headers.location], [301, 'https://origin.test/a?b=c']);
  const answer = await proxy.ask('/a', { port: 443, servername: 'origin.test' });
  assert.is(answer.headers['strict-transport-security'], 'max-age=31536000');
  const { headers } = answer.asked;
  assert.equal([headers['x-forwarded-proto'], headers['x-forwarded-for']], ['https', '127.0.0.1']);
  const socket = connectTls({ port: proxy.port(443), ALPNProtocols: ['h2'], rejectUnauthorized: false });
  await new Promise(resolve => socket.once('secureConnect', resolve));
  assert.is(socket.alpnProtocol, 'h2');
  socket.destroy();
}

/** shop.example is redirected to HTTPS. */
export async function expectRedirect(proxy: SideProxy): Promise<void> {
  const moved = await proxy.ask('/a', { headers: { host: 'shop.example' } });
  assert.is(moved.headers.location, 'https://shop.example/a');
}

/** Some requests pass, at least `passed` of those sent, and some get 429. Resolves with one that did. */
export async function expectRateLimit(
  proxy: SideProxy,
  { sent, passed }: { readonly sent: number; readonly passed: number },
): Promise<Answer> {
  const answers = await Promise.all(Array.from({ length: sent }, () => proxy.ask('/')));
  const through = answers.filter(({ status }) => status === 200).length;
  assert.ok(through >= passed, `${through} passed`);
  const refused = answers.find(({ status }) => status === 429);
  assert.ok(refused !== undefined);
  return refused;
}

/** Only `/admin/` asks for a password. */
export async function expectPasswordAsked(proxy: SideProxy): Promise<void> {
  assert.is((await proxy.ask('/')).status, 200);
  const refused = await proxy.ask('/admin/x');
  assert.equal([refused.status, refused.server], [401, '']);
  assert.match(refused.headers['www-authenticate'] ?? '', 'Basic realm="administrators"');
}

/** Only clients in the {@link office} pass. */
export async function expectOfficeOnly(proxy: SideProxy): Promise<void> {
  assert.is((await proxy.ask('/', { from: '127.0.0.9' })).status, 200);
  const { status, server } = await proxy.ask('/');
  assert.equal([status, server], [403, '']);
}

/** `/` times out, `/reports/` has longer. */
export async function expectTimeouts(proxy: SideProxy): Promise<void> {
  assert.is((await proxy.ask('/')).status, 504);
  assert.is((await proxy.ask('/reports/x')).status, 200);
}

/** A body over a mebibyte gets 413 and reaches no server. */
export async function expectBodyLimit(proxy: SideProxy): Promise<void> {
  const tooLarge = await proxy.ask('/', { method: 'POST', headers: { 'content-length': '1048577' } });
  assert.equal([tooLarge.status, tooLarge.server], [413, '']);
  assert.is((await proxy.ask('/', { method: 'POST', body: 'x'.repeat(100_000) })).status, 200);
}

/** Pages of shop.example, and no others, may read the answers. Resolves with the answer to the preflight. */
export async function expectCors(proxy: SideProxy): Promise<Answer> {
  const origin = 'https://shop.example';
  const preflight = await proxy.ask('/', {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'PUT',
      'access-control-request-headers': 'content-type',
    },
  });
  assert.equal([preflight.status, preflight.server], [204, '']);
  assert.is(preflight.headers['access-control-allow-origin'], origin);
  assert.match(preflight.headers['access-control-allow-methods'] ?? '', 'PUT');
  const answer = await proxy.ask('/', { headers: { origin } });
  assert.equal([answer.headers['access-control-allow-origin'], answer.headers.vary], [origin, 'Origin']);
  const other = await proxy.ask('/', { headers: { origin: 'https://eve.example' } });
  assert.is(other.headers['access-control-allow-origin'], undefined);
  return preflight;
}

/** Asks over TLS with the certificate of a client. */
export async function askWithCertificate(proxy: SideProxy): Promise<Answer> {
  return await proxy.ask('/', { port: 443, servername: 'origin.test', certificate: client });
}

/** Asks over TLS without a certificate. Resolves with the status, or `no handshake`. */
export async function askWithoutCertificate(proxy: SideProxy): Promise<string> {
  return await proxy.ask('/', { port: 443, servername: 'origin.test' }).then(
    ({ status }) => String(status),
    () => 'no handshake',
  );
}
