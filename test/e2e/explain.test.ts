// POST /explain of a Weldr with two workers: real requests meet what was explained, and explaining sends nothing.
import { get as getSecure } from 'node:https';
import * as assert from 'uvu/assert';
import { certificate, privateKey } from '../support/certificate.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { freePort } from '../support/ports.ts';
import { suite } from '../support/suite.ts';
import { startWeldr, type TestWeldr } from '../support/weldr.ts';

const test = suite('explain in workers', { timeoutMs: 240_000 });

let origin: Origin;
let weldr: TestWeldr;
let securePort: number;
let requests: { readonly url: string | undefined; readonly headers: NodeJS.Dict<string | string[]> }[] = [];

test.before(async () => {
  origin = await startOrigin({
    handle(request, response) {
      requests.push({ url: request.url, headers: request.headers });
      response.end('here');
    },
  });
  securePort = await freePort();
  weldr = await startWeldr({
    files: { 'cert.pem': certificate, 'key.pem': privateKey },
    config: `
      import { defineConfig, when } from 'weldr';
      import { adminApi, concurrencyLimit, headers, retry, roundRobin, routes, stats } from 'weldr/plugins';
      export default defineConfig({
        listen: ['127.0.0.1:0', { name: 'public', address: '127.0.0.1:${securePort}',
          tls: { certificates: [{ cert: 'cert.pem', key: 'key.pem' }] } }],
        workers: 2, servers: ['${origin.url}'], limits: { body: '1mb' },
        pools: { api: { servers: ['http://127.0.0.1:1'], fallback: 'default', plugins: [concurrencyLimit({ max: 9 })] } },
        plugins: [
          when({ listener: 'public' }, headers({ request: { set: { 'X-Public': 'yes' } } })),
          routes([{ name: 'api', path: '/api/*', pool: 'api', stripPrefix: '/api' }]),
          retry(), roundRobin(), stats(), adminApi({ listen: '127.0.0.1:${await freePort()}' }),
        ],
      });`,
  });
});
test.after(async () => {
  await weldr.stop();
  await origin.close();
});

interface Answer {
  readonly worker: number;
  readonly listener: string;
  readonly route?: string;
  readonly server?: string;
  readonly steps: readonly { stage: string; plugin: string; word: string; why?: string; server?: string }[];
  readonly sends: readonly { target: string; host: string; headers: readonly [string, string][] }[];
  readonly response: { readonly status: number; readonly by: string; readonly code?: string };
  readonly field?: string;
  readonly detail?: string;
}

async function explain(body: object): Promise<[status: number, answer: Answer]> {
  const response = await fetch(`${weldr.adminUrl}/explain`, { method: 'POST', body: JSON.stringify(body) });
  return [response.status, (await response.json()) as Answer];
}

const wordsOf = ({ steps }: Answer): string[] =>
  steps.map(({ plugin, word, server }) => [plugin, word, server].filter(Boolean).join(' '));

test('is answered by each of the workers, and sends and counts nothing', async () => {
  const workers = new Set<number>();
  for (let n = 0; n < 4; n++) {
    const [status, { worker, response }] = await explain({ url: '/' });
    assert.equal([status, response.status, response.by], [200, 200, 'upstream']);
    workers.add(worker);
  }
  assert.equal([...workers].sort(), [1, 2]);
  assert.is(requests.length, 0);
  const stats = await (await fetch(`${weldr.adminUrl}/stats`)).json();
  const nothing = { success: 0, failed: 0 };
  assert.equal(stats, { client: nothing, server: nothing });
});

test('returns what a server then receives, by the listener of its scheme', async () => {
  const url = `https://localhost:${securePort}/x?y=1`;
  const [, { sends, listener, steps }] = await explain({ url, headers: { 'X-Own': 'a' } });
  assert.is(listener, 'public');
  assert.match(steps[0]?.plugin ?? '', /\/headers$/);
  requests = [];
  await new Promise<void>((resolve, reject) => {
    const options = { rejectUnauthorized: false, headers: { 'X-Own': 'a' }, agent: false };
    getSecure(url, options, response => response.resume().on('end', resolve)).on('error', reject);
  });
  const [got] = requests;
  assert.equal([sends[0]?.target, sends[0]?.host], [got?.url, got?.headers['host']]);
  const told = sends[0]?.headers ?? [];
  for (const name of [
    'X-Own',
    'X-Public',
    'X-Forwarded-For',
    'X-Forwarded-Proto',
    'X-Forwarded-Host',
    'X-Forwarded-Port',
    'Via',
  ]) {
    const value = told.find(([known]) => known === name)?.[1];
    assert.is(value, got?.headers[name.toLowerCase()], name);
    assert.ok(value !== undefined, name);
  }
  const [, plain] = await explain({ url: 'http://localhost/x' });
  assert.equal([plain.listener.startsWith('127.0.0.1:'), plain.steps[0]?.word], [true, 'skipped']);
});

test('follows routes, pools, their plugins and fallbacks, as they are now', async () => {
  const [, retried] = await explain({ url: '/api/x', answer: 'CONNECT_FAILED' });
  assert.equal(
    [retried.route, retried.sends[0]?.target, retried.response.code],
    ['api', '/x', 'CONNECT_FAILED'],
  );
  assert.ok(wordsOf(retried).includes('pool:api/concurrency-limit passed'));
  const server = '/pools/api/servers/127.0.0.1/1';
  const disabled = await fetch(`${weldr.adminUrl}${server}`, {
    method: 'PATCH',
    body: '{"state":"disabled"}',
  });
  assert.is(disabled.status, 200);
  const [, fallback] = await explain({ url: '/api/x' });
  assert.is(fallback.server, origin.url);
  assert.ok(fallback.steps.some(({ why }) => why === 'the fallback of pool api'));
  await fetch(`${weldr.adminUrl}/routes/new`, {
    method: 'PUT',
    body: '{"path":"/new","redirect":{"to":"/"}}',
  });
  for (let n = 0; n < 2; n++) {
    const [, { route, response }] = await explain({ url: '/new' });
    assert.equal([route, response.status, response.by], ['new', 302, 'plugin']);
  }
});

test('reports a request that a limit refuses', async () => {
  const [, { response }] = await explain({
    url: '/',
    method: 'POST',
    headers: { 'Content-Length': '2000000' },
  });
  assert.equal([response.status, response.code], [413, 'BODY_TOO_LARGE']);
});

test('says what is wrong with a request that cannot be explained', async () => {
  const cases: [body: object, field: string, detail: RegExp][] = [
    [{}, 'url', /url/],
    [{ url: 'ftp://x/' }, 'url', /expected one such as/],
    [{ url: '/', listener: 'pubic' }, 'listener', /did you mean "public"/],
    [{ url: '/', answer: 99 }, 'answer', /200/],
    [{ url: '/', answer: 'NO_UPSTREAM' }, 'answer', /CONNECT_FAILED/],
    [{ url: '/', client: '::1' }, 'client', /no such option; did you mean clientIp/],
  ];
  for (const [body, field, detail] of cases) {
    const [status, answer] = await explain(body);
    assert.equal([status, answer.field], [400, field]);
    assert.match(answer.detail ?? '', detail);
  }
});
