// Rows of an unknown kind, as a later version writes them: they are kept and logged once.
import * as assert from 'uvu/assert';
import { FixedStore } from '../../../core/state/fixed-store.ts';
import { State } from '../../../core/state/state.ts';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { suite } from '../../support/suite.ts';

const test = suite('rows of an unknown kind');

test('are kept, and logged once for all of the kind', async () => {
  const said: string[] = [];
  const state = new State({
    clock: new FakeClock(),
    report: ({ key }, problem) => said.push(`${key}: ${problem}`),
  });
  const row = { kind: 'hologram', op: 'define', value: { depth: 3 }, by: 'a later version', at: 1 } as const;
  const rows = [
    { ...row, key: 'x' },
    { ...row, key: 'y' },
  ];
  await state.use(new FixedStore(rows));
  state.release();
  await state.use(new FixedStore([...rows, { ...row, key: 'z' }]));
  assert.is(said.length, 1);
  assert.match(
    said[0] ?? '',
    /^x: neither this version nor a plugin of its config knows a hologram: it is kept/,
  );
  assert.equal(
    [...state.all].map(({ key }) => key),
    ['x', 'y', 'z'],
  );
});
