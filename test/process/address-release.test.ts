// AddressRelease: the messages to workers and listening sockets before service addresses move, and when they continue.
import pino from 'pino';
import * as assert from 'uvu/assert';
import { createManagerHooks, type Leadership } from '../../core/plugin/manager-hooks.ts';
import { AddressRelease } from '../../core/process/address-release.ts';
import type { ManagerMessage } from '../../core/process/messages.ts';
import { FakeClock, settle } from '../../core/testing/fake-clock.ts';
import { suite } from '../support/suite.ts';

const test = suite('address release');

const leads: Leadership = { leading: true, leader: 'a', until: 1 };
const noLeader: Leadership = { leading: false, leader: undefined, until: 0 };
const other: Leadership = { leading: false, leader: 'b', until: 0 };

class World {
  readonly clock = new FakeClock();
  readonly hooks = createManagerHooks(() => {});
  /** Messages to workers and sockets, in order. */
  readonly said: string[] = [];
  readonly errors: string[] = [];
  serving = [1, 2];
  held = true;
  opens = true;
  readonly release: AddressRelease;
  private round = 0;

  constructor() {
    const world = this;
    const log = pino({}, { write: line => void this.errors.push(JSON.parse(line).msg) });
    const group = {
      tellAll(message: ManagerMessage) {
        if (message.type !== 'wind-down') throw new Error(`unexpected: ${message.type}`);
        world.round = message.round;
        world.said.push(`${message.step} ${message.addresses.join()}`);
      },
      get servingNumbers() {
        return world.serving;
      },
    };
    this.release = new AddressRelease({
      clock: this.clock,
      log: () => log,
      groups: () => [group],
      doors: {
        shut: async addresses => void this.said.push(`shut ${addresses.join()}`),
        open: async () => {
          this.said.push('open');
          return this.opens;
        },
      },
    });
    this.release.follow(this.hooks);
    this.hooks.serviceAddresses.tap('address', list => {
      list.push({ address: '10.0.0.100/24', held: this.held });
      list.push({ address: 'fd00::100/64', held: this.held });
    });
  }

  /** Begins to hand over; returns a function that says whether the leadership may be given up. */
  handOver(): () => boolean {
    let may = false;
    void this.hooks.handingOver.promise().then(() => {
      may = true;
    });
    return () => may;
  }

  async answer(...workers: number[]): Promise<void> {
    for (const worker of workers) this.release.done(worker, this.round);
    await settle();
  }
}

const both = '10.0.0.100,fd00::100';

test('connections end first, then new ones are dropped, and both are accepted again once the leadership is given up', async () => {
  const world = new World();
  const mayLetGo = world.handOver();
  await settle();
  assert.equal(world.said, [`begin ${both}`]);
  await world.answer(1);
  assert.equal(world.said.length, 1);
  await world.answer(2);
  assert.equal(world.said, [`begin ${both}`, `shut ${both}`, `finish ${both}`]);
  // A renewal meanwhile changes nothing.
  await world.hooks.leaderChanged.promise(leads);
  assert.not.ok(mayLetGo());
  await world.answer(1, 2);
  assert.ok(mayLetGo());
  await world.hooks.leaderChanged.promise(noLeader);
  await world.release.settled();
  assert.equal(world.said.slice(3), [`over ${both}`, 'open']);
  await world.hooks.leaderChanged.promise(other);
  assert.is(world.said.length, 5, 'once');
  assert.is(world.clock.pending, 0);
});

test('workers that do not answer, are silent or end do not delay a hand-over for long', async () => {
  const world = new World();
  world.serving = [1];
  const mayLetGo = world.handOver();
  await settle();
  await world.clock.advanceAsync(150);
  assert.equal(world.said.at(-1), `finish ${both}`);
  world.release.done(1);
  await settle();
  assert.ok(mayLetGo(), 'it has ended');
  await world.clock.advanceAsync(5000);
  assert.equal(world.said.slice(-2), [`over ${both}`, 'open'], 'the leadership was kept: all continues');

  world.serving = [];
  world.said.length = 0;
  const again = world.handOver();
  await settle();
  assert.ok(again());
});

test('a hand-over does nothing when no address is held', async () => {
  const world = new World();
  world.held = false;
  const mayLetGo = world.handOver();
  await settle();
  assert.ok(mayLetGo());
  await world.hooks.leaderChanged.promise(other);
  assert.equal(world.said, []);
});

test('a lost leadership keeps its connections until another node leads', async () => {
  const world = new World();
  await world.hooks.leaderChanged.promise(leads);
  await world.hooks.leaderChanged.promise(noLeader);
  await world.hooks.leaderChanged.promise(leads);
  assert.equal(world.said, []);
  await world.hooks.leaderChanged.promise(other);
  assert.equal(world.said, [`over ${both}`]);
});

test('logs sockets that may still drop new connections', async () => {
  const world = new World();
  world.serving = [];
  world.opens = false;
  world.handOver();
  await settle();
  await world.release.settled();
  assert.is(world.said.filter(text => text === 'open').length, 5);
  assert.match(world.errors[0] ?? '', 'restart Weldr');
});

test('a leadership that ends during the hand-over leaves no socket shut', async () => {
  const world = new World();
  world.handOver();
  await settle();
  await world.hooks.leaderChanged.promise(noLeader);
  await world.answer(1, 2);
  await world.clock.advanceAsync(1000);
  assert.equal(world.said, [`begin ${both}`, `over ${both}`, 'open']);
});
