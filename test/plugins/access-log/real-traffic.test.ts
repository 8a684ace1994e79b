// The access log of a real Weldr with two workers: the log alone says how each request ended.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { connect } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { withId } from '../../../config/index.ts';
import { accessLog, roundRobin } from '../../../plugins/index.ts';
import { withWeldr } from '../../support/embedded-weldr.ts';
import { h2Exchange } from '../../support/h2-exchange.ts';
import { type Origin, startOrigin } from '../../support/origin.ts';
import { freePort } from '../../support/ports.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { startWeldr, type TestWeldr } from '../../support/weldr.ts';
import { RawClient } from '../../wire/support/raw-client.ts';
import { valuesOf } from '../../wire/support/strict-message.ts';

const test = suite('access-log with real traffic', { timeoutMs: 240_000 });

interface LoggedAttempt {
  readonly upstream: string;
  readonly status?: number;
  readonly code?: string;
  readonly error?: string;
  readonly reused: boolean;
  readonly queue: number;
  readonly connect: number;
  readonly firstByte?: number;
  readonly total: number;
}

interface LoggedRequest {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly protocol: string;
  readonly route?: string;
  readonly pool: string;
  readonly status: number;
  readonly by: string;
  readonly plugin?: string;
  readonly code?: string;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly ms: { readonly plugins: number; readonly queue: number; readonly total: number };
  readonly attempts: readonly LoggedAttempt[];
}

let folder = '';
let file = '';
let dead = '';
let origin: Origin;
let weldr: TestWeldr;

test.before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'access-log-'));
  file = join(folder, 'access.log');
  dead = `http://127.0.0.1:${await freePort()}`;
  origin = await startOrigin();
  weldr = await startWeldr({
    workers: 2,
    config: `
import { defineConfig, when, withId } from 'weldr';
import { accessLog, ipFilter, requestId, retry, roundRobin, routes } from 'weldr/plugins';
export default defineConfig({
  listen: { name: 'public', address: '127.0.0.1:0', h2c: true },
  pools: {
    default: ['${dead}', '${origin.url}'],
    broken: ['${dead}'],
    narrow: { servers: ['${origin.url}'], limits: { upstreamConnections: 1 } },
  },
  plugins: [
    requestId(),
    accessLog({ file: '${file}' }),
    withId('stdout', accessLog({ format: 'request {id} {method} {path} {status}' })),
    when({ path: '/admin/*' }, ipFilter({ deny: ['127.0.0.0/8'] })),
    { name: 'thinker', worker: ({ hooks }) => hooks.request.tapPromise('thinker', async ctx => {
      if (ctx.request.path === '/think') await new Promise(resolve => setTimeout(resolve, 30));
    }) },
    routes([
      { name: 'to-broken', path: '/broken', pool: 'broken' },
      { name: 'to-narrow', path: '/slow', pool: 'narrow' },
    ]),
    roundRobin(), retry(),
  ],
});`,
  });
});
test.after(async () => {
  await weldr.stop();
  await origin.close();
  rmSync(folder, { recursive: true, force: true });
});

function logged(): LoggedRequest[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  assert.is(lines.pop(), '');
  return lines.map(line => JSON.parse(line));
}

/** Resolves with the line of the request with this id, once it is written. */
async function lineOf(id: string | null | undefined): Promise<LoggedRequest> {
  let found: LoggedRequest | undefined;
  await until(`the request ${id} is logged`, () => {
    found = logged().find(line => line.id === id);
    return found !== undefined;
  });
  if (found === undefined) throw new Error('it was found');
  return found;
}

async function ask(path: string, init: RequestInit = {}): Promise<LoggedRequest> {
  const response = await fetch(weldr.url + path, init);
  await response.text();
  return await lineOf(response.headers.get('x-request-id'));
}

test('shows which upstream failed a request, why, and whether it was retried', async () => {
  // One in two begins with the dead server.
  let line = await ask('/');
  for (let tries = 0; line.attempts.length < 2 && tries < 10; tries++) line = await ask('/');
  assert.equal([line.status, line.by, line.pool], [200, 'upstream', 'default']);
  const [failed, served] = line.attempts;
  assert.equal([failed?.upstream, failed?.code], [dead, 'CONNECT_FAILED']);
  assert.match(failed?.error ?? '', 'ECONNREFUSED');
  assert.equal([served?.upstream, served?.status], [origin.url, 200]);
  const broken = await ask('/broken', { method: 'POST', body: 'abc' });
  assert.equal(
    [broken.status, broken.by, broken.code, broken.route, broken.pool],
    [502, 'weldr', 'CONNECT_FAILED', 'to-broken', 'broken'],
  );
  assert.equal(broken.attempts[0]?.upstream, dead);
  // Weldr's own log says the same about it, under the same id.
  await weldr.logged(record => record['requestId'] === broken.id && record['code'] === 'CONNECT_FAILED');
});

