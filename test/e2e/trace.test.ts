// Traces of real requests through two workers: what each plugin decided, over HTTP/1.1 and HTTP/2, with retries and refusals.
import { connect } from 'node:http2';
import * as assert from 'uvu/assert';
import { certificate, privateKey } from '../support/certificate.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { freePort } from '../support/ports.ts';
import { suite } from '../support/suite.ts';
import { runWeldr, startWeldr, type TestWeldr } from '../support/weldr.ts';

const test = suite('trace', { timeoutMs: 240_000 });

let origin: Origin;
let weldr: TestWeldr;
let securePort: number;

test.before(async () => {
  origin = await startOrigin({ name: 'here' });
  securePort = await freePort();
  const dead = await freePort();
  weldr = await startWeldr({
    files: { 'cert.pem': certificate, 'key.pem': privateKey },
    config: `
      import { defineConfig } from 'weldr';
      import { adminApi, headers, ipFilter, retry, roundRobin, routes } from 'weldr/plugins';
      export default defineConfig({
        listen: ['127.0.0.1:0', { name: 'public', address: '127.0.0.1:${securePort}',
          tls: { certificates: [{ cert: 'cert.pem', key: 'key.pem' }] } }],
        workers: 2, servers: ['${origin.url}'],
        pools: { flaky: ['http://127.0.0.1:${dead}', '${origin.url}'] },
        plugins: [
          headers({ request: { set: { 'X-Edge': 'one' } } }),
          routes([{ name: 'flaky', path: '/flaky/*', pool: 'flaky' }]),
          retry(), roundRobin(), adminApi({ listen: '127.0.0.1:${await freePort()}' }),
        ],
      });`,
  });
});
test.after(async () => {
  await weldr.stop();
  await origin.close();
});

interface Request {
  readonly worker: number;
  readonly method: string;
  readonly url: string;
  readonly steps: readonly { plugin: string; word: string; server?: string; status?: number; ms?: number }[];
  readonly response: { readonly status: number; readonly by: string };
}

async function begin(body: object): Promise<number> {
  const response = await fetch(`${weldr.adminUrl}/traces`, { method: 'POST', body: JSON.stringify(body) });
  assert.is(response.status, 201);
  const { id } = (await response.json()) as { id: number };
  return id;
}

async function read(id: number, after = 0): Promise<{ requests: Request[]; next: number; over: boolean }> {
  return (await (await fetch(`${weldr.adminUrl}/traces/${id}?wait&after=${after}`)).json()) as never;
}

const send = async (path: string, headers: Record<string, string> = {}): Promise<number> => {
  const response = await fetch(`${weldr.url}${path}`, { headers: { Connection: 'close', ...headers } });
  await response.arrayBuffer();
  return response.status;
};

const wordsOf = ({ steps }: Request): string[] =>
  steps.map(({ plugin, word, server, status }) => [plugin, word, server, status].filter(Boolean).join(' '));

/** Sends requests until a trace has one: workers know it a moment after the call is answered. */
async function traced(wish: object, path: string, headers: Record<string, string> = {}): Promise<Request> {
  const id = await begin({ ...wish, count: 1 });
  for (;;) {
    const done = read(id);
    await send(path, headers);
    await send(path, headers);
    const [request] = (await done).requests;
    if (request === undefined) continue;
    await fetch(`${weldr.adminUrl}/traces/${id}`, { method: 'DELETE' });
    return request;
  }
}

test('shows what plugins decided about a real request, and what the server answered', async () => {
  const request = await traced({ path: '/headers' }, '/headers?a=1', {
    Authorization: 'Basic dTpw',
    Cookie: 'a=b',
  });
  assert.equal(wordsOf(request), [
    'headers passed',
    'routes passed',
    `round-robin chose ${origin.url}`,
    'retry passed',
    `weldr sent ${origin.url} 200`,
    'retry passed',
    ...wordsOf(request).slice(6),
  ]);
  assert.equal([request.method, request.response.status, request.response.by], ['GET', 200, 'upstream']);
  assert.match(request.url, /\/headers\?a=1$/);
  assert.not.match(JSON.stringify(request), 'dTpw');
});

test('shows each attempt of a retried request', async () => {
  const where = { route: 'flaky', pool: 'flaky', server: new URL(origin.url).host };
  let request = await traced(where, '/flaky/x');
  for (let n = 0; n < 5 && !request.steps.some(({ word }) => word === 'retries'); n++) {
    request = await traced({ path: '/flaky/*' }, '/flaky/x');
  }
  const sent = request.steps.filter(({ word }) => word === 'sent');
  assert.equal(
    sent.map(({ status }) => status),
    [undefined, 200],
  );
  assert.is(request.response.status, 200);
});

