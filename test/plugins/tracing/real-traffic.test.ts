// tracing in a real Weldr, with a real receiver of OTLP: the spans of requests over HTTP/1.1, HTTP/2 and gRPC, at a reload and at
// a stop, and a Weldr whose receiver is away or whose packages are missing.
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import * as assert from 'uvu/assert';
import { fetchOnce } from '../../support/fetch-once.ts';
import { type GrpcServer, grpcClient, startGrpcServer, unary } from '../../support/grpc.ts';
import { h2Exchange } from '../../support/h2-exchange.ts';
import { type Origin, startOrigin } from '../../support/origin.ts';
import { freePort } from '../../support/ports.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { startWeldr, type TestWeldr } from '../../support/weldr.ts';
import { RawClient } from '../../wire/support/raw-client.ts';
import { valuesOf } from '../../wire/support/strict-message.ts';
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from './otlp-receiver.ts';

const test = suite('tracing with real traffic', { timeoutMs: 240_000 });

const project = resolve(import.meta.dirname, '../../..');
const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parentId = '00f067aa0ba902b7';

let receiver: OtlpReceiver;
let origin: Origin;
let grpc: GrpcServer;
let dead = '';
let weldr: TestWeldr;
/** The traceparent fields that the servers received, in order. */
const told: (string | undefined)[] = [];

const configOf = (exporter: string): string => `
import { defineConfig, when } from 'weldr';
import { ipFilter, requestId, retry, roundRobin, routes, tracing } from 'weldr/plugins';
export default defineConfig({
  listen: { name: 'public', address: '127.0.0.1:0', h2c: true },
  forwarded: { trusted: ['127.0.0.2'] },
  pools: {
    default: ['${origin.url}'],
    shaky: { servers: [{ url: '${dead}', weight: 100 }, '${origin.url}'] },
    grpc: ['${grpc.url.replace('http:', 'h2c:')}'],
  },
  plugins: [
    when({ path: '/admin/*' }, ipFilter({ deny: ['127.0.0.0/8'] })),
    requestId(),
    routes([
      { name: 'shaky', path: '/shaky/*', pool: 'shaky' },
      { name: 'shop', path: '/test.Shop/*', pool: 'grpc' },
    ]),
    roundRobin(), retry(),
    tracing({ exporter: { url: '${receiver.url}', ${exporter} } }),
  ],
});`;

test.before(async () => {
  receiver = await startOtlpReceiver();
  origin = await startOrigin({
    handle(request, response) {
      told.push(String(request.headers['traceparent']));
      response.end('served');
    },
  });
  grpc = await startGrpcServer({
    unary(call: { metadata: { get(name: string): unknown[] } }, done: (error: null, answer: Buffer) => void) {
      told.push(String(call.metadata.get('traceparent')[0]));
      done(null, Buffer.from('served'));
    },
  });
  dead = `http://127.0.0.1:${await freePort()}`;
  weldr = await startWeldr({ workers: 2, config: configOf("interval: '20ms'") });
});
test.after(async () => {
  await weldr.stop();
  await Promise.all([origin.close(), receiver.close()]);
  grpc.close();
});

/** The spans of a trace, once that of the request is there: it is the last one that is made. */
async function traced(id: string): Promise<{ server: ReceivedSpan; clients: ReceivedSpan[] }> {
  let found = receiver.trace(id);
  await until(`the trace ${id} is received`, () => {
    found = receiver.trace(id);
    return found.server !== undefined;
  });
  const { server, clients } = found;
  if (server === undefined) throw new Error('it was received');
  return { server, clients };
}

test('a request that is tried twice has its span and those of both attempts, and the server receives the last one', async () => {
  const response = await fetchOnce(`${weldr.url}/shaky/a?token=abc`);
  const { server, clients } = await traced(response.headers.get('x-request-id') ?? '');
  const [failed, served] = clients;
  assert.equal([server.name, server.parentId], ['GET /shaky/*', '']);
  assert.equal([failed?.parentId, served?.parentId, clients.length], [server.spanId, server.spanId, 2]);
  assert.is(told.at(-1), `00-${server.traceId}-${served?.spanId}-01`);
  assert.equal(
    [failed?.attributes['weldr.upstream'], failed?.attributes['error.type'], failed?.isError],
    [dead, 'CONNECT_FAILED', true],
  );
  assert.equal(
    [served?.attributes['url.full'], served?.attributes['http.response.status_code']],
    [`${origin.url}/shaky/a`, 200],
  );
  assert.equal(
    [served?.attributes['server.address'], served?.attributes['server.port']],
    ['127.0.0.1', origin.port],
  );
  assert.ok(server.startedAt <= (failed?.startedAt ?? 0n) && server.finishedAt >= (served?.finishedAt ?? 0n));
  const now = BigInt(Date.now()) * 1_000_000n;
  assert.ok(server.startedAt > now - 60_000_000_000n && server.finishedAt <= now + 1_000_000_000n);
  assert.ok(Number(served?.attributes['weldr.first_byte_ms']) > 0);
  assert.is(server.resource['service.name'], 'weldr');
});

test('HTTP/2 and gRPC requests have the same spans', async () => {
  const answer = await h2Exchange(weldr.url);
  const { server, clients } = await traced(String(answer.headers['x-request-id']));
  assert.equal([server.attributes['network.protocol.version'], clients.length], ['2', 1]);
  assert.is(told.at(-1), `00-${server.traceId}-${clients[0]?.spanId}-01`);
  const client = grpcClient(Number(new URL(weldr.url).port));
  try {
    const outcome = await unary(client, Buffer.from('a'));
    assert.is(outcome.status.code, 0);
    const call = await traced(String(outcome.head?.get('x-request-id')[0]));
    assert.is(call.server.name, 'POST /test.Shop/*');
    assert.is(told.at(-1), `00-${call.server.traceId}-${call.clients[0]?.spanId}-01`);
  } finally {
    client.close();
  }
});

