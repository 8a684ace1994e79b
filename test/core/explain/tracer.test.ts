// Tracer and Traces: what is recorded of real requests, for how long, and that it costs nothing otherwise.
import * as assert from 'uvu/assert';
import type { Explanation } from '../../../core/explain/explanation.ts';
import { traceInput } from '../../../core/explain/trace.ts';
import { Tracer } from '../../../core/explain/tracer.ts';
import { parse } from '../../../core/options/options.ts';
import type { ManagerMessage } from '../../../core/process/messages.ts';
import { Traces } from '../../../core/process/traces.ts';
import { FakeClock, settle, workerSide } from '../../../core/testing.ts';
import { roundRobin } from '../../../plugins/round-robin/index.ts';
import { suite } from '../../support/suite.ts';

const test = suite('traces');

const wish = (fields: object = {}) => parse(traceInput, fields);

async function start() {
  const side = await workerSide(roundRobin(), { upstreams: ['http://a:1'] });
  const told: [trace: number, explanation: Explanation][] = [];
  const tracer = new Tracer({
    stages: side.stages,
    now: () => side.clock.monotonic(),
    deliver: (...traced) => void told.push(traced),
  });
  return { side, tracer, told };
}

test('leave stages unchanged before and after a trace', async () => {
  const { side, tracer, told } = await start();
  const tapsOf = () =>
    [side.stages.plain.selectUpstream, side.stages.plain.finished].flatMap(({ taps }) => taps);
  const before = tapsOf();
  await side.run();
  tracer.want([{ ...wish(), id: 1 }]);
  assert.is(tapsOf().length, before.length + 2);
  await side.run();
  tracer.want([]);
  assert.equal(
    tapsOf().map(({ fn }) => fn),
    before.map(({ fn }) => fn),
  );
  await side.run();
  assert.is(told.length, 1);
  await side.close();
});

test('record matching requests up to their number, but none that is only explained', async () => {
  const { side, tracer, told } = await start();
  tracer.want([
    { ...wish({ path: '/a/*', count: 2 }), id: 1 },
    { ...wish({ host: '*.example.com', method: 'put' }), id: 2 },
    { ...wish({ status: '503' }), id: 3 },
  ]);
  for (let n = 0; n < 3; n++) await side.run({ target: '/a/x?y' });
  await side.run({ target: '/b', host: 'www.example.com:8080', method: 'PUT' });
  await side.run({ target: '/b', host: 'example.com', method: 'PUT' });
  await side.run({ answers: [503] });
  await side.run({ answers: ['CONNECT_FAILED'] });
  await side.explain({ target: '/a/x' });
  assert.equal(
    told.map(([trace, { url }]) => [trace, url]),
    [
      [1, 'http://example.com/a/x?y'],
      [1, 'http://example.com/a/x?y'],
      [2, 'http://www.example.com:8080/b'],
      [3, 'http://example.com/'],
    ],
  );
  const last = told.at(-1)?.[1];
  assert.equal(
    last?.steps.map(({ plugin, word, status }) => [plugin, word, status]),
    [
      ['round-robin', 'chose', undefined],
      ['weldr', 'sent', 503],
    ],
  );
  await side.close();
});

test('include requests whose plugins are measured', async () => {
  for (const first of ['measured', 'traced']) {
    const { side, tracer, told } = await start();
    const measured: string[] = [];
    const measure = () =>
      side.stages.measure({ every: 1, took: (plugin, stage) => void measured.push(`${plugin} ${stage}`) });
    if (first === 'measured') measure();
    tracer.want([{ ...wish(), id: 1 }]);
    if (first === 'traced') measure();
    await side.run();
    assert.equal([told.length, measured], [1, ['round-robin selectUpstream']]);
    tracer.want([]);
    await side.run();
    assert.equal([told.length, measured.length], [1, 2]);
    await side.close();
  }
});

test('do not disturb requests that were under way when the trace began or ended', async () => {
  const { side, tracer, told } = await start();
  const held = Promise.withResolvers<200>();
  const early = side.run({ answers: [held.promise] });
  await settle();
  tracer.want([{ ...wish(), id: 1 }]);
  const late = side.run({ answers: [held.promise] });
  await settle();
  tracer.want([]);
  held.resolve(200);
  assert.equal([(await early).status, (await late).status, told.length], [200, 200, 0]);
  await side.close();
});

function manager() {
  const clock = new FakeClock();
  const told: ManagerMessage[] = [];
  const traces = new Traces({ clock, tell: message => void told.push(message) });
  const wishes = () => {
    const last = told.at(-1);
    return last?.type === 'traces' ? last.traces.map(({ id }) => id) : [];
  };
  return { clock, traces, wishes };
}

const explanation: Explanation = {
  method: 'GET',
  url: '/',
  clientIp: '127.0.0.1',
  listener: '',
  steps: [],
  pool: 'default',
  sends: [],
  response: { status: 200, by: 'upstream', headers: [] },
  notes: [],
  ms: 0,
};

test('end after their number of requests in all workers, after their time, or without a reader', async () => {
  const { clock, traces, wishes } = manager();
  const counted = traces.start(wish({ count: 2 }));
  const timed = traces.start(wish({ duration: '20s' }));
  const unread = traces.start(wish({ duration: '10m' }));
  assert.equal(wishes(), [counted, timed, unread]);
  for (const worker of [1, 2, 2]) traces.take(worker, counted, explanation);
  assert.equal(wishes(), [timed, unread]);
  const { requests, next, over } = await traces.read(counted, 1, 0);
  assert.equal([requests.map(({ worker }) => worker), next, over], [[2], 2, true]);
  clock.advance(20_000);
  assert.equal([wishes(), (await traces.read(timed, 0, 0)).over], [[unread], true]);
  clock.advance(11_000);
  assert.equal(wishes(), []);
  clock.advance(30_000);
  assert.is(traces.size, 0);
});

test('let a reader wait for the next request', async () => {
  const { clock, traces } = manager();
  const id = traces.start(wish());
  let read: number | undefined;
  void traces.read(id, 0, 10_000).then(({ requests }) => {
    read = requests.length;
  });
  clock.advance(100);
  await settle();
  assert.is(read, undefined);
  traces.take(1, id, explanation);
  clock.advance(100);
  await settle();
  assert.is(read, 1);
});
