// health-check: from passes and failures in a row to a verdict.
import * as assert from 'uvu/assert';
import { isExpected } from '../../../plugins/health-check/check-settings.ts';
import { count, unchecked } from '../../../plugins/health-check/health-count.ts';
import { suite } from '../../support/suite.ts';

const test = suite('health count');

/** The status after each of these checks: `+` passed, `-` failed. */
function statuses(checks: string, failures = 3, passes = 2): string[] {
  let report = unchecked;
  return [...checks].map(check => {
    report = count(report, { passed: check === '+', detail: check }, { failures, passes }, 1);
    return report.status;
  });
}

test('three failures in a row make a server failing, not fewer', () => {
  assert.equal(statuses('+--+---'), [
    'passing',
    'passing',
    'passing',
    'passing',
    'passing',
    'passing',
    'failing',
  ]);
});

test('two passes in a row bring it back, not one', () => {
  assert.equal(statuses('---+-++').slice(2), ['failing', 'failing', 'failing', 'failing', 'passing']);
});

test('a server that never passed is unknown until it failed often enough', () => {
  assert.equal(statuses('---'), ['unknown', 'unknown', 'failing']);
});

test('a new server is passing from its first pass on', () => {
  assert.equal(statuses('-+'), ['unknown', 'passing']);
});

test('thresholds of one decide at once', () => {
  assert.equal(statuses('-+-+', 1, 1), ['failing', 'passing', 'failing', 'passing']);
});

test('the report tells when, what, and how often in a row', () => {
  const first = count(unchecked, { passed: false, detail: 'refused' }, { failures: 3, passes: 2 }, 5);
  const second = count(first, { passed: false, detail: 'refused again' }, { failures: 3, passes: 2 }, 7);
  assert.equal(second, {
    status: 'unknown',
    checkedAt: 7,
    detail: 'refused again',
    consecutiveFailures: 2,
    consecutivePasses: 0,
  });
});

test('expected statuses are codes, ranges and classes', () => {
  const expect = [204, '301-308', '4xx'];
  const passing = [204, 301, 305, 308, 400, 499];
  const failing = [200, 203, 205, 300, 309, 399, 500];
  assert.equal(
    passing.filter(status => isExpected(status, expect)),
    passing,
  );
  assert.equal(
    failing.filter(status => isExpected(status, expect)),
    [],
  );
  assert.ok(isExpected(418, ['418']));
});
