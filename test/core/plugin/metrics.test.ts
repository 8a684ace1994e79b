// Metrics: what a plugin may define and count, and how much of it.
import * as assert from 'uvu/assert';
import { WeldrError } from '../../../core/errors.ts';
import type { MetricDelta } from '../../../core/plugin/metric-delta.ts';
import { MetricRecorder } from '../../../core/plugin/metric-recorder.ts';
import type { Metrics } from '../../../core/plugin/metrics.ts';
import { suite } from '../../support/suite.ts';

const test = suite('metrics');

function start() {
  const warnings: string[] = [];
  const recorder = new MetricRecorder();
  const log = { warn: (_: unknown, message: string) => void warnings.push(message) };
  const metrics = recorder.open('jwt', log);
  return { recorder, metrics, log, warnings };
}

function values(deltas: MetricDelta[] | undefined): unknown {
  return deltas?.map(({ children }) => children.map(({ child, value }) => [child, value]));
}

test('are the same when they are defined again by the same instance', () => {
  const { metrics } = start();
  const spec = { name: 'tries_total', help: 'Tries.', labels: ['how'] } as const;
  assert.is(metrics.counter(spec), metrics.counter({ ...spec, help: 'Other words.' }));
  assert.is(metrics.counter(spec).labels('a'), metrics.counter(spec).labels('a'));
  assert.is.not(metrics.counter(spec).labels('a'), metrics.counter(spec).labels('b'));
  const plain = { name: 'size', help: 'Size.' };
  assert.is(metrics.gauge(plain), metrics.gauge(plain));
});

test('with one name and two shapes are refused, and both shapes are shown', () => {
  const { metrics } = start();
  metrics.histogram({ name: 'wait', help: 'Wait.', labels: ['a', 'b'], buckets: [1, 2] });
  assert.throws(
    () => metrics.gauge({ name: 'wait', help: 'Wait.' }),
    (thrown: unknown) =>
      thrown instanceof WeldrError &&
      thrown.code === 'PLUGIN_FAILED' &&
      thrown.message === 'gauge wait: there is histogram wait {a, b}, buckets 1 2 already',
  );
  assert.throws(() => metrics.histogram({ name: 'wait', help: 'Wait.', labels: ['a', 'b'] }), /already/);
  assert.throws(
    () => metrics.histogram({ name: 'wait', help: 'Wait.', labels: ['b', 'a'], buckets: [1, 2] }),
    /already/,
  );
});

const twoLabels: readonly string[] = ['b', 'c'];

const mistakes: [what: string, define: (metrics: Metrics) => unknown, message: RegExp][] = [
  ['a counter without _total', m => m.counter({ name: 'tries', help: 'x' }), /counter tries: .*_total/],
  ['a gauge with _total', m => m.gauge({ name: 'a_total', help: 'x' }), /only counters/],
  ['a gauge called like the count of a histogram', m => m.gauge({ name: 'a_count', help: 'x' }), /_count/],
  ['a capital letter', m => m.gauge({ name: 'Size', help: 'x' }), /named/],
  ['a digit in front', m => m.gauge({ name: '5xx', help: 'x' }), /named/],
  ['an empty name', m => m.gauge({ name: '', help: 'x' }), /named/],
  ['a line break in a name', m => m.gauge({ name: 'a\nb', help: 'x' }), /named/],
  ['no help', m => m.gauge({ name: 'a', help: '' }), /help/],
  ['a label with a dash', m => m.gauge({ name: 'a', help: 'x', labels: ['a-b'] }), /labels\[0\]/],
  ['the label le', m => m.gauge({ name: 'a', help: 'x', labels: ['le'] }), /not for plugins/],
  ['the label __proto__', m => m.gauge({ name: 'a', help: 'x', labels: ['__proto__'] }), /not for plugins/],
  ['the label of instances', m => m.gauge({ name: 'a', help: 'x', labels: ['plugin_instance'] }), /plugin_/],
  ['a label twice', m => m.gauge({ name: 'a', help: 'x', labels: ['b', 'b'] }), /twice/],
  ['buckets that do not ascend', m => m.histogram({ name: 'a', help: 'x', buckets: [1, 1] }), /ascend/],
  ['no bucket', m => m.histogram({ name: 'a', help: 'x', buckets: [] }), /buckets/],
  ['an infinite bucket', m => m.histogram({ name: 'a', help: 'x', buckets: [1, Infinity] }), /buckets/],
  [
    'too few label values',
    m => m.gauge({ name: 'a', help: 'x', labels: twoLabels }).labels('1'),
    /2 label values, not 1/,
  ],
];
for (const [what, define, message] of mistakes) {
  test(`refuse ${what}`, () => {
    const { metrics } = start();
    assert.throws(
      () => define(metrics),
      (thrown: unknown) =>
        thrown instanceof WeldrError && thrown.code === 'PLUGIN_FAILED' && message.test(thrown.message),
    );
  });
}

test('are at most a thousand per instance', () => {
  const { metrics } = start();
  for (let n = 0; n < 1000; n++) metrics.gauge({ name: `g${n}`, help: 'x' });
  assert.throws(() => metrics.gauge({ name: 'g1000', help: 'x' }), /limit of 1000/);
  metrics.gauge({ name: 'g7', help: 'x' }).set(1);
});

