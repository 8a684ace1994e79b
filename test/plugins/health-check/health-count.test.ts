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

test('three failures in a row make a server failing, and fewer do not', () => {
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

test('two passes in a row bring it back, and one does not', () => {
  assert.equal(statuses('+---+-++').slice(3), ['failing', 'failing', 'failing', 'failing', 'passing']);
});

test('one failing check is enough to mark a server down that never passed', () => {
  assert.equal(statuses('---'), ['failing', 'failing', 'failing']);
});

test('one passing check is enough to make a server active that never passed', () => {
  assert.equal(statuses('+'), ['passing']);
  assert.equal(statuses('--+', 3, 5), ['failing', 'failing', 'passing']);
});

test('after its first pass a server is judged by the thresholds', () => {
  assert.equal(statuses('-+--+---++'), [
    'failing',
    'passing',
    'passing',
    'passing',
    'passing',
    'passing',
    'passing',
    'failing',
    'failing',
    'passing',
  ]);
});

test('thresholds of one decide at once', () => {
  assert.equal(statuses('-+-+', 1, 1), ['failing', 'passing', 'failing', 'passing']);
});

test('the report has the time, the result, and how often in a row', () => {
  const first = count(unchecked, { passed: false, detail: 'refused' }, { failures: 3, passes: 2 }, 5);
  const second = count(first, { passed: false, detail: 'refused again' }, { failures: 3, passes: 2 }, 7);
  assert.equal(second, {
    status: 'failing',
    checkedAt: 7,
    detail: 'refused again',
    consecutiveFailures: 2,
    consecutivePasses: 0,
    neverPassed: true,
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
