// The phases of a Weldr: which may follow which, and how each handles a reload, an upgrade or a stop.
import * as assert from 'uvu/assert';
import { WeldrError } from '../../../core/errors.ts';
import { Lifecycle, type Takeover } from '../../../core/process/lifecycle.ts';
import { suite } from '../../support/suite.ts';

const test = suite('lifecycle');

/** Work that ends when the test says so. */
class Work {
  readonly begun: string[] = [];
  private readonly ends: PromiseWithResolvers<void>[] = [];

  named(name: string): () => Promise<void> {
    return async () => {
      this.begun.push(name);
      const end = Promise.withResolvers<void>();
      this.ends.push(end);
      await end.promise;
    };
  }

  async finish(): Promise<void> {
    this.ends.shift()?.resolve();
    await turn();
  }

  async fail(text: string): Promise<void> {
    this.ends.shift()?.reject(new Error(text));
    await turn();
  }
}

/** Another process, which takes over when the test says so. */
class TestTakeover implements Takeover {
  private readonly outcome = Promise.withResolvers<string>();
  run = async (): Promise<string> => await this.outcome.promise;

  async cancel(): Promise<void> {
    await this.fail('it was ended');
  }

  async succeed(version: string): Promise<void> {
    this.outcome.resolve(version);
    await turn();
  }

  async fail(text: string): Promise<void> {
    this.outcome.reject(new Error(text));
    await turn();
  }
}

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve));
const done = async (): Promise<void> => {};

/** The value or the message of what is thrown. */
async function outcomeOf<T>(promise: Promise<T>): Promise<T | string> {
  try {
    return await promise;
  } catch (thrown) {
    return thrown instanceof WeldrError ? `${thrown.code}: ${thrown.message}` : String(thrown);
  }
}

async function running(): Promise<Lifecycle> {
  const life = new Lifecycle();
  await life.start(done);
  assert.is(life.phase, 'running');
  return life;
}

const nothingToReload = 'CONFLICT: this Weldr is stopping; there is nothing to reload';

test('a start leads to running, and a start that fails to failed', async () => {
  const work = new Work();
  const life = new Lifecycle();
  assert.is(life.phase, 'new');
  const started = life.start(work.named('start'));
  assert.is(life.phase, 'starting');
  await work.finish();
  await started;
  assert.is(life.phase, 'running');
  assert.is(await outcomeOf(life.start(done)), 'CONFLICT: this Weldr was started before');

  const other = new Lifecycle();
  const failed = outcomeOf(other.start(work.named('start')));
  await work.fail('no port');
  assert.is(await failed, 'Error: no port');
  assert.is(other.phase, 'failed');
  assert.not(other.isEnding);
  assert.is(await outcomeOf(other.reload(done)), nothingToReload);
  await other.stop(done);
  assert.is(other.phase, 'ended');
});

test('a reload during a start waits for it', async () => {
  const work = new Work();
  const life = new Lifecycle();
  const started = life.start(work.named('start'));
  const reloaded = life.reload(work.named('reload'));
  await turn();
  assert.equal(work.begun, ['start']);
  await work.finish();
  await started;
  assert.equal(work.begun, ['start', 'reload']);
  assert.is(life.phase, 'reloading');
  await work.finish();
  await reloaded;
  assert.is(life.phase, 'running');
});

test('a reload that waits for a start is refused when the start fails', async () => {
  const work = new Work();
  const life = new Lifecycle();
  const started = outcomeOf(life.start(work.named('start')));
  const reloaded = outcomeOf(life.reload(work.named('reload')));
  await work.fail('no port');
  assert.is(await started, 'Error: no port');
  assert.is(await reloaded, nothingToReload);
  assert.equal(work.begun, ['start']);
});

test('reloads during a reload become one, which all of them wait for', async () => {
  const work = new Work();
  const life = await running();
  const outcomes: string[] = [];
  const ask = (name: string): void => {
    life.reload(work.named(name)).then(
      () => outcomes.push(`${name} done`),
      () => outcomes.push(`${name} failed`),
    );
  };
  for (const name of ['first', 'second', 'third']) ask(name);
  await work.fail('bad config');
  assert.equal(work.begun, ['first', 'second']);
  assert.equal(outcomes, ['first failed']);
  ask('fourth');
  await work.finish();
  assert.equal(outcomes, ['first failed', 'second done', 'third done']);
  assert.equal(work.begun, ['first', 'second', 'fourth']);
  await work.finish();
  assert.equal(outcomes, ['first failed', 'second done', 'third done', 'fourth done']);
  assert.is(life.phase, 'running');
});

test('a stop during a reload is not undone by its end, and refuses the reload that waits', async () => {
  const work = new Work();
  const life = await running();
  const first = life.reload(work.named('first'));
  const second = outcomeOf(life.reload(work.named('second')));
  const stopped = life.stop(async () => {
    await life.quiet();
    await work.named('stop')();
  });
  assert.is(life.phase, 'stopping');
  const third = outcomeOf(life.reload(done));
  await work.finish();
  await first;
  assert.equal(await Promise.all([second, third]), [nothingToReload, nothingToReload]);
  assert.is(life.phase, 'stopping');
  assert.equal(work.begun, ['first', 'stop']);
  await work.finish();
  await stopped;
  assert.is(life.phase, 'ended');
});

test('a stop during a start is not undone by its end', async () => {
  const work = new Work();
  const life = new Lifecycle();
  const started = life.start(work.named('start'));
  const stopped = life.stop(() => life.quiet());
  await turn();
  assert.is(life.phase, 'stopping');
  await work.finish();
  await Promise.all([started, stopped]);
  assert.is(life.phase, 'ended');
});