test('the trace of a trusted proxy is continued, and no other', async () => {
  const port = Number(new URL(weldr.url).port);
  const send = async (from: string, flags: string, id: string): Promise<string | undefined> => {
    const client = await RawClient.open(port, '127.0.0.1', from);
    client.send(`GET / HTTP/1.1\r\nHost: a.test\r\nTraceparent: 00-${id}-${parentId}-${flags}\r\n\r\n`);
    assert.match((await client.response()).line, / 200 /);
    client.close();
    return told.at(-1);
  };
  const seen = await send('127.0.0.2', '01', traceId);
  const { server, clients } = await traced(traceId);
  assert.is(server.parentId, parentId);
  assert.is(seen, `00-${traceId}-${clients[0]?.spanId}-01`);
  const unsampled = traceId.replace('4b', '4c');
  assert.is(await send('127.0.0.2', '00', unsampled), `00-${unsampled}-${parentId}-00`);
  const stranger = traceId.replace('4b', '4d');
  const [, own = ''] = /^00-([0-9a-f]{32})-/.exec((await send('127.0.0.1', '01', stranger)) ?? '') ?? [];
  assert.is((await traced(own)).server.parentId, '');
  for (const id of [unsampled, stranger]) assert.is(receiver.trace(id).server, undefined);
});

test('replies of plugins and refused requests have spans without attempts', async () => {
  const denied = await fetchOnce(`${weldr.url}/admin/x`);
  const { server, clients } = await traced(denied.headers.get('x-request-id') ?? '');
  assert.equal(
    [server.attributes['http.response.status_code'], server.attributes['weldr.plugin'], server.isError],
    [403, 'when:path=/admin/*/ip-filter', false],
  );
  assert.equal(clients, []);
  const client = await RawClient.open(Number(new URL(weldr.url).port));
  client.send('GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n');
  const [id = ''] = valuesOf(await client.response(), 'x-request-id');
  client.close();
  const refused = await traced(id);
  assert.equal(
    [refused.server.attributes['http.response.status_code'], refused.server.attributes['error.type']],
    [400, 'BAD_REQUEST'],
  );
  assert.is(refused.server.isError, false);
});

test('no span is lost at a reload and at a stop, even after workers died', async () => {
  const lazy = await startWeldr({ workers: 1, config: configOf("interval: '10m'") });
  try {
    const ask = async (): Promise<string> => (await fetchOnce(lazy.url)).headers.get('x-request-id') ?? '';
    const first = [await ask(), await ask()];
    lazy.signal('SIGHUP');
    await lazy.logged(({ msg }) => msg === 'reloaded');
    for (const id of first) await traced(id);
    const [worker = 0] = lazy.workers();
    process.kill(worker, 'SIGKILL');
    await until('the worker is replaced', () => lazy.workers().length === 1 && lazy.workers()[0] !== worker);
    const last = await ask();
    assert.is(receiver.trace(last).server, undefined);
    assert.is(await lazy.stop({ keep: true }), 0);
    assert.is(receiver.trace(last).clients.length, 1);
    assert.not.ok(lazy.logs.some(({ msg }) => /span/.test(msg)));
  } finally {
    await lazy.stop();
  }
});

test('a silent receiver stops neither requests nor the end of Weldr, and dropped spans are logged', async () => {
  const silent = await startOtlpReceiver();
  silent.status = 0;
  const config = configOf("interval: '10ms'").replace(receiver.url, silent.url);
  const deaf = await startWeldr({ workers: 1, config });
  try {
    for (let n = 0; n < 5; n++) assert.is((await fetchOnce(deaf.url)).status, 200);
    await until('spans are sent', () => silent.heads.length > 0);
    assert.is(await deaf.stop(), 0);
    const said = deaf.logs.filter(({ msg }) => /spans were dropped/.test(msg));
    assert.equal(
      said.map(({ dropped }) => dropped),
      [10],
    );
  } finally {
    await deaf.stop();
    await silent.close();
  }
});

test('missing packages are named at a check and at a start', async () => {
  const root = mkdtempSync(join(tmpdir(), 'weldr-untraced-'));
  for (const name of ['bin', 'config', 'core', 'plugins', 'package.json']) {
    cpSync(join(project, name), join(root, name), { recursive: true });
  }
  mkdirSync(join(root, 'node_modules'));
  for (const name of readdirSync(join(project, 'node_modules'))) {
    if (name === '@opentelemetry') continue;
    symlinkSync(join(project, 'node_modules', name), join(root, 'node_modules', name));
  }
  const message =
    /plugins\[5\]: tracing\(\) needs packages that are not installed where Weldr is, @opentelemetry\/api, .*: run npm install @opentelemetry\/api@1 @opentelemetry\/sdk-trace@3 /;
  const config = configOf('');
  const untraced = await startWeldr({ root, config, noWait: true });
  try {
    assert.is.not(await untraced.exited, 0);
    assert.match(untraced.output + JSON.stringify(untraced.logs), message);
    const args = ['-C', 'weldr-source', join(root, 'bin/weldr.ts'), 'check'];
    const check = await promisify(execFile)(process.execPath, args, { cwd: untraced.folder }).then(
      ({ stdout }) => stdout,
      (failure: { stdout: string; stderr: string }) => failure.stdout + failure.stderr,
    );
    assert.match(check, message);
  } finally {
    await untraced.stop();
    rmSync(root, { recursive: true, force: true });
  }
});
