// Durations and sizes as people write them.
import { inspect } from 'node:util';
import * as assert from 'uvu/assert';
import { duration, parseDuration, parseSize, size } from '../../../core/options/duration.ts';
import { parse } from '../../../core/options/options.ts';
import { suite } from '../../support/suite.ts';

const durations = suite('a duration');

for (const [text, ms] of [
  ['250ms', 250],
  ['30s', 30_000],
  ['1.5m', 90_000],
  ['2h', 7_200_000],
  ['1d', 86_400_000],
  ['30 s', 30_000],
  [' 5S ', 5000],
  ['0s', 0],
] as const) {
  durations(`reads ${JSON.stringify(text)} as ${ms} ms`, () => {
    assert.is(parseDuration(text), ms);
    assert.is(parse(duration(), text), ms);
  });
}

durations('takes a number as ms', () => {
  assert.is(parse(duration(), 1500), 1500);
});

for (const wrong of [
  'soon',
  '',
  '30',
  's',
  '-1s',
  '1e3s',
  '1s2',
  '1 y',
  '30days',
  '1constructor',
  '.5s',
  '1,5s',
]) {
  durations(`refuses ${JSON.stringify(wrong)}`, () => {
    assert.is(parseDuration(wrong), undefined);
    assert.throws(
      () => parse(duration(), wrong),
      `expected a duration such as "30s", got ${JSON.stringify(wrong)}`,
    );
  });
}

for (const wrong of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, true, null, undefined, {}, []]) {
  durations(`refuses ${inspect(wrong)}`, () => {
    assert.throws(() => parse(duration(), wrong), /expected a duration such as "30s", got /);
  });
}

durations('is at most what a timer can hold', () => {
  assert.is(parseDuration('24d'), 24 * 86_400_000);
  assert.is(parseDuration('25d'), undefined);
});

const sizes = suite('a size');

for (const [text, bytes] of [
  ['0b', 0],
  ['512b', 512],
  ['16kb', 16_384],
  ['1.5MB', 1_572_864],
  ['2gb', 2_147_483_648],
] as const) {
  sizes(`reads ${JSON.stringify(text)} as ${bytes} bytes`, () => {
    assert.is(parseSize(text), bytes);
    assert.is(parse(size(), text), bytes);
  });
}

for (const wrong of ['16', 'kb', '16k', '-1kb', '1tb', '99999999999gb', 'lots']) {
  sizes(`refuses ${JSON.stringify(wrong)}`, () => {
    assert.is(parseSize(wrong), undefined);
    assert.throws(() => parse(size(), wrong), `expected a size such as "16kb", got ${JSON.stringify(wrong)}`);
  });
}
