// The model of the hand-over: no two holders by default, and each precaution is needed, so the search can find some.
import * as assert from 'uvu/assert';
import { adversary, protocol, search } from '../../benchmark/cluster/hand-over.ts';
import { suite } from '../support/suite.ts';

const test = suite('hand-over model');

test('with the defaults no schedule has two holders', () => {
  const found = search(protocol, adversary, 600);
  assert.equal(found.violations, []);
  assert.ok(found.handOvers > 5000, 'it was tried often enough');
});

test('with a longer lease no schedule has two holders either', () => {
  const found = search({ ...protocol, lease: 5000, renew: 625 }, adversary, 200);
  assert.equal(found.violations, []);
  assert.ok(found.handOvers > 500);
});

const needed = {
  'reckoning with the lateness of the kernel': { kernelLateness: 0 },
  'counting a lease from the time when it was asked for': { countFromAsking: false },
  "having etcd's majority confirm renewals": { confirm: false },
  'ending commands that were frozen': { guard: false },
  'waiting for the hold-off': { waitHoldOff: false, holdOff: 600 },
};

for (const [precaution, without] of Object.entries(needed)) {
  test(`without ${precaution} the search finds two holders`, () => {
    const found = search({ ...protocol, ...without }, adversary, 300);
    assert.ok(found.violations.length > 0);
  });
}
