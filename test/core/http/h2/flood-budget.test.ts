// How much work a peer may cause, and how its budget recovers.
import * as assert from 'uvu/assert';
import { FloodBudget, frameCost } from '../../../../core/http/h2/flood-budget.ts';
import { suite } from '../../../support/suite.ts';

const test = suite('the budget of a connection');

const make = (): FloodBudget => new FloodBudget(0, { most: 100, perSecond: 10 });
const spendAll = (budget: FloodBudget): void => {
  for (let n = 0; n < 100; n++) assert.ok(budget.spend(frameCost.control, 0));
};

test('a spent budget recovers with time', () => {
  const budget = make();
  spendAll(budget);
  for (let n = 0; n < 10; n++) assert.ok(budget.spend(frameCost.control, 1_000));
  assert.not.ok(budget.spend(frameCost.control, 1_000));
});

test('a cancelled stream pays for its frames on their way: a head, trailers, a reset', () => {
  const budget = make();
  spendAll(budget);
  for (let stream = 0; stream < 1_000; stream++) {
    budget.earnByCancel();
    for (let frame = 0; frame < 3; frame++) assert.ok(budget.spend(frameCost.control, 0));
  }
  assert.not.ok(budget.spend(frameCost.control, 0));
});
