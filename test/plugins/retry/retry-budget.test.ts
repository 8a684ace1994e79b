// RetryBudget: how many retries traffic allows.
import * as assert from 'uvu/assert';
import { RetryBudget } from '../../../plugins/retry/retry-budget.ts';
import { suite } from '../../support/suite.ts';

const test = suite('retry budget');

function withdrawAll(budget: RetryBudget, now: number): number {
  let retries = 0;
  while (retries < 100_000 && budget.withdraw(now)) retries++;
  return retries;
}

test('allows a share of the requests of the last 10 s', () => {
  const budget = new RetryBudget(0.2, 0);
  for (let n = 0; n < 1000; n++) budget.request(5000);
  assert.is(withdrawAll(budget, 5000), 200);
  assert.is(withdrawAll(budget, 9000), 0);
});

test('allows nothing without requests and without a minimum', () => {
  assert.is(withdrawAll(new RetryBudget(0.2, 0), 1000), 0);
  assert.is(withdrawAll(new RetryBudget(0, 0), 1000), 0);
});

test('allows the minimum without any requests, and once in 10 s', () => {
  const budget = new RetryBudget(0.2, 10);
  assert.is(withdrawAll(budget, 1000), 100);
  assert.is(withdrawAll(budget, 9999), 0);
  assert.is(withdrawAll(budget, 12_000), 100);
});

test('is renewed by new requests, and only by them', () => {
  const budget = new RetryBudget(0.2, 0);
  let retries = 0;
  for (let now = 0; now < 60_000; now++) {
    budget.request(now);
    if (budget.withdraw(now)) retries++;
  }
  assert.ok(retries <= 0.2 * 60_000, `${retries} retries`);
  assert.ok(retries > 0.19 * 60_000, `${retries} retries`);
});
