// The times of a leadership: as short as the needs of plugins allow.
import * as assert from 'uvu/assert';
import { clockDrift } from '../../../plugins/etcd/election-times.ts';
import { electionTimes } from '../../../plugins/etcd/times.ts';
import { suite } from '../../support/suite.ts';

const test = suite('times of a leadership');
const open = { lease: undefined, renew: undefined, holdOff: undefined };
const need = (ms: number) => [{ by: 'it', ms }];

test('follow what plugins need, in whole seconds of lease', () => {
  assert.equal(electionTimes(open, []), { lease: 2000, renew: 250, holdOff: 300 });
  assert.equal(electionTimes(open, need(850)), { lease: 1000, renew: 150, holdOff: 100 });
  assert.equal(electionTimes(open, need(2277)), { lease: 2000, renew: 250, holdOff: 300 });
  assert.equal(electionTimes(open, [...need(850), ...need(2277)]).lease, 2000);
  for (let ms = 500; ms < 20_000; ms += 10) {
    const { lease, holdOff } = electionTimes(open, need(ms));
    assert.ok((lease + holdOff) * (1 - clockDrift) >= ms, `${ms} ms are needed`);
  }
});

test('are those of the config, if it sets them', () => {
  assert.equal(electionTimes({ lease: 5000, renew: 100, holdOff: 1000 }, need(850)), {
    lease: 5000,
    renew: 100,
    holdOff: 1000,
  });
  assert.equal(electionTimes({ ...open, lease: 5000 }, need(850)), { lease: 5000, renew: 625, holdOff: 100 });
  assert.is(electionTimes({ ...open, renew: 500 }, need(850)).lease, 2000, 'four renewals fit');
  assert.is(electionTimes({ ...open, holdOff: 0 }, need(2277)).lease, 3000);
});
