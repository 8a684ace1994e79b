// metrics in isolation: the labels of counts, what leaves the output, and the formats of the text.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import * as assert from 'uvu/assert';
import { definePlugin } from 'weldr';
import { FakeClock, managerSide, type TestManagerSide, type TestWorkerSide, workerSide } from 'weldr/testing';
import { healthCheck, metrics, passiveHealth, requestId, retry } from '../../../plugins/index.ts';
import { exposition } from '../../../plugins/metrics/exposition.ts';
import { suite } from '../../support/suite.ts';
import { type Exposition, readExposition } from './exposition.ts';

const test = suite('metrics');

const a = 'http://10.0.0.1:3000';
const b = 'http://10.0.0.2:3000';
/** Workers report four times a second, and read gauges once. */
const told = 1_000;

interface Running {
  readonly manager: TestManagerSide;
  readonly worker: TestWorkerSide;
  readonly clock: FakeClock;
}

async function start(): Promise<Running> {
  const clock = new FakeClock();
  const plugins = [metrics(), retry()];
  const manager = await managerSide(plugins, { clock, servers: [{ url: a }, { url: b }] });
  const worker = await workerSide(plugins, { manager });
  return { manager, worker, clock };
}

async function text(manager: TestManagerSide, accept?: string): Promise<string> {
  const answer = await manager.admin('GET', '/metrics', undefined, accept === undefined ? {} : { accept });
  return String(answer.body);
}

async function read({ manager, clock }: Running): Promise<Exposition> {
  await clock.advance(told);
  return readExposition(await text(manager));
}

async function close({ manager, worker }: Running): Promise<void> {
  await worker.close();
  await manager.close();
}

/** The values under a name, by the labels that are not empty, without those left out. */
function valuesOf({ values, labels }: Exposition, name: string): Record<string, number> {
  const found: Record<string, number> = {};
  for (const [key, value] of values) {
    if (key !== name && !key.startsWith(`${name}{`)) continue;
    const pairs = Object.entries(labels.get(key) ?? {}).filter(([, own]) => own !== '' && own !== 'default');
    found[pairs.map(([, own]) => own).join(' ')] = value;
  }
  return found;
}

test('counts requests by method, status and protocol, and the attempts of each server', async () => {
  const running = await start();
  const { worker } = running;
  await worker.run();
  await worker.run({ method: 'POST', version: '2.0', answers: [404] });
  await worker.run({ method: 'BREW', answers: [799] });
  await worker.run({ answers: ['CONNECT_FAILED', 200] });
  const seen = await read(running);
  assert.equal(valuesOf(seen, 'weldr_requests_total'), {
    'GET 200 http/1.1': 2,
    'POST 404 http/2': 1,
    'other none http/1.1': 1,
  });
  assert.equal(valuesOf(seen, 'weldr_retries_total'), { connect_failed: 1 });
  assert.equal(valuesOf(seen, 'weldr_server_failures_total'), {
    [`${a} connect_failed`]: 1,
    [`${a} status_none`]: 1,
  });
  assert.is(seen.values.get('weldr_request_duration_seconds_count{pool="default",route=""}'), 4);
  assert.is(seen.values.get('weldr_upstream_first_byte_seconds_count{pool="default"}'), 4);
  await close(running);
});

test('counts connections and handshakes, refused ones by reason', async () => {
  const running = await start();
  const { connection, connectionFinished } = running.worker.stages.first;
  const facts = { remoteAddress: '192.0.2.1', remotePort: 1, localPort: 443, listener: 'https' };
  const tls = { sni: undefined, version: 'TLSv1.3', cipher: 'x', alpn: 'h2', clientCertificate: undefined };
  connection.call(facts);
  connection.call({ ...facts, tls: { ...tls, resumed: false } });
  connection.call({ ...facts, tls: { ...tls, resumed: true } });
  connectionFinished.call(facts);
  connectionFinished.call({ ...facts, refused: 'handshake' });
  connectionFinished.call({ ...facts, refused: 'limit' });
  const seen = await read(running);
  assert.equal(valuesOf(seen, 'weldr_client_connections_total'), { '': 3 });
  assert.equal(valuesOf(seen, 'weldr_tls_handshakes_total'), { full: 1, resumed: 1, failed: 1 });
  assert.equal(valuesOf(seen, 'weldr_client_connections_refused_total'), { handshake: 1, limit: 1 });
  await close(running);
});

