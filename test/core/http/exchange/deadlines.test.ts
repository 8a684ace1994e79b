// Deadlines: never early, at most two resolutions late, and safe to change while they fire.
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { Deadlines, type Waiting } from '../../../../core/http/exchange/deadlines.ts';
import { suite } from '../../../support/suite.ts';

const test = suite('Deadlines');

class Item implements Waiting {
  deadline = 0;
  deadlineSlot = -1;
  passed: number[] = [];
  private readonly onPassed: () => void;
  constructor(onPassed: () => void = () => {}) {
    this.onPassed = onPassed;
  }
  onDeadline(): void {
    this.passed.push(performance.now());
    this.onPassed();
  }
}

test('a deadline fires once, and not early', async () => {
  const deadlines = new Deadlines(50);
  const item = new Item();
  deadlines.add(item);
  const before = performance.now();
  deadlines.touch();
  item.deadline = deadlines.in(50);
  await sleep(150);
  assert.is(item.passed.length, 1);
  assert.ok((item.passed[0] ?? 0) - before >= 50);
  assert.is(item.deadline, 0);
  deadlines.close();
});

test('a deadline of 0, one that was postponed and one that was removed do not fire', async () => {
  const deadlines = new Deadlines(50);
  const [none, later, removed] = [new Item(), new Item(), new Item()];
  for (const item of [none, later, removed]) deadlines.add(item);
  later.deadline = deadlines.in(10);
  later.deadline = deadlines.in(10_000);
  removed.deadline = deadlines.in(10);
  deadlines.remove(removed);
  deadlines.remove(removed);
  await sleep(60);
  assert.equal([none.passed.length, later.passed.length, removed.passed.length], [0, 0, 0]);
  deadlines.close();
});

test('all that are due fire, although each removes itself and others', async () => {
  const deadlines = new Deadlines(50);
  const items: Item[] = [];
  for (let n = 0; n < 50; n++) {
    const item: Item = new Item(() => deadlines.remove(item));
    items.push(item);
    deadlines.add(item);
    item.deadline = deadlines.in(5);
  }
  const bystander = new Item();
  deadlines.add(bystander);
  await sleep(80);
  assert.ok(items.every(item => item.passed.length === 1));
  assert.is(bystander.passed.length, 0);
  deadlines.close();
});

test('the resolution is a tenth of the shortest wait, within bounds', () => {
  const resolutions = [1, 100, 1_000, 1_000_000].map(shortest => {
    const deadlines = new Deadlines(shortest);
    deadlines.close();
    return deadlines.resolution;
  });
  assert.equal(resolutions, [5, 10, 100, 250]);
});
