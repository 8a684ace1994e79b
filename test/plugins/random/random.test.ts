// The random plugin, by the kit for balancers.
import * as assert from 'uvu/assert';
import { balancerChecks, workerSide } from '../../../core/testing.ts';
import { random } from '../../../plugins/random/index.ts';
import { suite } from '../../support/suite.ts';

const conformance = suite('random as a balancer');
for (const check of balancerChecks(random(), { distribution: 0.1 })) conformance(check.name, check.run);

const test = suite('random');

test('takes no options', async () => {
  const thrown = await workerSide({ ...random(), options: { weight: 1 } }).catch(error => error);
  assert.is(thrown.code, 'CONFIG_INVALID');
});
