// Layers of servers: the config, what plugins find, what operators change, over reloads and restarts.
import { suite } from '../../support/suite.ts';
import { runLayersModel } from './layers-model.ts';

const test = suite('the layers, against a model');

test('agree with the model after each step of 200 sequences', async () => {
  await runLayersModel(1, 201, 120);
});
