// The same as state-model.test.ts, with 100,000 sequences.
import { suite } from '../../support/suite.ts';
import { runModel } from './model.ts';

const test = suite('the state, against a model', { timeoutMs: 900_000, testTimeoutMs: 900_000 });

test('follows the rules after each step of 100,000 sequences', async () => {
  await runModel(1, 100_001, 25);
});