test('shows how long each phase took: plugins, queue, connect, the server', async () => {
  const thought = await ask('/think');
  assert.ok(thought.ms.plugins >= 29, JSON.stringify(thought.ms));
  assert.ok(thought.ms.queue < thought.ms.total);
  // Both on one connection, so with one worker, which has one connection to the server.
  const session = connect(weldr.url);
  const ids = await Promise.all(
    [60, 60].map(async ms => {
      const stream = session.request({ ':path': `/slow?ms=${ms}&token=abc` });
      const [head] = await once(stream, 'response');
      stream.resume();
      await once(stream, 'end');
      return String(head['x-request-id']);
    }),
  );
  session.close();
  const [first, second] = [await lineOf(ids[0]), await lineOf(ids[1])].sort(
    (a, b) => a.ms.queue - b.ms.queue,
  );
  assert.equal(
    [first?.protocol, first?.path, first?.route],
    ['HTTP/2.0', '/slow?ms=60&token=***', 'to-narrow'],
  );
  const [served, waited] = [first?.attempts[0], second?.attempts[0]];
  assert.ok((served?.firstByte ?? 0) >= 59, JSON.stringify(first));
  assert.ok((waited?.queue ?? 0) >= 40, JSON.stringify(second));
  assert.equal([served?.reused, waited?.reused, waited?.connect], [false, true, 0]);
  assert.ok((served?.connect ?? 0) > 0, JSON.stringify(first));
});

test('shows which plugin refused a request, or that it was malformed', async () => {
  const refused = await ask('/admin/x');
  assert.equal([refused.status, refused.by, refused.attempts], [403, 'plugin', []]);
  assert.match(refused.plugin ?? '', 'ip-filter');
  const client = await RawClient.open(Number(new URL(weldr.url).port));
  client.send('GET /x HTTP/1.1\r\nHost: a b\r\n\r\n');
  const [id] = valuesOf(await client.response(), 'x-request-id');
  client.close();
  const garbage = await lineOf(id);
  assert.equal([garbage.status, garbage.by, garbage.method, garbage.path], [400, 'weldr', '', '']);
  await weldr.logged(record => record['requestId'] === id && record['code'] === garbage.code);
});

test('shows how many bytes were sent in both directions', async () => {
  const large = await ask('/large?bytes=50000');
  assert.equal([large.bytesIn, large.bytesOut], [0, 50_000]);
  const echo = await ask('/echo', { method: 'PUT', body: 'x'.repeat(20_000) });
  assert.is(echo.bytesIn, 20_000);
  const { headers } = await h2Exchange(weldr.url, { ':path': '/large?bytes=100' });
  assert.is((await lineOf(String(headers['x-request-id']))).bytesOut, 100);
});

test('another instance writes to Weldr’s own log', async () => {
  const { id } = await ask('/stdout');
  await until('it is there', () => weldr.output.includes(`request ${id} GET /stdout 200\n`));
});

test('no line is torn or lost under load, when the file is renamed, and when Weldr stops', async () => {
  const before = logged().length;
  const clients = 8;
  const each = 40;
  const load = Array.from({ length: clients }, async (_, client) => {
    for (let i = 0; i < each; i++) await (await fetch(`${weldr.url}/load/${client}/${i}`)).text();
  });
  await until('some are there', () => logged().length > before + 20);
  renameSync(file, `${file}.1`);
  weldr.signal('SIGUSR1');
  await Promise.all(load);
  assert.is(await weldr.stop(), 0);
  const lines = [...readFileSync(`${file}.1`, 'utf8').split('\n'), ...readFileSync(file, 'utf8').split('\n')];
  const loads = lines
    .filter(line => line !== '')
    .map(line => JSON.parse(line))
    .filter(({ path }) => path.startsWith('/load/'));
  assert.is(new Set(loads.map(({ path }) => path)).size, clients * each);
  assert.is(loads.length, clients * each);
});

test('requests do not suffer from a full disk, a missing folder, or a FIFO without a reader', async () => {
  execFileSync('mkfifo', [join(folder, 'fifo')]);
  const files = ['/dev/full', join(folder, 'missing/access.log'), join(folder, 'fifo'), folder];
  const plugins = [...files.map((path, n) => withId(`n${n}`, accessLog({ file: path }))), roundRobin()];
  await withWeldr({ servers: [origin.url], plugins }, async ({ url }) => {
    for (let i = 0; i < 20; i++) assert.is((await fetch(url)).status, 200);
  });
});
