// RunTimePlugins: which problems of lists made at run time are shown, and until when.
import * as assert from 'uvu/assert';
import { DefinedPlugins } from '../../../core/plugin/defined-plugins.ts';
import { type ListingManager, RunTimePlugins } from '../../../core/plugin/run-time-plugins.ts';
import { suite } from '../../support/suite.ts';

const test = suite('problems of lists made at run time');

const api = { kind: 'pool', name: 'api' } as const;

/** A pool with a list of plugins, and the problems that were shown last. */
function withList() {
  const shown: (readonly string[])[] = [];
  const plugins = new RunTimePlugins({
    workers: { prepare: async () => {}, abandon() {} },
    log: () => undefined,
    onProblems: (scope, problems) => {
      assert.is(scope, 'the pool api');
      shown.push(problems);
    },
  });
  plugins.want(api, ['gate', 'auth'], { isNew: false });
  return { plugins, last: () => shown.at(-1) };
}

/** Manager sides on which a list has these problems. */
function sidesWith(plugins: RunTimePlugins, problems: readonly string[]): ListingManager {
  const want = async () => {
    if (problems.length > 0) plugins.report(api, problems);
  };
  return { lists: { want, prepare: async () => {}, abandon: async () => {} } };
}

test('of a worker that has ended are over, those of others stay', () => {
  const { plugins, last } = withList();
  plugins.report(api, ['gate is missing'], 1);
  plugins.report(api, ['auth is missing'], 2);
  assert.equal(last(), ['gate is missing', 'auth is missing']);
  plugins.workerGone(1);
  assert.equal(last(), ['auth is missing']);
  plugins.workerGone(2);
  assert.equal(last(), []);
});

test('end with the worker that found them, even if the list was removed before', () => {
  const { plugins, last } = withList();
  plugins.report(api, ['gate is missing'], 1);
  plugins.want(api, undefined, { isNew: false });
  plugins.workerGone(1);
  assert.equal(last(), []);
});

test('that a reload solves are over, those that new workers have already found stay', async () => {
  const { plugins, last } = withList();
  await plugins.takeOver(sidesWith(plugins, ['gate is missing']), new DefinedPlugins());
  assert.equal(last(), ['gate is missing']);
  plugins.release();
  plugins.report(api, ['auth is missing'], 2);
  await plugins.takeOver(sidesWith(plugins, []), new DefinedPlugins());
  assert.equal([last(), plugins.problems(api)], [['auth is missing'], ['auth is missing']]);
  plugins.report(api, [], 2);
  assert.equal(last(), []);
});