test('contains only requests that match', async () => {
  const id4 = await begin({ status: '4xx', host: '127.0.0.1', path: '/status/*', count: 2 });
  const elsewhere = await begin({ host: '*.example', duration: '1s' });
  const nowhere = await begin({ server: '10.0.0.7:3000', duration: '1s' });
  let over = false;
  let requests: Request[] = [];
  while (!over) {
    const done = read(id4, requests.length);
    for (const status of [200, 404, 503]) await send(`/status/${status}`);
    const more = await done;
    requests = [...requests, ...more.requests];
    over = more.over;
  }
  assert.equal(
    requests.map(({ response }) => response.status),
    [404, 404],
  );
  for (const other of [elsewhere, nowhere]) assert.equal((await read(other)).requests, []);
  const id = await begin({ method: 'DELETE', duration: '1s' });
  await send('/');
  const none = await read(id);
  assert.equal([none.requests.length, none.over], [0, true]);
  for (const done of [id4, elsewhere, nowhere, id]) {
    await fetch(`${weldr.adminUrl}/traces/${done}`, { method: 'DELETE' });
  }
});

test('shows requests over HTTP/2', async () => {
  const id = await begin({ path: '/over-h2', count: 1 });
  const session = connect(`https://localhost:${securePort}`, { rejectUnauthorized: false });
  let requests: Request[] = [];
  for (let n = 0; n < 20 && requests.length === 0; n++) {
    await new Promise<void>((resolve, reject) => {
      const stream = session.request({ ':path': '/over-h2' });
      stream.on('error', reject).on('end', resolve).resume();
    });
    const done = await read(id);
    requests = done.requests;
  }
  session.close();
  await fetch(`${weldr.adminUrl}/traces/${id}`, { method: 'DELETE' });
  assert.match(requests[0]?.url ?? '', /^https:\/\/localhost:\d+\/over-h2$/);
  assert.ok(requests.flatMap(wordsOf).includes('headers passed'));
});

test('can be ended, is limited in number, and is refused when invalid', async () => {
  const ids = await Promise.all([1, 2, 3, 4].map(() => begin({ path: '/nowhere' })));
  const refused = await fetch(`${weldr.adminUrl}/traces`, { method: 'POST', body: '{}' });
  assert.is(refused.status, 409);
  for (const id of ids) {
    assert.is((await fetch(`${weldr.adminUrl}/traces/${id}`, { method: 'DELETE' })).status, 204);
  }
  assert.is((await fetch(`${weldr.adminUrl}/traces/${ids[0]}`)).status, 404);
  const wrong = await fetch(`${weldr.adminUrl}/traces`, { method: 'POST', body: '{"status":"6xx"}' });
  assert.is(wrong.status, 400);
});

test('is printed live by weldr trace, over a reload', async () => {
  const env = { WELDR_ADMIN: weldr.adminUrl };
  const logged = weldr.logs.length;
  const wish = ['--path', '/status/*', '--status', '5xx', '--count', '2', '--duration', '5m'];
  const running = runWeldr(['trace', ...wish], { env });
  let isOver = false;
  void running.then(() => {
    isOver = true;
  });
  await weldr.logged(({ msg }) => msg === 'POST /traces 201', { from: logged });
  await send('/status/503');
  weldr.signal('SIGHUP');
  await weldr.logged(({ msg }) => msg === 'reloaded', { timeoutMs: 60_000 });
  while (!isOver) {
    await send('/status/503');
    await send('/status/200');
  }
  const { code, stdout } = await running;
  assert.is(code, 0);
  assert.is(stdout.match(/^GET \S+\/status\/503 from/gm)?.length, 2);
  assert.match(stdout, /answers 503/);
  const none = await runWeldr(['trace', '--path', '/never', '--duration', '1s', '--json'], { env });
  assert.equal([none.code, none.stdout], [1, '']);
  assert.is((await runWeldr(['trace', '--count', 'all'], { env })).code, 2);
});

test('is printed by weldr trace for only one route, pool and server', async () => {
  const logged = weldr.logs.length;
  const wish = ['--route', 'flaky', '--pool', 'flaky', '--server', origin.url, '--count', '1', '--json'];
  const running = runWeldr(['trace', ...wish], { env: { WELDR_ADMIN: weldr.adminUrl } });
  let isOver = false;
  void running.then(() => {
    isOver = true;
  });
  await weldr.logged(({ msg }) => msg === 'POST /traces 201', { from: logged });
  while (!isOver) {
    await send('/status/200');
    await send('/flaky/x');
  }
  const { code, stdout } = await running;
  assert.is(code, 0);
  const { url, route, pool, server }: Record<string, unknown> = JSON.parse(stdout);
  assert.match(String(url), /\/flaky\/x$/);
  assert.equal([route, pool, server], ['flaky', 'flaky', origin.url]);
});
