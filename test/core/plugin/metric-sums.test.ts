// MetricSums: the counts of workers, added up; sent as JSON, as between processes.

import * as assert from 'uvu/assert';
import { MetricRecorder } from '../../../core/plugin/metric-recorder.ts';
import { MetricSums } from '../../../core/plugin/metric-sums.ts';
import type { Metrics } from '../../../core/plugin/metrics.ts';
import { randomOf } from '../../support/random.ts';
import { seriesOf } from '../../support/series.ts';
import { suite } from '../../support/suite.ts';

const test = suite('metric sums');

const log = { warn() {} };

/** A worker's metrics, which it sends to `sums` under its number. */
class TestWorker {
  readonly recorder = new MetricRecorder();
  readonly number: number;
  private readonly opened = new Map<string, Metrics>();
  private readonly sums: MetricSums;

  constructor(sums: MetricSums, number: number) {
    this.sums = sums;
    this.number = number;
  }

  of(instance: string): Metrics {
    const metrics = this.opened.get(instance) ?? this.recorder.open(instance, log);
    this.opened.set(instance, metrics);
    return metrics;
  }

  tell(most?: number): void {
    const deltas = this.recorder.take(most);
    if (deltas !== undefined) this.sums.add(this.number, JSON.parse(JSON.stringify(deltas)));
  }
}

function start(workers: number, instances = ['jwt']) {
  const sums = new MetricSums();
  sums.admit(instances);
  return { sums, workers: Array.from({ length: workers }, (_, n) => new TestWorker(sums, n + 1)) };
}

function shown(sums: MetricSums, labelOf?: (instance: string) => string | undefined): Record<string, number> {
  return Object.fromEntries(seriesOf(sums.collect(labelOf)));
}

const tries = { name: 'tries_total', help: 'Tries.', labels: ['how'] } as const;
const open = { name: 'open', help: 'Open ones.' } as const;
const wait = { name: 'wait_seconds', help: 'Waits.', buckets: [0.1, 1, 10] } as const;

test('add up three workers', () => {
  const { sums, workers } = start(3);
  for (const worker of workers) {
    const metrics = worker.of('jwt');
    metrics.counter(tries).labels('good').inc(worker.number);
    metrics.gauge(open).set(10 * worker.number);
    metrics.histogram(wait).observe(worker.number);
    worker.tell();
  }
  assert.equal(shown(sums), {
    'tries_total{how="good"}': 6,
    open: 60,
    'wait_seconds_bucket{le="0.1"}': 0,
    'wait_seconds_bucket{le="1"}': 1,
    'wait_seconds_bucket{le="10"}': 3,
    'wait_seconds_bucket{le="+Inf"}': 3,
    wait_seconds_sum: 6,
    wait_seconds_count: 3,
  });
});

test('show 0 for a metric that is defined and has not been counted yet', () => {
  const { sums, workers } = start(1);
  const metrics = workers[0]?.of('jwt');
  metrics?.counter({ name: 'a_total', help: 'x' });
  metrics?.counter(tries).labels('bad');
  metrics?.counter({ name: 'b_total', help: 'x', labels: ['y'] });
  workers[0]?.tell();
  assert.equal(shown(sums), { a_total: 0, 'tries_total{how="bad"}': 0 });
  assert.equal(
    sums.collect().map(({ name }) => name),
    ['a_total', 'tries_total', 'b_total'],
  );
});

test('count a value equal to a bucket’s bound in that bucket, and one above all bounds in +Inf', () => {
  const { sums, workers } = start(1);
  const histogram = workers[0]?.of('jwt').histogram(wait);
  for (const value of [-1, 0.1, 0.1000001, 1, 10, 10.5, 1e9]) histogram?.observe(value);
  workers[0]?.tell();
  const values = shown(sums);
  assert.equal(
    ['0.1', '1', '10', '+Inf'].map(le => values[`wait_seconds_bucket{le="${le}"}`]),
    [2, 4, 5, 7],
  );
  assert.is(values['wait_seconds_count'], 7);
  assert.ok(Math.abs((values['wait_seconds_sum'] ?? 0) - 1_000_000_020.7) < 1e-3);
});

