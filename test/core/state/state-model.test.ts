// The state that changes at run time, against a naive model: nothing lost, nothing resurrected, field by field.
import { suite } from '../../support/suite.ts';
import { runModel } from './model.ts';

const test = suite('the state, against a model');

test('follows the rules after each step of 2,000 sequences', async () => {
  await runModel(1, 2001, 25);
});