test('names plugins that take long or fail, with their stage', async () => {
  const clock = new FakeClock();
  const plugins = [
    metrics({ stages: 2 }),
    definePlugin({
      name: 'slow',
      worker({ hooks }) {
        hooks.request.tapPromise('slow', async () => undefined);
        hooks.preProxy.tapAsync('slow', (_, done) => done());
        hooks.postProxy.tap('slow', ctx => {
          if (ctx.request.target === '/bad') throw new Error('no');
          return undefined;
        });
      },
    })(),
  ];
  const manager = await managerSide(plugins, { clock, servers: [{ url: a }] });
  const running = { manager, worker: await workerSide(plugins, { manager }), clock };
  for (const target of ['/', '/', '/bad', '/']) await running.worker.run({ target });
  const seen = await read(running);
  const taken = valuesOf(seen, 'weldr_plugin_stage_seconds_count');
  for (const stage of ['request', 'preProxy', 'postProxy']) assert.is(taken[`slow ${stage}`], 2, stage);
  assert.is(taken['metrics finished'], 2);
  assert.equal(valuesOf(seen, 'weldr_plugin_failures_total'), { 'slow postProxy': 1 });
  await close(running);
});

test('removed servers, pools and routes leave the output, and start at zero when they come back', async () => {
  const running = await start();
  const { manager, worker } = running;
  const attempts = async () => valuesOf(await read(running), 'weldr_server_attempts_total');
  await worker.run();
  assert.is((await attempts())[`${a} success`], 1);
  await manager.pools.remove('default', a);
  assert.equal(await attempts(), {});
  await manager.pools.add('default', { url: a, weight: 1, state: 'active' });
  await manager.pools.remove('default', b);
  await worker.run();
  await worker.run();
  assert.is((await attempts())[`${a} success`], 2);
  await close(running);
});

test('sums outlive workers and reloads; the gauges of a worker end with it', async () => {
  const running = await start();
  const { manager, worker, clock } = running;
  await worker.run();
  await clock.advance(told);
  worker.kill();
  const plugins = [metrics(), retry()];
  const second = await managerSide(plugins, { clock, previous: manager });
  const next = await workerSide(plugins, { manager: second });
  await next.run();
  const after = { manager: second, worker: next, clock };
  const seen = await read(after);
  assert.equal(valuesOf(seen, 'weldr_requests_total'), { 'GET 200 http/1.1': 2 });
  assert.is(seen.values.get('weldr_connections{protocol="h1",side="client",state="idle"}'), 0);
  await close(after);
});

test('a worker drops unused children, and continues their counts when they are used again', async () => {
  const running = await start();
  await running.worker.run({ answers: ['CONNECT_FAILED', 200] });
  await running.clock.advance(700_000);
  await running.worker.run({ answers: ['CONNECT_FAILED', 200] });
  const seen = await read(running);
  assert.equal(valuesOf(seen, 'weldr_requests_total'), { 'GET 200 http/1.1': 2 });
  assert.equal(valuesOf(seen, 'weldr_retries_total'), { connect_failed: 2 });
  assert.is(seen.values.get('weldr_upstream_first_byte_seconds_count{pool="default"}'), 2);
  assert.is(valuesOf(seen, 'weldr_server_attempts_total')[`${b} success`], 2);
  await close(running);
});

