// The heartbeat of a worker as its slot sees it, on a fake clock.
import { type Logger, pino } from 'pino';
import * as assert from 'uvu/assert';
import type { WorkerLink } from '../../core/process/links.ts';
import type { ManagerMessage, WorkerMessage } from '../../core/process/messages.ts';
import { WorkerSlot } from '../../core/process/worker-slot.ts';
import { FakeClock, settle } from '../../core/testing/fake-clock.ts';
import type { Clock } from '../../core/time/clock.ts';
import { suite } from '../support/suite.ts';

const test = suite('heartbeat');

/** The manager's end of a worker that has no process. */
class FakeProcess implements WorkerLink {
  readonly pid: number;
  readonly beats: boolean;
  readonly told: ManagerMessage[] = [];
  killed = false;
  private listener: (message: WorkerMessage) => void = () => {};
  private exitListener: (how: string) => void = () => {};

  constructor(pid: number, beats: boolean) {
    this.pid = pid;
    this.beats = beats;
  }

  send(message: ManagerMessage): void {
    this.told.push(message);
  }

  onMessage(listener: (message: WorkerMessage) => void): void {
    this.listener = listener;
  }

  onExit(listener: (how: string) => void): void {
    this.exitListener = listener;
  }

  kill(): void {
    this.killed = true;
    this.exitListener('signal SIGKILL');
  }

  say(message: WorkerMessage): void {
    this.listener(message);
  }
}

/** A clock whose process can be stopped: time passes then, and no timer runs. */
class StoppableClock extends FakeClock implements Clock {
  private stopped = 0;

  override monotonic(): number {
    return super.monotonic() + this.stopped;
  }

  stopFor(ms: number): void {
    this.stopped += ms;
  }
}

class World {
  readonly clock = new StoppableClock();
  readonly processes: FakeProcess[] = [];
  readonly logs: { msg: string; level: number; [field: string]: unknown }[] = [];
  readonly exits: number[] = [];
  readonly slot: WorkerSlot;
  readonly loaded: Promise<void>;
  hangs = 0;

  constructor({ beats = true } = {}) {
    const log: Logger = pino({ level: 'trace' }, { write: line => void this.logs.push(JSON.parse(line)) });
    this.slot = new WorkerSlot({
      number: 1,
      log,
      clock: this.clock,
      spawn: () => {
        const started = new FakeProcess(2 ** 30 + this.processes.length, beats);
        this.processes.push(started);
        return started;
      },
      greet: () => {},
      sockets: () => [],
      briefing: () => [],
      ownAddresses: () => [],
      onMessage: () => {},
      onReady: () => {},
      onExit: () => void this.exits.push(this.processes.length),
      onHung: () => void this.hangs++,
    });
    this.loaded = this.slot.load();
    this.loaded.catch(() => {});
  }

  get worker(): FakeProcess {
    const last = this.processes.at(-1);
    if (last === undefined) throw new Error('nothing was started');
    return last;
  }

  async serve(): Promise<void> {
    this.worker.say({ type: 'loaded' });
    const listening = this.slot.listen();
    await settle();
    this.worker.say({ type: 'ready' });
    await listening;
  }

  /** Advances time while the worker sends its beats. */
  live(ms: number): void {
    for (let passed = 0; passed < ms; passed += 250) {
      this.clock.advance(250);
      this.worker.say({ type: 'beat', requests: 3 });
    }
  }

  logged(text: string): Record<string, unknown>[] {
    return this.logs.filter(({ msg }) => msg.includes(text));
  }
}

async function readyWorker(): Promise<World> {
  const world = new World();
  await world.serve();
  world.live(1_000);
  assert.ok(world.slot.ready);
  return world;
}

test('a worker that is silent for less than 2 s is not touched', async () => {
  const world = await readyWorker();
  world.clock.advance(1_500);
  assert.ok(world.slot.ready);
  world.live(60_000);
  assert.equal(world.logs, []);
});

test('a worker that is silent for 2 s is not ready, and a warning names it', async () => {
  const world = await readyWorker();
  world.clock.advance(2_000);
  assert.not(world.slot.ready);
  world.clock.advance(5_000);
  const warnings = world.logged('does not react');
  assert.is(warnings.length, 1);
  assert.is(warnings[0]?.['level'], 40);
  assert.is(warnings[0]?.['worker'], 1);
  assert.is(warnings[0]?.['pid'], world.worker.pid);
  assert.is(warnings[0]?.['requests'], 3);
  assert.equal(world.exits, []);
});