test('drop the gauges of a worker when it ends, and keep what it counted', () => {
  const { sums, workers } = start(2);
  for (const worker of workers) {
    worker.of('jwt').gauge(open).inc(worker.number);
    worker
      .of('jwt')
      .gauge({ name: 'by', help: 'x', labels: ['worker'] })
      .labels(`${worker.number}`)
      .inc();
    worker.of('jwt').counter(tries).labels('good').inc();
    worker.of('jwt').histogram(wait).observe(0.5);
    worker.tell();
  }
  // What it counts from here on is lost.
  workers[0]?.of('jwt').counter(tries).labels('good').inc(100);
  sums.workerExited(1);
  const values = shown(sums);
  assert.is(values['open'], 2);
  assert.is(values['by{worker="1"}'], undefined);
  assert.is(values['by{worker="2"}'], 1);
  assert.is(values['tries_total{how="good"}'], 2);
  assert.is(values['wait_seconds_count'], 2);

  const replacement = new TestWorker(sums, 1);
  replacement.of('jwt').gauge(open).set(5);
  replacement.of('jwt').counter(tries).labels('good').inc();
  replacement.tell();
  assert.is(shown(sums)['open'], 7);
  assert.is(shown(sums)['tries_total{how="good"}'], 3);
  sums.workerExited(1);
  sums.workerExited(2);
  sums.workerExited(3);
  assert.is(shown(sums)['open'], 0);
});

test('show the current value of a gauge that changed in many steps', () => {
  const { sums, workers } = start(1);
  const gauge = workers[0]?.of('jwt').gauge(open);
  gauge?.inc();
  gauge?.inc(4);
  workers[0]?.tell();
  gauge?.dec(2);
  workers[0]?.tell();
  assert.is(shown(sums)['open'], 3);
  gauge?.set(-1.5);
  gauge?.dec();
  workers[0]?.tell();
  assert.is(shown(sums)['open'], -2.5);
});

test('include what the manager side counts at once, under the same names', () => {
  const { sums, workers } = start(1);
  workers[0]?.of('jwt').counter(tries).labels('good').inc();
  workers[0]?.tell();
  const first = sums.recordManager().open('jwt', log);
  first.counter(tries).labels('good').inc();
  first.gauge(open).set(3);
  assert.equal(shown(sums), { 'tries_total{how="good"}': 2, open: 3 });
  first.counter(tries).labels('good').inc();
  sums.recordManager().open('jwt', log).counter(tries).labels('good').inc();
  assert.equal(shown(sums), { 'tries_total{how="good"}': 4, open: 0 });
});

test('continue over a reload for an instance that stays, and forget one that is gone', () => {
  const { sums, workers } = start(1, ['stays', 'goes']);
  const [old] = workers;
  for (const instance of ['stays', 'goes']) {
    old
      ?.of(instance)
      .counter({ name: `${instance}_total`, help: 'x' })
      .inc(5);
  }
  old?.tell();
  sums.admit(['stays', 'comes']);
  assert.equal(shown(sums), { stays_total: 5, goes_total: 5 });
  const young = new TestWorker(sums, 2);
  for (const instance of ['stays', 'comes']) {
    young
      .of(instance)
      .counter({ name: `${instance}_total`, help: 'x' })
      .inc();
  }
  young.tell();
  sums.keep(['stays', 'comes'].values());
  for (const instance of ['stays', 'goes']) {
    old
      ?.of(instance)
      .counter({ name: `${instance}_total`, help: 'x' })
      .inc();
  }
  old?.of('goes').gauge(open).set(1);
  old?.tell();
  sums.workerExited(1);
  assert.equal(shown(sums), { stays_total: 7, comes_total: 1 });
});

test('show the shape of the youngest worker while old ones have another', () => {
  const { sums, workers } = start(2);
  const name = 'tries_total';
  const oldTries = workers[0]?.of('jwt').counter({ name, help: 'old' });
  oldTries?.inc(5);
  workers[0]?.tell();
  assert.equal(shown(sums), { tries_total: 5 });
  workers[1]
    ?.of('jwt')
    .counter({ ...tries, help: 'new' })
    .labels('good')
    .inc();
  workers[1]?.tell();
  oldTries?.inc(5);
  workers[0]?.tell();
  assert.equal(shown(sums), { 'tries_total{how="good"}': 1 });
  sums.workerExited(1);
  assert.equal(shown(sums), { 'tries_total{how="good"}': 1 });
  assert.is(sums.collect()[0]?.help, 'new');
  sums.workerExited(2);
  assert.equal(shown(sums), { 'tries_total{how="good"}': 1 });
});

test('show the shape of the youngest worker though an old one defines its own later', () => {
  const { sums, workers } = start(2);
  for (const worker of workers) {
    worker.of('jwt').gauge(open).set(1);
    worker.tell();
  }
  const young = workers[1]?.of('jwt').counter(tries).labels('good');
  young?.inc();
  workers[1]?.tell();
  workers[0]?.of('jwt').counter({ name: 'tries_total', help: 'x' }).inc();
  workers[0]?.tell();
  young?.inc();
  workers[1]?.tell();
  assert.equal(shown(sums), { open: 2, 'tries_total{how="good"}': 2 });
});

