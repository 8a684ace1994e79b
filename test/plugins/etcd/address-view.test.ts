// Which node holds the address, by the reports of nodes of this version and of earlier ones.
import * as assert from 'uvu/assert';
import { addressView } from '../../../plugins/etcd/address-view.ts';
import { suite } from '../../support/suite.ts';

const test = suite('address view');

const own = { held: false };
const b = { node: 'b', revision: 7 };
const known = { nodeName: 'a', own, leader: 'b', whyNoLeader: undefined };

test('is what the leader reports of itself', () => {
  assert.equal(addressView({ ...known, own: { held: true }, leader: 'a', nodes: [] }), {
    held: true,
    by: 'a',
  });
  assert.equal(addressView({ ...known, nodes: [{ ...b, address: { held: true } }] }), {
    held: true,
    by: 'b',
  });
  assert.is(
    addressView({ ...known, nodes: [{ ...b, address: { held: false, reason: 'no link' } }] })?.reason,
    'no link',
  );
  assert.is(addressView({ ...known, nodes: [b] })?.reason, 'b leads, but keeps no address');
  assert.is(addressView({ ...known, leader: undefined, nodes: [b] })?.reason, 'no node leads');
});

test('is unknown when no node keeps one, or an earlier version leads', () => {
  assert.is(addressView({ ...known, own: undefined, nodes: [b] }), undefined);
  assert.is(addressView({ ...known, nodes: [{ node: 'b', revision: undefined }] }), undefined);
});
