// The passive-health plugin: both sides together, as a manager and its workers.
import * as assert from 'uvu/assert';
import type { ErrorCode } from '../../../core/errors.ts';
import {
  FakeClock,
  managerSide,
  type RunOptions,
  settle,
  type TestManagerSide,
  type TestWorkerSide,
  type UpstreamAnswer,
  workerSide,
} from '../../../core/testing.ts';
import { ipFilter } from '../../../plugins/ip-filter/index.ts';
import { type PassiveHealthOptions, passiveHealth } from '../../../plugins/passive-health/index.ts';
import { retry } from '../../../plugins/retry/index.ts';
import { roundRobin } from '../../../plugins/round-robin/index.ts';
import { seriesOf } from '../../support/series.ts';
import { suite } from '../../support/suite.ts';

const test = suite('passive-health');

const urls = ['http://a:1', 'http://b:1', 'http://c:1', 'http://d:1'];
const [bad = ''] = urls;

interface Setup {
  readonly manager: TestManagerSide;
  readonly workers: readonly TestWorkerSide[];
  readonly clock: FakeClock;
}

async function start(
  options: PassiveHealthOptions = {},
  { servers = urls, workers = 1 }: { servers?: readonly string[]; workers?: number } = {},
): Promise<Setup> {
  const clock = new FakeClock();
  const manager = await managerSide(passiveHealth(options), { servers, clock });
  const sides: TestWorkerSide[] = [];
  for (let id = 1; id <= workers; id++) {
    sides.push(await workerSide([passiveHealth(options), roundRobin()], { manager, id }));
  }
  await settle();
  return { manager, workers: sides, clock };
}

/** Runs requests until `count` of them went to `url`, which answers `answer`; all other upstreams answer 200. */
async function send(
  side: TestWorkerSide | undefined,
  url: string,
  count: number,
  answer: UpstreamAnswer,
  request: RunOptions = {},
): Promise<void> {
  if (side === undefined) throw new Error('there is no such worker');
  let target = '';
  const remove = tapOnce(side, chosen => {
    target = chosen;
  });
  for (let had = 0, tries = 0; had < count; tries++) {
    if (tries > count * 50) throw new Error(`${url} gets no requests`);
    let resolve: (answer: UpstreamAnswer) => void = () => {};
    const pending = new Promise<UpstreamAnswer>(done => {
      resolve = done;
    });
    const running = side.run({ ...request, answers: [pending] });
    if (target === url) had++;
    resolve(target === url ? answer : 200);
    await running;
  }
  remove();
  await settle();
}

const seen = new WeakMap<TestWorkerSide, { tell: (url: string) => void }>();

/** Reports which upstream a request goes to, before it is answered. */
function tapOnce(side: TestWorkerSide, tell: (url: string) => void): () => void {
  const known = seen.get(side);
  if (known !== undefined) known.tell = tell;
  else {
    const made = { tell };
    seen.set(side, made);
    side.hooks.preProxy.tap('test', ctx => {
      made.tell(ctx.upstream?.id ?? '');
      return undefined;
    });
  }
  return () => {
    const current = seen.get(side);
    if (current !== undefined) current.tell = () => {};
  };
}

const stateOf = ({ manager }: Setup, url: string): string | undefined =>
  manager.pools.get('default', url)?.upstream.state;
const reasonOf = ({ manager }: Setup, url: string): string =>
  manager.pools.get('default', url)?.upstream.record.reason ?? '';

test('ejects an upstream after failures in a row, in every worker', async () => {
  const setup = await start({}, { workers: 2 });
  const [first, second] = setup.workers;
  await send(first, bad, 4, 'CONNECT_FAILED');
  assert.is(stateOf(setup, bad), 'active');
  await send(first, bad, 1, 'CONNECT_FAILED');
  assert.is(stateOf(setup, bad), 'down');
  assert.match(reasonOf(setup, bad), /^passive-health: 5 failures in a row, the last: no connection/);
  assert.is(second?.pools.default.get(bad)?.state, 'down');
  const series = seriesOf(setup.manager.sums.collect());
  const key = `passive_health_ejections_total{pool="default",server="${bad}"}`;
  assert.equal([...series], [[key, 1]]);
});

test('starts counting again after a success', async () => {
  const setup = await start({ errorRate: 1 });
  const [worker] = setup.workers;
  for (let round = 0; round < 4; round++) {
    await send(worker, bad, 4, 'UPSTREAM_RESET');
    await send(worker, bad, 1, 200);
  }
  assert.is(stateOf(setup, bad), 'active');
});