test('have no name or series twice, whatever instances define', () => {
  const { sums, workers } = start(1, ['a', 'b', 'c']);
  workers[0]?.of('a').counter(tries).labels('good').inc(1);
  workers[0]?.of('b').counter(tries).labels('good').inc(2);
  workers[0]?.of('a').histogram(wait).observe(1);
  workers[0]?.of('b').histogram(wait).observe(2);
  workers[0]
    ?.of('c')
    .gauge({ name: 'wait_seconds', help: 'Other.', labels: ['x'] })
    .labels('y')
    .set(1);
  workers[0]?.tell();
  const values = shown(sums, instance => (instance === 'c' ? undefined : instance));
  assert.is(values['tries_total{how="good",plugin_instance="a"}'], 1);
  assert.is(values['tries_total{how="good",plugin_instance="b"}'], 2);
  const added = shown(sums);
  assert.is(added['tries_total{how="good"}'], 3);
  assert.is(Object.keys(added).filter(key => key.startsWith('wait_seconds')).length, 1);
});

test('add histograms of two instances without their own labels', () => {
  const { sums, workers } = start(1, ['a', 'b']);
  workers[0]?.of('a').histogram(wait).observe(0.05);
  workers[0]?.of('b').histogram(wait).observe(2);
  workers[0]?.tell();
  for (let again = 0; again < 2; again++) {
    const values = shown(sums);
    assert.is(values['wait_seconds_bucket{le="0.1"}'], 1);
    assert.is(values['wait_seconds_bucket{le="10"}'], 2);
    assert.is(values['wait_seconds_sum'], 2.05);
  }
});

test('keep to the limit of children even if each worker has different ones, and report how often it was reached', () => {
  const { sums, workers } = start(3);
  const spec = { name: 'paths_total', help: 'x', labels: ['path'], maxChildren: 4 } as const;
  const gauge = { ...spec, name: 'paths' };
  for (const worker of workers) {
    for (let n = 0; n < 6; n++) {
      worker.of('jwt').counter(spec).labels(`/${worker.number}/${n}`).inc();
      worker.of('jwt').gauge(gauge).labels(`/${worker.number}/${n}`).inc();
    }
    worker.tell();
  }
  const values = shown(sums);
  assert.is(values['paths_total{path="other"}'], 14);
  assert.is(values['paths{path="other"}'], 14);
  assert.is(Object.keys(values).filter(key => key.startsWith('paths_total{')).length, 5);
  assert.is(Object.keys(values).filter(key => key.startsWith('paths{')).length, 5);
  assert.ok((values['weldr_metric_over_limit_total{metric="paths_total"}'] ?? 0) >= 6);
  sums.workerExited(1);
  sums.workerExited(2);
  assert.is(shown(sums)['paths{path="/3/0"}'], 1);
});

test('receive definitions, labels and gauges again when a worker is asked to resend, but counts only once', () => {
  const { sums, workers } = start(1);
  const [worker] = workers;
  const good = worker?.of('jwt').counter(tries).labels('good');
  good?.inc(3);
  worker?.of('jwt').gauge(open).set(2);
  worker?.tell();
  const next = new MetricSums();
  next.admit(['jwt']);
  const told = new TestWorker(next, 1);
  good?.inc();
  next.add(1, worker?.recorder.take() ?? []);
  assert.equal(shown(next), {}, 'a manager that does not know the metrics');
  worker?.recorder.resend();
  good?.inc();
  next.add(told.number, worker?.recorder.take() ?? []);
  assert.equal(shown(next), { 'tries_total{how="good"}': 1, open: 2 });
  worker?.recorder.resend();
  worker?.tell();
  assert.equal(shown(sums), { 'tries_total{how="good"}': 3, open: 2 }, 'one that knows them');
});

test('do not throw for messages that do not fit', () => {
  const { sums, workers } = start(1);
  workers[0]?.of('jwt').histogram(wait).observe(1);
  workers[0]?.tell();
  const before = shown(sums);
  sums.add(1, [{ metric: 7, children: [{ child: 0, value: 1 }] }]);
  sums.add(1, [{ metric: 0, children: [{ child: 9, value: 1, counts: [0, 1] }] }]);
  sums.add(1, [{ metric: 0, children: [{ child: 0, value: 0, counts: [99, 1, -1, 1, 0.5, 1, 2] }] }]);
  sums.add(2, [{ metric: 0, children: [{ child: 0, value: 1 }] }]);
  sums.add(1, JSON.parse('[{"metric":0,"children":[{"child":0,"value":null,"counts":[0,1]}]}]'));
  assert.equal(shown(sums), before);
});

test('show everything that workers counted after all takes, whatever the order (seeded)', () => {
  for (let seed = 1; seed <= 60; seed++) propertyHolds(seed);
});

