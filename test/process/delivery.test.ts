// Delivery: when a change is active in all workers that take requests.
import pino from 'pino';
import * as assert from 'uvu/assert';
import { Delivery } from '../../core/process/delivery.ts';
import type { ManagerMessage } from '../../core/process/messages.ts';
import { FakeClock, settle } from '../../core/testing/fake-clock.ts';
import { suite } from '../support/suite.ts';

const test = suite('delivery');

class World {
  readonly clock = new FakeClock();
  readonly sent: ManagerMessage[] = [];
  readonly warnings: string[] = [];
  serving = [1, 2];
  readonly delivery: Delivery;

  constructor() {
    const log = pino({}, { write: line => void this.warnings.push(JSON.parse(line).msg) });
    const group = {
      tellAll: (message: ManagerMessage) => void this.sent.push(message),
      get servingNumbers() {
        return world.serving;
      },
    };
    const world = this;
    this.delivery = new Delivery({ clock: this.clock, log: () => log, groups: () => [group] });
  }

  /** Begins to wait; returns a function that says whether it is over. */
  wait(): () => boolean {
    let over = false;
    void this.delivery.settled().then(() => {
      over = true;
    });
    return () => over;
  }
}

async function turn(): Promise<void> {
  await new Promise(resolve => setImmediate(resolve));
  await settle();
}

test('is over when every worker that takes requests has answered the fence', async () => {
  const world = new World();
  const isOver = world.wait();
  await turn();
  assert.equal(world.sent, [{ type: 'fence', fence: 1 }]);
  world.delivery.applied(1, 1);
  await turn();
  assert.not(isOver());
  world.delivery.applied(2, 1);
  await turn();
  assert.ok(isOver());
  assert.equal(world.clock.pending, 0);
});

test('changes of one turn share a fence, and those of the next have another', async () => {
  const world = new World();
  const first = [world.wait(), world.wait(), world.wait()];
  await turn();
  const second = world.wait();
  await turn();
  assert.equal(world.sent.length, 2);
  for (const worker of [1, 2]) world.delivery.applied(worker, 1);
  await turn();
  assert.equal(
    [...first, second].map(isOver => isOver()),
    [true, true, true, false],
  );
  for (const worker of [1, 2]) world.delivery.applied(worker, 2);
  await turn();
  assert.ok(second());
});

test('a change does not wait when no worker takes requests', async () => {
  const world = new World();
  world.serving = [];
  const isOver = world.wait();
  await turn();
  assert.ok(isOver());
});

test('a change stops waiting for a worker that ends or falls silent', async () => {
  const world = new World();
  const isOver = world.wait();
  await turn();
  world.delivery.applied(1, 1);
  world.serving = [1];
  world.delivery.gone(2);
  await turn();
  assert.ok(isOver());
  world.serving = [1, 2];
  const isOverNow = world.wait();
  await turn();
  world.delivery.applied(1, 2);
  world.serving = [1];
  world.clock.advance(250);
  await turn();
  assert.ok(isOverNow());
});

test('a change waits for a worker that starts to listen meanwhile and answers the fence of its briefing', async () => {
  const world = new World();
  world.serving = [1];
  const isOver = world.wait();
  await turn();
  world.serving = [1, 2];
  world.delivery.applied(1, 1);
  await turn();
  assert.not(isOver());
  assert.equal(world.delivery.fence, { type: 'fence', fence: 1 });
  world.delivery.applied(2, 1);
  await turn();
  assert.ok(isOver());
});

test('is over after 5 s with a warning, whatever a worker does', async () => {
  const world = new World();
  const isOver = world.wait();
  await turn();
  world.clock.advance(5_000);
  await turn();
  assert.ok(isOver());
  assert.match(world.warnings.join(), /do not react/);
});