test('ejects an upstream for its error rate among enough requests in the window', async () => {
  const setup = await start({ failures: 1000, errorRate: 0.5, minRequests: 20, window: '10s' });
  const [worker] = setup.workers;
  for (let n = 0; n < 9; n++) {
    await send(worker, bad, 1, 'BODY_CUT');
    await send(worker, bad, 1, 200);
  }
  assert.is(stateOf(setup, bad), 'active');
  setup.clock.advance(20_000);
  for (let n = 0; n < 9; n++) {
    await send(worker, bad, 1, 'BODY_CUT');
    await send(worker, bad, 1, 200);
  }
  await send(worker, bad, 1, 'BODY_CUT');
  assert.is(stateOf(setup, bad), 'active');
  await send(worker, bad, 1, 'BODY_CUT');
  assert.is(stateOf(setup, bad), 'down');
  assert.match(reasonOf(setup, bad), /11 of 20 requests failed within 10000 ms/);
});

test('never counts what a client caused', async () => {
  const codes: ErrorCode[] = [
    'BAD_REQUEST',
    'BAD_CHUNK',
    'REQUEST_TIMEOUT',
    'BODY_TOO_LARGE',
    'HEADERS_TOO_LARGE',
    'CLIENT_CLOSED',
  ];
  const setup = await start();
  for (const code of codes) await send(setup.workers[0], bad, 100, code);
  assert.is(stateOf(setup, bad), 'active');
});

test('never counts plugins, limits of Weldr, or the end of an idle connection', async () => {
  const codes: ErrorCode[] = [
    'PLUGIN_FAILED',
    'INTERNAL',
    'LOOP',
    'OVERLOADED',
    'UPSTREAM_BUSY',
    'QUEUE_TIMEOUT',
    'STALE_CONNECTION',
  ];
  const setup = await start();
  for (const code of codes) await send(setup.workers[0], bad, 20, code);
  assert.is(stateOf(setup, bad), 'active');
});

test('never counts an upstream that gave up on a body that did not arrive', async () => {
  const setup = await start();
  const [worker] = setup.workers;
  for (const bodyLength of [1000, -1]) {
    for (const code of ['UPSTREAM_RESET', 'RESPONSE_TIMEOUT'] as const) {
      await send(worker, bad, 20, code, { method: 'POST', bodyLength });
    }
  }
  assert.is(stateOf(setup, bad), 'active');
  await send(worker, bad, 5, 'RESPONSE_TIMEOUT', { method: 'POST' });
  assert.is(stateOf(setup, bad), 'down');
});

test('counts statuses only if configured', async () => {
  const silent = await start();
  await send(silent.workers[0], bad, 50, 503);
  assert.is(stateOf(silent, bad), 'active');
  const asked = await start({ statuses: [502, 503, 504] });
  await send(asked.workers[0], bad, 50, 500);
  assert.is(stateOf(asked, bad), 'active');
  await send(asked.workers[0], bad, 5, 503);
  assert.is(stateOf(asked, bad), 'down');
  assert.match(reasonOf(asked, bad), /status 503/);
});

test('counts slow answers if configured, unless a client was slow with the body', async () => {
  const slow = { status: 200, after: 2001 };
  const silent = await start();
  await send(silent.workers[0], bad, 10, slow);
  assert.is(stateOf(silent, bad), 'active');
  const asked = await start({ slow: '2s', window: '60s' });
  await send(asked.workers[0], bad, 10, { status: 200, after: 2000 });
  await send(asked.workers[0], bad, 10, slow, { method: 'POST', bodyLength: 100_000 });
  await send(asked.workers[0], bad, 10, slow, { method: 'POST', bodyLength: -1 });
  assert.is(stateOf(asked, bad), 'active');
  await send(asked.workers[0], bad, 5, slow);
  assert.is(stateOf(asked, bad), 'down');
  assert.match(reasonOf(asked, bad), /5 failures in a row, the last: status 200 after 2001 ms/);
});

test('brings an upstream back when its requests on probation succeed', async () => {
  const setup = await start({ ejection: '10s', passes: 3 });
  const [worker] = setup.workers;
  await send(worker, bad, 5, 'CONNECT_FAILED');
  await setup.clock.advanceAsync(9_999);
  assert.match(reasonOf(setup, bad), /out for 10000 ms/);
  await setup.clock.advanceAsync(1);
  assert.is(reasonOf(setup, bad), 'passive-health: on probation');
  await send(worker, bad, 2, 200);
  assert.is(stateOf(setup, bad), 'down');
  await send(worker, bad, 1, 200);
  assert.is(stateOf(setup, bad), 'active');
});