/** One random run: counts in a plain map beside the metrics, takes at random, workers that end after a last take. */
function propertyHolds(seed: number): void {
  const random = randomOf(seed);
  const { sums, workers } = start(3);
  const expected: Record<string, number> = {};
  const expect = (key: string, by: number) => {
    expected[key] = (expected[key] ?? 0) + by;
  };
  const gauges = new Map<TestWorker, number>();
  for (let step = 0; step < 400; step++) {
    const at = random(workers.length);
    const worker = workers[at];
    if (worker === undefined) continue;
    const metrics = worker.of('jwt');
    // Eighths add up exactly.
    const amount = random(80) / 8;
    const action = random(12);
    if (action < 4) {
      const how = `h${random(5)}`;
      metrics.counter(tries).labels(how).inc(amount);
      expect(`tries_total{how="${how}"}`, amount);
    } else if (action < 7) {
      metrics.histogram(wait).observe(amount);
      for (const bound of [...wait.buckets, Number.POSITIVE_INFINITY]) {
        const le = bound === Number.POSITIVE_INFINITY ? '+Inf' : String(bound);
        expect(`wait_seconds_bucket{le="${le}"}`, amount <= bound ? 1 : 0);
      }
      expect('wait_seconds_sum', amount);
      expect('wait_seconds_count', 1);
    } else if (action < 9) {
      metrics.gauge(open).inc(amount);
      gauges.set(worker, (gauges.get(worker) ?? 0) + amount);
    } else if (action < 11) worker.tell(random(3) === 0 ? 1 : undefined);
    else if (random(5) === 0) {
      worker.tell();
      sums.workerExited(worker.number);
      gauges.delete(worker);
      workers[at] = new TestWorker(sums, worker.number);
    }
  }
  for (const worker of workers) worker.tell();
  const { open: gauge = 0, ...counted } = shown(sums);
  assert.equal(counted, expected, `seed ${seed}`);
  assert.is(
    gauge,
    [...gauges.values()].reduce((sum, value) => sum + value, 0),
    `seed ${seed}`,
  );
}

test('children that are not retained are forgotten in all processes, and start again at zero', () => {
  const { sums, workers } = start(2);
  const children = workers.map(worker => {
    const metrics = worker.of('jwt');
    const counter = metrics.counter({ name: 'jwt_a_total', help: 'x', labels: ['server'] });
    const gauge = metrics.gauge({ name: 'jwt_b', help: 'x', labels: ['server'] });
    for (const server of ['one', 'two']) {
      counter.labels(server).inc(3);
      gauge.labels(server).set(5);
    }
    worker.tell();
    return { worker, counter, gauge };
  });
  sums.retain(({ server }) => server !== 'one');
  assert.equal(shown(sums), { 'jwt_a_total{server="two"}': 6, 'jwt_b{server="two"}': 10 });
  for (const { worker, counter, gauge } of children) {
    counter.labels('one').inc();
    gauge.labels('one').set(2);
    worker.tell();
  }
  assert.equal(shown(sums), {
    'jwt_a_total{server="one"}': 2,
    'jwt_a_total{server="two"}': 6,
    'jwt_b{server="one"}': 4,
    'jwt_b{server="two"}': 10,
  });
});

test('a child that a worker removed frees its place; its counts stay, its gauge does not', () => {
  const { sums, workers } = start(1);
  const [worker] = workers;
  if (worker === undefined) throw new Error('there is no worker');
  const metrics = worker.of('jwt');
  const counter = metrics.counter({ name: 'jwt_a_total', help: 'x', labels: ['k'], maxChildren: 1 });
  const gauge = metrics.gauge({ name: 'jwt_b', help: 'x', labels: ['k'] });
  counter.labels('one').inc();
  gauge.labels('one').set(1);
  worker.tell();
  counter.labels('one').inc();
  counter.remove('one');
  gauge.remove('one');
  worker.tell();
  assert.equal(shown(sums), { 'jwt_a_total{k="one"}': 2 });
  counter.labels('one').inc();
  worker.tell();
  assert.equal(shown(sums), { 'jwt_a_total{k="one"}': 3 });
});

test('a bucket keeps the last example of a request that it received', () => {
  const { sums, workers } = start(1);
  const [worker] = workers;
  const histogram = worker?.of('jwt').histogram({ name: 'jwt_s', help: 'x', buckets: [1, 2] });
  histogram?.observe(0.5, { id: 'first' });
  histogram?.observe(0.6, { id: 'not read' });
  histogram?.observe(9, { id: 'slow' });
  histogram?.observe(1.5, {});
  worker?.tell();
  histogram?.observe(0.7, { id: 'second' });
  worker?.tell();
  const [family] = sums.collect();
  assert.ok(family?.type === 'histogram');
  const exemplars = [...(family.samples[0]?.exemplars ?? [])].map(([bucket, { id }]) => `${bucket} ${id}`);
  assert.equal(exemplars.toSorted(), ['0 second', '2 slow']);
});
