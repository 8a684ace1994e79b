// The overview: how much of what is active an operator changed.
import * as assert from 'uvu/assert';
import { overviewOf, overviewText } from '../../../core/state/overview.ts';
import { managerSide } from '../../../core/testing.ts';
import { suite } from '../../support/suite.ts';

const test = suite('the overview');

test('counts changes by operators, and not what a plugin stores for itself', async () => {
  const { pools, close } = await managerSide([], { servers: ['http://127.0.0.1:1'] });
  const text = () => overviewText(overviewOf(pools.state));
  await pools.write([{ kind: 'setting', key: 'acme', op: 'put', value: { a: 1 } }], 'plugin acme');
  assert.is(text(), undefined);
  const key = 'default/http://127.0.0.1:1';
  await pools.write([{ kind: 'server', key, op: 'patch', value: { weight: 2 } }], '127.0.0.1');
  assert.is(text(), `operators' changes over the config: 1 changed (weight of ${key})`);
  await close();
});