test('doubles the ejection each time it fails on probation, up to a limit', async () => {
  const setup = await start({ ejection: '10s', maxEjection: '60s' }, { workers: 2 });
  const [first, second] = setup.workers;
  await send(first, bad, 5, 'CONNECT_FAILED');
  for (const ms of [10_000, 20_000, 40_000, 60_000, 60_000]) {
    await setup.clock.advanceAsync(ms - 1);
    assert.match(reasonOf(setup, bad), new RegExp(`out for ${ms} ms`));
    await setup.clock.advanceAsync(1);
    assert.is(reasonOf(setup, bad), 'passive-health: on probation');
    await send(first, bad, 1, 'CONNECT_FAILED');
    assert.is(stateOf(setup, bad), 'down');
    // The other worker's probation has ended as well.
    const during = await second?.run();
    assert.is.not(during?.upstream?.id, bad);
  }
});

test('does not admit a client that a later filter denies while it tries an upstream', async () => {
  const clock = new FakeClock();
  const manager = await managerSide(passiveHealth(), { servers: urls, clock });
  const plugins = [passiveHealth(), ipFilter({ deny: ['203.0.113.0/24'] }), roundRobin(), retry()];
  const worker = await workerSide(plugins, { manager });
  await settle();
  await send(worker, bad, 5, 'CONNECT_FAILED', { method: 'POST', bodyLength: -1 });
  await clock.advanceAsync(10_000);
  for (let n = 0; n < 8; n++) {
    const { status, upstream } = await worker.run({ clientIp: '203.0.113.9' });
    assert.equal([status, upstream], [403, undefined]);
  }
  assert.is((await worker.run()).upstream?.id, bad);
});

test('gives an upstream on probation one request at a time from each worker', async () => {
  const setup = await start({}, { workers: 2 });
  const [first, second] = setup.workers;
  await send(first, bad, 5, 'CONNECT_FAILED');
  await setup.clock.advanceAsync(10_000);
  const { promise, resolve } = Promise.withResolvers<UpstreamAnswer>();
  const held = [first, second].map(side => side?.run({ answers: [promise] }));
  for (const side of [first, second]) {
    for (let n = 0; n < 8; n++) assert.is.not((await side?.run())?.upstream?.id, bad);
  }
  resolve(200);
  for (const running of held) assert.is((await running)?.upstream?.id, bad);
});

test('uses only requests for trials that can be retried elsewhere', async () => {
  const setup = await start();
  const [worker] = setup.workers;
  await send(worker, bad, 5, 'CONNECT_FAILED');
  await setup.clock.advanceAsync(10_000);
  const risky: RunOptions[] = [
    { method: 'POST' },
    { method: 'PATCH' },
    { method: 'PUT', bodyLength: 100 },
    { upgrade: 'websocket' },
  ];
  for (const request of risky) {
    for (let n = 0; n < 8; n++) assert.is.not((await worker?.run(request))?.upstream?.id, bad);
  }
  assert.is((await worker?.run())?.upstream?.id, bad);
});

test('brings an upstream back without a trial when no request arrives for one', async () => {
  const setup = await start();
  await send(setup.workers[0], bad, 5, 'CONNECT_FAILED');
  await setup.clock.advanceAsync(10_000);
  await setup.clock.advanceAsync(9_999);
  assert.is(stateOf(setup, bad), 'down');
  await setup.clock.advanceAsync(1);
  assert.is(stateOf(setup, bad), 'active');
});

test('waits for a trial that has begun, however long it takes', async () => {
  const setup = await start({ maxEjection: '5m' });
  const [worker] = setup.workers;
  await send(worker, bad, 5, 'CONNECT_FAILED');
  await setup.clock.advanceAsync(10_000);
  const { promise, resolve } = Promise.withResolvers<UpstreamAnswer>();
  const running = worker?.run({ answers: [promise] });
  await settle();
  await setup.clock.advanceAsync(60_000);
  assert.is(reasonOf(setup, bad), 'passive-health: on probation');
  resolve('RESPONSE_TIMEOUT');
  await running;
  await settle();
  assert.match(reasonOf(setup, bad), /failed on probation; out for 20000 ms/);
});

