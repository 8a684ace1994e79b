// Each block of commands in docs/cluster.md is run by cluster-setup.slow.test.ts, or listed with the reason why it is not.
import { readFileSync } from 'node:fs';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { clusterCommands, commandsReplaced, commandsRun } from './cluster-page.ts';

const test = suite('the page about clusters');

test('has a test, or a reason, for all of its commands', () => {
  const names = [...clusterCommands().keys()];
  assert.equal(names.sort(), [...commandsRun, ...commandsReplaced.keys()].sort());
});

test('names the machine of every block of commands', () => {
  const nowhere = [...clusterCommands().values()].filter(({ where }) => where === '');
  assert.equal(
    nowhere.map(({ name }) => name),
    [],
  );
});

test('names the version of Node that the package needs', () => {
  const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
  const { engines }: { engines: { node: string } } = JSON.parse(read('package.json'));
  assert.match(read('docs/cluster.md'), `Weldr needs Node ${engines.node.replace('>=', '')} or newer`);
});
