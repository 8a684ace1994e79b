// docs/README.md lists every page once, and docs/plugins.md every plugin.
import { globSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';

const test = suite('the index of the documentation');

const project = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string): string => readFileSync(`${project}/${path}`, 'utf8');
const found = (pattern: string): string[] => globSync(pattern, { cwd: project }).sort();

test('has its six headings', () => {
  const headings = [...read('docs/README.md').matchAll(/^## (.+)$/gm)].map(([, title]) => title);
  assert.equal(headings, ['Start', 'Configure', 'Operate', 'Extend', 'Understand', 'Compare']);
});

test('lists every page once, with a sentence', () => {
  const lines = read('docs/README.md')
    .split('\n')
    .filter(line => line.startsWith('- '));
  const links = lines.map(line => /^- \[[^\]]+\]\(([^)]+)\): \S.*\.$/.exec(line)?.[1] ?? line);
  for (const page of found('docs/*.md')
    .map(path => basename(path))
    .filter(name => name !== 'README.md')) {
    assert.is(links.filter(link => link === page).length, 1, page);
  }
  for (const page of found('*.md')) assert.ok(links.includes(`../${page}`), page);
  assert.is(new Set(links).size, links.length);
});

test('links from the page of plugins to every plugin once', () => {
  const page = read('docs/plugins.md');
  const rows = [...page.matchAll(/^\| \[([\w-]+)\]\(\.\.\/plugins\/\1\/README\.md\) \|/gm)].map(
    ([, name]) => name,
  );
  assert.equal(
    rows.sort(),
    found('plugins/*/README.md').map(path => path.split('/')[1]),
  );
});

test('keeps the README short', () => {
  assert.ok(read('README.md').split('\n').length < 200);
});
