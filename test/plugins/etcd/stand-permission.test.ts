// Whether a node may stand, by its promises and by the list of failsafe.
import * as assert from 'uvu/assert';
import { FakeClock } from '../../../core/testing.ts';
import type { SeenFailsafeList } from '../../../plugins/etcd/failsafe-list.ts';
import type { FailsafeSide } from '../../../plugins/etcd/failsafe-side.ts';
import { StandPermission } from '../../../plugins/etcd/stand-permission.ts';
import { collectingLog } from '../../cluster/etcd-node.ts';
import { suite } from '../../support/suite.ts';

const test = suite('stand permission');

const listOf = (leader: string, ...nodes: string[]): SeenFailsafeList => ({
  mod: 7,
  list: { leader, members: nodes.map(node => ({ node, address: '127.0.0.1:1' })) },
});

const side = (answersSince: number, holder?: string): FailsafeSide => ({
  ...{ answersSince, promises: { holder }, promised: undefined, isActive: false },
  won() {},
  rest() {},
  over() {},
  ask() {},
});

function permission(failsafe?: FailsafeSide) {
  const clock = new FakeClock();
  const { log, lines } = collectingLog();
  return { clock, lines, permission: new StandPermission({ nodeName: 'b', failsafe, log, clock }) };
}

test('without a list, with an empty one and with its own a node may stand at once', () => {
  const { permission: own } = permission(side(0));
  for (const list of [{ mod: 0, list: undefined }, listOf('a'), listOf('b', 'a')]) {
    assert.ok(own.isGivenBy(list));
  }
  assert.is(own.obstacle, undefined);
});

test("a node that is not on another leader's list does not stand, and logs that once", () => {
  for (const failsafe of [undefined, side(0)]) {
    const { permission: own, lines, clock } = permission(failsafe);
    clock.advance(60_000);
    assert.not(own.isGivenBy(listOf('a', 'c')));
    assert.not(own.isGivenBy(listOf('a', 'c')));
    assert.is(lines.length, 1);
    assert.match(own.obstacle ?? '', 'does not know this node');
    assert.ok(own.isGivenBy(listOf('a')));
    assert.is(own.obstacle, undefined);
  }
});

test('a node on the list stands once no promise of an earlier process can still hold', () => {
  const started = new FakeClock().monotonic();
  for (const failsafe of [undefined, side(started)]) {
    const { permission: own, clock } = permission(failsafe);
    clock.advance(5100);
    assert.not(own.isGivenBy(listOf('a', 'b')));
    clock.advance(2);
    assert.ok(own.isGivenBy(listOf('a', 'b')));
  }
});

test('a node for which another process answers does not stand', () => {
  const { permission: own, clock } = permission(side(Number.POSITIVE_INFINITY));
  clock.advance(60_000);
  assert.not(own.isGivenBy(listOf('a', 'b')));
});

test('the node that holds a promise is named', () => {
  assert.is(permission(side(0, 'a')).permission.promisedTo, 'a');
  assert.is(permission().permission.promisedTo, undefined);
});