test('undoes one doubling for each ejection time without failures', async () => {
  const setup = await start({ ejection: '10s', passes: 1 });
  const [worker] = setup.workers;
  const failAndReturn = async (ms: number) => {
    await send(worker, bad, 5, 'CONNECT_FAILED');
    assert.match(reasonOf(setup, bad), new RegExp(`out for ${ms} ms`));
    await setup.clock.advanceAsync(ms);
    await send(worker, bad, 1, 200);
    assert.is(stateOf(setup, bad), 'active');
  };
  await failAndReturn(10_000);
  await failAndReturn(20_000);
  await failAndReturn(40_000);
  await setup.clock.advanceAsync(20_000);
  await failAndReturn(20_000);
  await setup.clock.advanceAsync(60_000);
  await failAndReturn(10_000);
});

test('never ejects more than the share, and never the last one', async () => {
  for (const [servers, most] of [
    [urls, 2],
    [urls.slice(0, 3), 1],
    [urls.slice(0, 2), 1],
    [urls.slice(0, 1), 0],
  ] as const) {
    const setup = await start({}, { servers });
    for (let n = 0; n < 200; n++) await setup.workers[0]?.run({ answers: ['CONNECT_FAILED'] });
    await settle();
    const out = servers.filter(url => stateOf(setup, url) === 'down').length;
    assert.is(out, most, `of ${servers.length}`);
  }
});

test('ejects others when the ejected ones are back, gone or removed', async () => {
  const setup = await start({ passes: 1 }, { workers: 2 });
  const [first, second] = setup.workers;
  const out = () => urls.filter(url => stateOf(setup, url) === 'down').length;
  const failAll = async () => {
    for (const side of [first, second]) {
      for (let n = 0; n < 100; n++) await side?.run({ answers: ['CONNECT_FAILED'] });
    }
    await settle();
  };
  await failAll();
  assert.is(out(), 2);
  await setup.clock.advanceAsync(10_000);
  for (let n = 0; n < 20; n++) await first?.run();
  await settle();
  assert.is(out(), 0);
  await setup.clock.advanceAsync(2_000);
  await failAll();
  assert.is(out(), 2);
  const gone = urls.find(url => stateOf(setup, url) === 'down') ?? '';
  await setup.manager.pools.remove('default', gone, { force: true });
  await setup.clock.advanceAsync(2_000);
  await failAll();
  // One of three: the one still ejected.
  assert.is(out(), 1);
});

test('never ejects the last available upstream, whatever took out the others', async () => {
  const setup = await start({ maxEjected: 1 });
  for (const url of urls.slice(1)) setup.manager.pools.verdict('default', url, 'check', 'failing');
  await send(setup.workers[0], bad, 20, 'CONNECT_FAILED');
  assert.is(stateOf(setup, bad), 'active');
  assert.not.ok(setup.manager.logs.some(({ msg }) => /took out/.test(String(msg))));
});

test('brings ejected upstreams back when no other is left', async () => {
  const setup = await start();
  await send(setup.workers[0], bad, 5, 'CONNECT_FAILED');
  for (const url of urls.slice(1, 3)) setup.manager.pools.verdict('default', url, 'check', 'failing');
  assert.is(stateOf(setup, bad), 'down');
  await setup.manager.pools.remove('default', 'http://d:1', { force: true });
  assert.is(stateOf(setup, bad), 'active');
});

test('leaves the decision to an active check that also reports a failure', async () => {
  const setup = await start();
  await send(setup.workers[0], bad, 5, 'CONNECT_FAILED');
  setup.manager.pools.verdict('default', bad, 'health-check', 'refused');
  await setup.clock.advanceAsync(10_000);
  assert.is(reasonOf(setup, bad), 'health-check: refused');
  assert.is.not((await setup.workers[0]?.run())?.upstream?.id, bad);
  setup.manager.pools.verdict('default', bad, 'health-check', undefined);
  assert.is(stateOf(setup, bad), 'active');
});