test('an upgrade leads through yielding and leaving to the end', async () => {
  const work = new Work();
  const life = await running();
  const takeover = new TestTakeover();
  const upgraded = life.upgrade(() => takeover, work.named('leave'));
  assert.is(life.phase, 'upgrading');
  assert.not(life.isEnding);
  life.yield();
  assert.is(life.phase, 'yielding');
  assert.ok(life.isEnding && life.isSucceeded);
  await takeover.succeed('2.0.0');
  assert.is(await upgraded, '2.0.0');
  assert.is(life.phase, 'leaving');
  assert.ok(life.isSucceeded);
  const stopped = life.stop(work.named('stop'));
  await work.finish();
  await stopped;
  assert.equal(work.begun, ['leave'], 'a stop waits for the end that is under way');
  assert.is(life.phase, 'ended');
});

test('an upgrade that fails leads back to running, before and after the plugins yield', async () => {
  const life = await running();
  for (const yields of [false, true]) {
    const takeover = new TestTakeover();
    const upgraded = outcomeOf(life.upgrade(() => takeover, done));
    if (yields) {
      life.yield();
      life.takeBack();
      assert.is(life.phase, 'upgrading');
      assert.not(life.isEnding);
    }
    await takeover.fail('it crashed');
    assert.is(await upgraded, 'Error: it crashed');
    assert.is(life.phase, 'running');
  }
});

test('an upgrade that fails without taking the plugins back can still be followed by a reload', async () => {
  const life = await running();
  const takeover = new TestTakeover();
  const upgraded = outcomeOf(life.upgrade(() => takeover, done));
  life.yield();
  await takeover.fail('it crashed');
  assert.is(await upgraded, 'Error: it crashed');
  assert.is(life.phase, 'running');
  assert.not(life.isEnding || life.isSucceeded);
  await life.reload(done);
  assert.is(life.phase, 'running');
});

test('a process that cannot be replaced keeps running', async () => {
  const life = await running();
  const begin = (): Takeover => {
    throw new WeldrError('CONFLICT', 'not this one');
  };
  assert.is(await outcomeOf(life.upgrade(begin, done)), 'CONFLICT: not this one');
  assert.is(life.phase, 'running');
});

test('a stop during an upgrade cancels it, and nothing is taken back or left', async () => {
  const work = new Work();
  for (const yields of [false, true]) {
    const life = await running();
    const upgraded = outcomeOf(life.upgrade(() => new TestTakeover(), work.named('leave')));
    if (yields) life.yield();
    await life.stop(async () => {
      await life.cancelUpgrade();
      await life.quiet();
      life.takeBack();
      life.yield();
      assert.is(life.phase, 'stopping');
    });
    assert.is(await upgraded, 'Error: it was ended');
    assert.is(life.phase, 'ended');
    assert.equal(work.begun, []);
  }
});

test('a takeover that succeeds during a stop does not replace the stop', async () => {
  const work = new Work();
  const life = await running();
  const takeover = new TestTakeover();
  const upgraded = life.upgrade(() => takeover, work.named('leave'));
  life.yield();
  const stopped = life.stop(work.named('stop'));
  await takeover.succeed('2.0.0');
  assert.is(await upgraded, '2.0.0');
  assert.equal(work.begun, ['stop']);
  await work.finish();
  await stopped;
});

test('an upgrade is refused in each phase but running', async () => {
  const work = new Work();
  const begin = (): Takeover => {
    throw new Error('begun');
  };
  const busy = 'CONFLICT: this Weldr is starting, reloading or stopping; try again when it is not';
  const refused = async (life: Lifecycle, text: string): Promise<void> => {
    assert.is(await outcomeOf(life.upgrade(begin, done)), text, life.phase);
  };
  const life = new Lifecycle();
  await refused(life, busy);
  const started = life.start(work.named('start'));
  await refused(life, busy);
  await work.finish();
  await started;
  const reloaded = life.reload(work.named('reload'));
  await refused(life, busy);
  await work.finish();
  await reloaded;
  const takeover = new TestTakeover();
  const upgraded = outcomeOf(life.upgrade(() => takeover, done));
  const handsOver = 'CONFLICT: another process is about to take over; try again when it has';
  await refused(life, handsOver);
  life.yield();
  await refused(life, handsOver);
  assert.is(await outcomeOf(life.reload(done)), handsOver);
  life.takeBack();
  await takeover.fail('it crashed');
  await upgraded;
  const stopped = life.stop(work.named('stop'));
  await refused(life, busy);
  await work.finish();
  await stopped;
  await refused(life, busy);
});

test('stops once, however often it is asked', async () => {
  const work = new Work();
  const life = await running();
  const both = Promise.all([life.stop(work.named('first')), life.stop(work.named('second'))]);
  await work.finish();
  await both;
  assert.equal(work.begun, ['first']);
});

test('a cut is seen by the stop under way, and by one that comes after it', async () => {
  const work = new Work();
  const life = await running();
  const stopped = life.stop(work.named('stop'));
  life.cut();
  assert.is(life.phase, 'cutting');
  assert.ok(life.isEnding);
  const again = life.stop(work.named('again'));
  assert.is(life.phase, 'cutting');
  await work.finish();
  await Promise.all([stopped, again]);
  assert.equal(work.begun, ['stop']);
  assert.is(life.phase, 'ended');
  life.cut();
  assert.is(life.phase, 'ended');

  const other = await running();
  other.cut();
  await other.stop(async () => assert.is(other.phase, 'cutting'));
  assert.is(other.phase, 'ended');
});
