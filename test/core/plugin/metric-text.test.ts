// The text of metrics: what Prometheus has to be able to read, read strictly.
import * as assert from 'uvu/assert';
import { metricText } from '../../../core/plugin/metric-text.ts';
import { readExposition } from '../../support/exposition.ts';
import { suite } from '../../support/suite.ts';

const test = suite('metric text');

test('is a HELP, a TYPE and a line for each number', () => {
  const text = metricText([
    { name: 'a_total', type: 'counter', help: 'As.', samples: [{ labels: {}, value: 3 }] },
    { name: 'b', type: 'gauge', help: 'Bs.', samples: [{ labels: { x: '1', y: '2' }, value: -0.5 }] },
    { name: 'c', type: 'gauge', help: 'Cs.', samples: [] },
  ]);
  assert.is(
    text,
    '# HELP a_total As.\n# TYPE a_total counter\na_total 3\n' +
      '# HELP b Bs.\n# TYPE b gauge\nb{x="1",y="2"} -0.5\n' +
      '# HELP c Cs.\n# TYPE c gauge\n',
  );
  readExposition(text);
});

test('writes a histogram as buckets up to +Inf, sum and count', () => {
  const samples = [
    {
      labels: { x: 'y' },
      buckets: [
        [0.005, 1],
        [10, 3],
      ] as const,
      sum: 12.5,
      count: 4,
    },
  ];
  assert.is(
    metricText([{ name: 'h', type: 'histogram', help: 'Hs.', samples }]),
    '# HELP h Hs.\n# TYPE h histogram\nh_bucket{x="y",le="0.005"} 1\nh_bucket{x="y",le="10"} 3\n' +
      'h_bucket{x="y",le="+Inf"} 4\nh_sum{x="y"} 12.5\nh_count{x="y"} 4\n',
  );
});

test('escapes what would end a value or a line', () => {
  const value = 'a"b\\c\nd\\n"\r\0{},=#é😀';
  const help = 'a "b" \\ \n# TYPE evil counter\nevil 1';
  const text = metricText([
    { name: 'a', type: 'gauge', help, samples: [{ labels: { x: value }, value: 1 }] },
  ]);
  assert.is(text.split('\n').length, 4);
  const { helps, labels } = readExposition(text);
  assert.is(helps.get('a'), help);
  assert.equal([...labels.values()], [{ x: value }]);
});

test('writes numbers of every size so that they read the same', () => {
  for (const value of [
    0,
    1e21,
    5e-324,
    2 ** 53,
    -1.5e-7,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
  ]) {
    const text = metricText([{ name: 'a', type: 'gauge', help: 'x', samples: [{ labels: {}, value }] }]);
    assert.is(readExposition(text).values.get('a'), value);
  }
});

test('leaves out a family whose name was written already', () => {
  const one = (value: number) =>
    ({ name: 'a', type: 'gauge', help: 'x', samples: [{ labels: {}, value }] }) as const;
  assert.equal([...readExposition(metricText([one(1), one(2)])).values], [['a', 1]]);
});
