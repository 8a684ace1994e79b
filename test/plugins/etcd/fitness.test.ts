// Why a node should not lead: its workers, its operator, its plugins.
import * as assert from 'uvu/assert';
import { FakeClock } from '../../../core/testing.ts';
import { Fitness, workerGrace } from '../../../plugins/etcd/fitness.ts';
import { suite } from '../../support/suite.ts';

const test = suite('fitness');

function node() {
  const clock = new FakeClock();
  const status = { readyWorkers: 2, silentWorkers: 0 };
  const objections: string[] = [];
  const wish = { rests: false };
  const fitness = new Fitness({
    clock,
    candidate: true,
    status,
    resting: () => wish.rests,
    objections: () => objections,
  });
  return { clock, status, objections, wish, fitness };
}

test('a leader whose workers all died hands over only if none comes back within a second', () => {
  const { clock, status, fitness } = node();
  assert.is(fitness.against({ leading: true }), undefined);
  status.readyWorkers = 0;
  clock.advance(workerGrace);
  assert.is(fitness.against({ leading: true }), undefined);
  status.readyWorkers = 1;
  assert.is(fitness.against({ leading: true }), undefined, 'one came back');
  status.readyWorkers = 0;
  clock.advance(workerGrace + 1);
  assert.is(fitness.against({ leading: true }), 'no worker accepts connections');
});

test('a leader whose workers count as silent hands over at once', () => {
  const { status, fitness } = node();
  Object.assign(status, { readyWorkers: 0, silentWorkers: 2 });
  assert.is(fitness.against({ leading: true }), 'no worker responds');
  Object.assign(status, { readyWorkers: 1, silentWorkers: 1 });
  assert.is(fitness.against({ leading: true }), undefined, 'one that responds is enough');
});

test('a node without a worker, in maintenance, or with an objection is not elected', () => {
  const { clock, status, objections, wish, fitness } = node();
  assert.is(fitness.against({ leading: false }), undefined);
  status.readyWorkers = 0;
  clock.advance(1);
  assert.is(fitness.against({ leading: false }), 'no worker accepts connections');
  status.readyWorkers = 1;
  objections.push('eth0 has no link', 'another');
  assert.is(fitness.against({ leading: false }), 'eth0 has no link');
  wish.rests = true;
  assert.is(fitness.against({ leading: false }), 'it is in maintenance');
});