test('ignores a request that ends after its upstream was ejected', async () => {
  const setup = await start({ passes: 1 });
  const [worker] = setup.workers;
  const slow = Promise.withResolvers<UpstreamAnswer>();
  const late: Promise<unknown>[] = [];
  tapOnce(worker as TestWorkerSide, () => {});
  for (let n = 0; n < 16; n++) late.push(worker?.run({ answers: [slow.promise] }) ?? Promise.resolve());
  await send(worker, bad, 5, 'CONNECT_FAILED');
  await setup.clock.advanceAsync(10_000);
  slow.resolve('RESPONSE_TIMEOUT');
  await Promise.all(late);
  await settle();
  assert.is(reasonOf(setup, bad), 'passive-health: on probation');
  await send(worker, bad, 1, 200);
  assert.is(stateOf(setup, bad), 'active');
  await send(worker, bad, 4, 'CONNECT_FAILED');
  assert.is(stateOf(setup, bad), 'active');
});

test('sends a new worker which upstreams are on probation', async () => {
  const setup = await start({ passes: 1 });
  await send(setup.workers[0], bad, 5, 'CONNECT_FAILED');
  await setup.clock.advanceAsync(10_000);
  const late = await workerSide([passiveHealth({ passes: 1 }), roundRobin()], {
    manager: setup.manager,
    id: 2,
  });
  await settle();
  await send(late, bad, 1, 200);
  assert.is(stateOf(setup, bad), 'active');
});

test('continues across a reload: an ejection lasts its time, and the next one is doubled', async () => {
  const setup = await start();
  await send(setup.workers[0], bad, 5, 'CONNECT_FAILED');
  await setup.clock.advanceAsync(4_000);
  await setup.workers[0]?.close();
  await setup.manager.close();
  assert.is(setup.clock.pending, 0);
  const manager = await managerSide(passiveHealth(), { previous: setup.manager, clock: setup.clock });
  const worker = await workerSide([passiveHealth(), roundRobin()], { manager });
  const after = { ...setup, manager };
  await setup.clock.advanceAsync(5_999);
  assert.match(reasonOf(after, bad), /out for 10000 ms/);
  await setup.clock.advanceAsync(1);
  assert.is(reasonOf(after, bad), 'passive-health: on probation');
  await send(worker, bad, 1, 'CONNECT_FAILED');
  assert.match(reasonOf(after, bad), /out for 20000 ms/);
});

test('continues a probation across a reload', async () => {
  const setup = await start({ passes: 1 });
  await send(setup.workers[0], bad, 5, 'CONNECT_FAILED');
  await setup.clock.advanceAsync(10_000);
  await setup.workers[0]?.close();
  await setup.manager.close();
  const manager = await managerSide(passiveHealth({ passes: 1 }), {
    previous: setup.manager,
    clock: setup.clock,
  });
  const worker = await workerSide([passiveHealth({ passes: 1 }), roundRobin()], { manager });
  await settle();
  await send(worker, bad, 1, 200);
  assert.is(manager.pools.get('default', bad)?.upstream.state, 'active');
});

test('ejects the last server when a backup is available, and never the last backup', async () => {
  const clock = new FakeClock();
  const spare = 'http://b:1';
  const servers = [bad, { url: spare, backup: true }];
  const manager = await managerSide(passiveHealth(), { servers, clock });
  const worker = await workerSide([passiveHealth(), roundRobin()], { manager });
  await settle();
  await send(worker, bad, 5, 'CONNECT_FAILED');
  assert.is(manager.pools.get('default', bad)?.upstream.state, 'down');
  await send(worker, spare, 20, 'CONNECT_FAILED');
  assert.is(manager.pools.get('default', spare)?.upstream.state, 'active');
  await worker.close();
  await manager.close();
});

test('forgets a removed server, and everything at its end', async () => {
  const setup = await start();
  await send(setup.workers[0], bad, 5, 'CONNECT_FAILED');
  await setup.manager.pools.remove('default', bad, { force: true });
  assert.is(setup.clock.pending, 0);
  const { entry } = await setup.manager.pools.add('default', {
    url: bad,
    weight: 1,

    state: 'active',
  });
  assert.is(entry.upstream.state, 'active');
  await send(setup.workers[0], bad, 5, 'CONNECT_FAILED');
  assert.match(reasonOf(setup, bad), /out for 10000 ms/);
  await setup.workers[0]?.close();
  await setup.manager.close();
  assert.is(setup.clock.pending, 0);
});

test('refuses invalid options', async () => {
  for (const options of [
    { failures: 0 },
    { errorRate: 0 },
    { maxEjected: 2 },
    { ejection: '1ms' },
    { slow: 0 },
    { x: 1 },
  ]) {
    const thrown = await workerSide(passiveHealth(options as object)).catch(error => error);
    assert.is(thrown.code, 'CONFIG_INVALID');
  }
});