test('a worker that speaks again before 10 s is ready again, which is logged', async () => {
  const world = await readyWorker();
  world.clock.advance(9_750);
  world.worker.say({ type: 'idle', pool: 'default', id: 'http://127.0.0.1:1' });
  assert.ok(world.slot.ready);
  assert.is(world.logged('reacts again; it is ready').length, 1);
  world.live(20_000);
  assert.not(world.worker.killed);
});

test('a worker that is silent for 10 s is killed and replaced', async () => {
  const world = await readyWorker();
  const hung = world.worker;
  world.clock.advance(9_750);
  assert.not(hung.killed);
  world.clock.advance(250);
  assert.ok(hung.killed);
  assert.is(world.hangs, 1);
  assert.is(world.logged('the worker hangs and is killed').length, 1);
  assert.is(
    world.logged('a worker died; it is replaced')[0]?.['why'],
    'worker 1 did not react for 10 s, and was killed',
  );
  world.clock.advance(1);
  assert.is(world.processes.length, 2);
  assert.not(world.slot.ready);
  world.worker.say({ type: 'loaded' });
  await settle();
  world.worker.say({ type: 'ready' });
  assert.ok(world.slot.ready);
  world.live(20_000);
  assert.is(world.processes.length, 2);
});

test('a manager that was stopped for a minute kills no worker when it wakes', async () => {
  const world = await readyWorker();
  for (let stops = 0; stops < 5; stops++) {
    world.clock.stopFor(60_000);
    // Its late timer runs before it reads the messages that wait.
    world.clock.advance(250);
    assert.ok(world.slot.ready);
    world.live(250);
  }
  assert.equal(world.logs, []);
});

test('a worker that hangs while the manager is stopped is found after the manager woke', async () => {
  const world = await readyWorker();
  world.clock.stopFor(60_000);
  world.clock.advance(1_000);
  assert.ok(world.slot.ready);
  world.clock.advance(1_000);
  assert.not(world.slot.ready);
  world.clock.advance(8_000);
  assert.ok(world.processes[0]?.killed);
});

test('a start may be silent for a minute without a warning', async () => {
  const world = new World();
  world.clock.advance(59_750);
  assert.not(world.worker.killed);
  assert.equal(world.logs, []);
  await world.serve();
  assert.ok(world.slot.ready);
});

test('a start that sends beats may take any time', async () => {
  const world = new World();
  world.live(600_000);
  assert.not(world.worker.killed);
});

test('a first start that is silent for a minute fails and says why', async () => {
  const world = new World();
  world.clock.advance(60_000);
  assert.ok(world.worker.killed);
  const failure = await world.loaded.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.match(
    String(failure),
    'worker 1 did not react for 60 s while it loaded the config and started its plugins, and was killed',
  );
  world.clock.advance(60_000);
  assert.is(world.processes.length, 1);
});

test('a replacement whose start hangs is replaced later and later', async () => {
  const world = await readyWorker();
  world.worker.kill();
  for (const wait of [1, 1, 100, 200]) {
    world.clock.advance(wait);
    const hung = world.worker;
    world.clock.advance(59_750);
    assert.not(hung.killed);
    world.clock.advance(250);
    assert.ok(hung.killed);
  }
  assert.equal(
    world.logged('a worker died').map(record => record['replacedInMs']),
    [0, 0, 100, 200, 400],
  );
});

test('a worker that hangs in its drain is killed after 10 s and not replaced', async () => {
  const world = await readyWorker();
  const drained = world.slot.drain(3_600_000);
  world.live(60_000);
  assert.not(world.worker.killed);
  world.clock.advance(10_000);
  assert.ok(world.worker.killed);
  await drained;
  world.clock.advance(60_000);
  assert.is(world.processes.length, 1);
});

test('a drain that hangs ends at its own limit when that comes first', async () => {
  const world = await readyWorker();
  const drained = world.slot.drain(200);
  world.clock.advance(5_200);
  assert.ok(world.worker.killed);
  await drained;
});

test('the stack watcher is requested once per process', async () => {
  const world = await readyWorker();
  const asked = () => world.worker.told.filter(({ type }) => type === 'watch-stack').length;
  assert.is(asked(), 0);
  world.slot.watchStack();
  world.slot.watchStack();
  assert.is(asked(), 1);
  world.worker.kill();
  world.clock.advance(1);
  assert.is(asked(), 0);
  world.slot.watchStack();
  assert.is(asked(), 1);
});

test('a worker in the process of its manager sends no beats and is never silent', async () => {
  const world = new World({ beats: false });
  await world.serve();
  world.clock.advance(3_600_000);
  assert.ok(world.slot.ready);
  assert.equal(world.logs, []);
});

test('a worker whose process has ended leaves no timer', async () => {
  const world = await readyWorker();
  const drained = world.slot.drain(0);
  world.worker.kill();
  await drained;
  assert.is(world.clock.pending, 0);
});
