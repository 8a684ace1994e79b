// LatencyHistogram: quantiles that are accurate to within its buckets.
import * as assert from 'uvu/assert';
import { LatencyHistogram } from '../../../core/bounded/latency-histogram.ts';
import { suite } from '../../support/suite.ts';

const test = suite('LatencyHistogram');

test('has no quantile before something was recorded', () => {
  assert.is(new LatencyHistogram().quantile(0.5), null);
});

test('returns quantiles to within 9 % from a tenth of a millisecond to 100 seconds', () => {
  for (let ms = 0.11; ms < 100_000; ms *= 1.7) {
    const histogram = new LatencyHistogram();
    histogram.record(ms);
    const told = histogram.quantile(0.5) ?? 0;
    assert.ok(Math.abs(told / ms - 1) < 0.095, `${told} instead of ${ms}`);
  }
});

test('orders its quantiles', () => {
  const histogram = new LatencyHistogram();
  for (let ms = 1; ms <= 1000; ms++) histogram.record(ms);
  for (const [part, expected] of [
    [0.5, 500],
    [0.9, 900],
    [0.99, 990],
    [1, 1000],
  ] as const) {
    const told = histogram.quantile(part) ?? 0;
    assert.ok(Math.abs(told / expected - 1) < 0.12, `${told} at ${part}`);
  }
});

test('counts values out of its range at its ends', () => {
  const histogram = new LatencyHistogram();
  histogram.record(0);
  assert.ok((histogram.quantile(1) ?? 1) <= 0.1);
  histogram.record(10_000_000);
  assert.ok((histogram.quantile(1) ?? 0) > 90_000);
});

test('has the sum of what was recorded, to within 9 %, and how many there were', () => {
  const histogram = new LatencyHistogram();
  assert.equal([histogram.count, histogram.sum], [0, 0]);
  let sum = 0;
  for (let ms = 0.11; ms < 100_000; ms *= 1.7) {
    histogram.record(ms);
    sum += ms;
  }
  assert.ok(Math.abs(histogram.sum / sum - 1) < 0.095, `${histogram.sum} instead of ${sum}`);
  assert.is(histogram.count, Math.floor(Math.log(100_000 / 0.11) / Math.log(1.7)) + 1);
});

test('hands over each count once', () => {
  const from = new LatencyHistogram();
  const to = new LatencyHistogram();
  from.record(5);
  from.record(5);
  from.record(700);
  to.add(JSON.parse(JSON.stringify(from.take())));
  to.add(from.take());
  const direct = new LatencyHistogram();
  for (const ms of [5, 5, 700]) direct.record(ms);
  for (const part of [0.5, 0.66, 0.9]) assert.is(to.quantile(part), direct.quantile(part));
  assert.is(from.quantile(0.5), null);
});