test('send definitions and labels once, then only what changed', () => {
  const { recorder, metrics } = start();
  const tries = metrics.counter({ name: 'tries_total', help: 'Tries.', labels: ['how'] });
  const good = tries.labels('good');
  tries.labels('bad');
  good.inc();
  const [first] = recorder.take() ?? [];
  assert.is(first?.definition?.name, 'tries_total');
  assert.equal(first?.children, [
    { child: 0, value: 1, labels: ['good'] },
    { child: 1, value: 0, labels: ['bad'] },
  ]);
  assert.is(recorder.take(), undefined);
  good.inc(2.5);
  assert.equal(recorder.take(), [{ metric: 0, children: [{ child: 0, value: 2.5 }] }]);
  assert.is(recorder.take(), undefined);
});

test('send the children that have waited longest first, a bounded number at a time', () => {
  const { recorder, metrics } = start();
  const tries = metrics.counter({ name: 'tries_total', help: 'Tries.', labels: ['how'] });
  for (const how of ['a', 'b', 'c']) tries.labels(how).inc();
  assert.equal(values(recorder.take(2)), [
    [
      [0, 1],
      [1, 1],
    ],
  ]);
  tries.labels('a').inc();
  assert.equal(values(recorder.take(2)), [
    [
      [2, 1],
      [0, 1],
    ],
  ]);
  assert.is(recorder.take(2), undefined);
});

test('do not count what is not a number, and log it once per metric', () => {
  const { recorder, metrics, warnings } = start();
  const counter = metrics.counter({ name: 'a_total', help: 'x' });
  const gauge = metrics.gauge({ name: 'b', help: 'x' });
  const histogram = metrics.histogram({ name: 'c', help: 'x' });
  for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    counter.inc(wrong);
    gauge.set(wrong);
    gauge.inc(wrong);
    histogram.observe(wrong);
  }
  counter.inc(-1);
  assert.equal(values(recorder.take()), [[[0, 0]], [[0, 0]], [[0, 0]]]);
  assert.is(warnings.length, 3);
  assert.match(warnings[0] ?? '', /metric a_total cannot count NaN/);
});

test('put children over the limit into one for other, and log it once', () => {
  const { recorder, metrics, warnings } = start();
  const spec = { name: 'tries_total', help: 'Tries.', labels: ['a', 'b'], maxChildren: 2 } as const;
  const tries = metrics.counter(spec);
  for (const name of ['x', 'y', 'z', 'z', 'w']) tries.labels(name, name).inc();
  tries.labels('x', 'x').inc();
  const [delta] = recorder.take() ?? [];
  assert.equal(delta?.children, [
    { child: 0, value: 2, labels: ['x', 'x'] },
    { child: 1, value: 1, labels: ['y', 'y'] },
    { child: 2, value: 3, labels: ['other', 'other'] },
  ]);
  assert.is(delta?.overLimit, 3);
  assert.equal(warnings, ['the metric tries_total has 2 children; further ones are counted as other']);
  tries.labels('v', 'v');
  assert.is(recorder.take()?.[0]?.overLimit, 1);
});

test('have at most a thousand children by default', () => {
  const { recorder, metrics } = start();
  const tries = metrics.counter({ name: 'tries_total', help: 'Tries.', labels: ['path'] });
  for (let n = 0; n < 5000; n++) tries.labels(`/${n}`).inc();
  const [delta] = recorder.take() ?? [];
  assert.is(delta?.children.length, 1001);
  assert.equal(delta?.children.at(-1), { child: 1000, value: 4000, labels: ['other'] });
});

test('keep sets of label values apart, whatever they contain', () => {
  const { recorder, metrics } = start();
  const pairs = metrics.counter({ name: 'pairs_total', help: 'x', labels: ['a', 'b'] });
  const sets = [
    ['a', 'b'],
    ['ab', ''],
    ['', 'ab'],
    ['a:b', ''],
    ['1:a1', 'b'],
    ['1', ':a1:b'],
    ['__proto__', ''],
  ];
  for (const [a = '', b = ''] of sets) pairs.labels(a, b).inc();
  assert.equal(
    recorder.take()?.[0]?.children.map(({ labels }) => labels),
    sets,
  );
});

test('cut label values, but never within a character', () => {
  const { recorder, metrics } = start();
  const seen = metrics.counter({ name: 'seen_total', help: 'x', labels: ['agent'] });
  for (const end of ['a', 'b']) seen.labels(`${'x'.repeat(300)}${end}`).inc();
  seen.labels(`${'y'.repeat(255)}😀`).inc();
  for (const half of ['\ud800', '\udbff']) seen.labels(half).inc();
  assert.equal(
    recorder.take()?.[0]?.children.map(({ labels, value }) => [labels?.[0], value]),
    [
      ['x'.repeat(256), 2],
      [`${'y'.repeat(255)}\ufffd`, 1],
      ['\ufffd', 2],
    ],
  );
});

test('of two instances in one process are separate', () => {
  const { recorder, metrics, log } = start();
  metrics.gauge({ name: 'size', help: 'x' }).set(1);
  recorder
    .open('jwt#2', log)
    .histogram({ name: 'size', help: 'x', buckets: [1] })
    .observe(1);
  assert.equal(
    recorder.take()?.map(({ definition }) => [definition?.instance, definition?.kind]),
    [
      ['jwt', 'gauge'],
      ['jwt#2', 'histogram'],
    ],
  );
});
