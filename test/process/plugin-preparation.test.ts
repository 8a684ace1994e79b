// PluginPreparation: which workers a list of plugins waits for before it is written.
import * as assert from 'uvu/assert';
import { WeldrError } from '../../core/errors.ts';
import type { ManagerMessage } from '../../core/process/messages.ts';
import { PluginPreparation } from '../../core/process/plugin-preparation.ts';
import { FakeClock, settle } from '../../core/testing/fake-clock.ts';
import { suite } from '../support/suite.ts';

const test = suite('the preparation of plugins');

const scope = { kind: 'pool', name: 'api' } as const;

class World {
  readonly clock = new FakeClock();
  readonly sent: ManagerMessage[] = [];
  ready = [1, 2];
  readonly preparation = new PluginPreparation({
    clock: this.clock,
    group: () => this.group,
  });

  private get group() {
    const world = this;
    return {
      get readyNumbers() {
        return world.ready;
      },
      tellAll: (message: ManagerMessage) => void this.sent.push(message),
    };
  }

  /** Begins to prepare; returns a function that returns the outcome so far. */
  prepare(): () => string {
    let outcome = 'waiting';
    this.preparation.prepare(scope, ['a']).then(
      () => {
        outcome = 'done';
      },
      (thrown: unknown) => {
        outcome = thrown instanceof WeldrError ? `${thrown.code}: ${thrown.message}` : String(thrown);
      },
    );
    return () => outcome;
  }
}

test('waits for all workers that take requests, and fails with the error of any of them', async () => {
  const world = new World();
  const first = world.prepare();
  assert.equal(world.sent, [{ type: 'stage-plugins', round: 1, scope, names: ['a'] }]);
  world.preparation.answered(1, 1, undefined);
  await settle();
  assert.is(first(), 'waiting');
  world.preparation.answered(2, 1, undefined);
  await settle();
  assert.equal([first(), world.clock.pending], ['done', 0]);
  const second = world.prepare();
  world.preparation.answered(2, 2, { code: 'PLUGIN_FAILED', message: 'no key' });
  await settle();
  assert.equal([second(), world.clock.pending], ['PLUGIN_FAILED: no key', 0]);
});

test('does not wait for a worker that ends or falls silent, nor when no worker takes requests', async () => {
  const world = new World();
  const ended = world.prepare();
  world.preparation.answered(1, 1, undefined);
  world.preparation.gone(2);
  await settle();
  assert.is(ended(), 'done');
  const silent = world.prepare();
  world.preparation.answered(1, 2, undefined);
  world.ready = [1];
  world.clock.advance(250);
  await settle();
  assert.is(silent(), 'done');
  world.ready = [];
  const none = world.prepare();
  await settle();
  assert.is(none(), 'done');
});

test('fails when a worker sends beats but does not answer in time', async () => {
  const world = new World();
  const outcome = world.prepare();
  world.preparation.answered(2, 1, undefined);
  world.clock.advance(25_000);
  await settle();
  assert.match(outcome(), 'PLUGIN_FAILED: worker 1 did not report whether the plugins have started');
});
