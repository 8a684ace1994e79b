// The commands in docs/operating.md.
import { readFileSync } from 'node:fs';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { runWeldr } from '../support/weldr.ts';

const test = suite('docs/operating.md');

const page = readFileSync(new URL('../../docs/operating.md', import.meta.url), 'utf8');

test('names every command, and no others', async () => {
  const { stdout } = await runWeldr(['--help']);
  const [, list = ''] = /Available Commands\n([\s\S]+?)\n\n/.exec(stdout) ?? [];
  const real = list.split('\n').map(line => line.trim().split(/ {2,}/)[0] ?? '');
  assert.ok(real.length > 10);
  const [, table = ''] = page.split('| command | what it does |\n');
  const rows = table.split('\n\n')[0] ?? '';
  for (const command of real) {
    const [group = '', word = ''] = command.split(' ');
    const named = rows
      .split('\n')
      .some(row => row.includes(group) && (word === '' || new RegExp(`[ \`]${word}[ \`]`).test(row)));
    assert.ok(named, `${command} is not in the table`);
  }
  for (const [, command = ''] of rows.matchAll(/`weldr ((?:[a-z][a-z-]* ?)+)/g)) {
    assert.ok(real.includes(command.trim()), `there is no command ${command}`);
  }
});