test('serves the text of Prometheus, or OpenMetrics to clients that ask for it', async () => {
  const running = await start();
  await running.worker.run();
  await running.clock.advance(told);
  const plain = await running.manager.admin('GET', '/metrics');
  assert.match(plain.contentType ?? '', /^text\/plain; version=0\.0\.4/);
  const accept = 'application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.3,*/*;q=0.1';
  const open = await text(running.manager, accept);
  assert.match(open, /# TYPE weldr_requests counter\nweldr_requests_total\{/);
  assert.match(open, /\n# EOF\n$/);
  assert.match(
    await text(running.manager, 'text/plain, application/openmetrics-text;q=0.5'),
    /# TYPE weldr_requests_total/,
  );
  await close(running);
});

test('a bucket names a request with an id from requestId()', async () => {
  const clock = new FakeClock();
  const plugins = [requestId(), metrics()];
  const manager = await managerSide(plugins, { clock, servers: [{ url: a }] });
  const worker = await workerSide(plugins, { manager });
  const { ctx } = await worker.run();
  await clock.advance(told);
  const open = await text(manager, 'application/openmetrics-text');
  assert.ok(ctx.id);
  assert.match(
    open,
    `weldr_request_duration_seconds_bucket{pool="default",route="",le="0.001"} 1 # {request_id="${ctx.id}"} 0 `,
  );
  await close({ manager, worker, clock });
});

test('OpenMetrics has exemplars with the ids of requests, unless an id is too long for it', async () => {
  const sample = {
    labels: {},
    buckets: [[1, 1] as const],
    sum: 9.5,
    count: 2,
    exemplars: new Map([
      [0, { id: 'a"b', value: 0.5, at: 7 }],
      [1, { id: 'x'.repeat(128), value: 9, at: 8 }],
    ]),
  };
  const { body } = await exposition(
    [{ name: 'h_seconds', help: 'x', type: 'histogram', samples: [sample] }],
    'application/openmetrics-text',
  );
  assert.is(
    body,
    '# HELP h_seconds x\n# TYPE h_seconds histogram\n' +
      'h_seconds_bucket{le="1"} 1 # {request_id="a\\"b"} 0.5 7\n' +
      'h_seconds_bucket{le="+Inf"} 2\nh_seconds_sum 9.5\nh_seconds_count 2\n# EOF\n',
  );
});

/** Metrics of other plugins, which the README lists below its table, are tested with those plugins. */
test('its README lists exactly the metrics that it exports', async () => {
  const plugins = [metrics(), retry(), passiveHealth(), healthCheck()];
  const clock = new FakeClock();
  const manager = await managerSide(plugins, { clock, servers: [{ url: a }, { url: b }] });
  const worker = await workerSide(plugins, { manager });
  await manager.hooks.leaderChanged.promise({ leading: true, leader: 'n1', until: 1 });
  await worker.run({ answers: ['CONNECT_FAILED', 200] });
  await clock.advance(told);
  const { types, helps } = readExposition(await text(manager));
  const exported = [...types]
    .map(([name, type]) => `${name} ${type}`)
    .filter(line => line.startsWith('weldr_'));
  const readme = readFileSync(new URL('../../../plugins/metrics/README.md', import.meta.url), 'utf8');
  const rows = [...readme.matchAll(/^\| `(weldr_\w+)` \| (\w+) \|/gm)].map(
    ([, name, type]) => `${name} ${type}`,
  );
  const unlit = rows.filter(row => !row.startsWith('weldr_certificate_not_after'));
  assert.equal(unlit.toSorted(), exported.toSorted());
  for (const [name, help] of helps) assert.match(help, /[.?]$/, name);
  await worker.close();
  await manager.close();
});

test('promtool finds no problem', async () => {
  const plugins = [metrics(), retry(), passiveHealth(), healthCheck()];
  const clock = new FakeClock();
  const manager = await managerSide(plugins, { clock, servers: [{ url: a }, { url: b }] });
  const worker = await workerSide(plugins, { manager });
  await manager.hooks.leaderChanged.promise({ leading: true, leader: 'n1', until: 1 });
  await worker.run({ answers: ['CONNECT_FAILED', 200] });
  await clock.advance(told);
  const input = await text(manager);
  execFileSync('promtool', ['check', 'metrics'], { input, stdio: ['pipe', 'pipe', 'pipe'] });
  await worker.close();
  await manager.close();
});
