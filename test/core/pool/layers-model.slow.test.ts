// The same as layers-model.test.ts, with 100,000 sequences.
import { suite } from '../../support/suite.ts';
import { runLayersModel } from './layers-model.ts';

const test = suite('the layers, against a model', { timeoutMs: 900_000, testTimeoutMs: 900_000 });

test('agree with the model after each step of 100,000 sequences', async () => {
  await runLayersModel(1, 100_001, 25);
});
