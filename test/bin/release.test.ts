// `npm run release`, in a separate repository.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';

const test = suite('npm run release');
const script = join(import.meta.dirname, '../../bin/release.ts');
const env = {
  ...process.env,
  GIT_AUTHOR_NAME: 't',
  GIT_AUTHOR_EMAIL: 't@localhost',
  GIT_COMMITTER_NAME: 't',
  GIT_COMMITTER_EMAIL: 't@localhost',
};

let folder: string;
test.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), 'release-'));
  write('package.json', '{\n  "name": "weldr",\n  "version": "1.2.3"\n}\n');
  write('CHANGELOG.md', '# Changelog\n\n## Unreleased\n\n- Something new.\n\n## 1.2.3\n\nBefore.\n');
  git('init', '-q', '-b', 'main');
  git('add', '.');
  git('commit', '-qm', 'before');
});
test.after.each(() => rmSync(folder, { recursive: true }));

const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);
const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
const git = (...args: string[]): string =>
  execFileSync('git', args, { cwd: folder, env, encoding: 'utf8' }).trim();
const release = (...args: string[]) =>
  spawnSync(process.execPath, [script, ...args], { cwd: folder, env, encoding: 'utf8' });

test('writes the version, the heading, a commit and a tag with the changes', () => {
  const { status, stdout, stderr } = release('minor');
  assert.is(stderr, '');
  assert.is(status, 0);
  assert.match(stdout, /Weldr 1\.3\.0 is committed and tagged/);
  assert.match(read('package.json'), '"version": "1.3.0"');
  assert.match(
    read('CHANGELOG.md'),
    /## Unreleased\n\n## 1\.3\.0 \(\d{4}-\d\d-\d\d\)\n\n- Something new\.\n\n## 1\.2\.3\n/,
  );
  assert.is(git('status', '--porcelain'), '');
  assert.is(git('log', '-1', '--format=%s'), 'Release 1.3.0');
  assert.match(git('tag', '-n9', '--list', 'v1.3.0'), /Weldr 1\.3\.0[\s\S]*- Something new\./);
});

const refusals: Record<string, [string, () => void, string[]]> = {
  'a tree with changes': [
    'commit or stash these changes first:\n?? stray.ts',
    () => write('stray.ts', ''),
    ['patch'],
  ],
  'another branch': [
    'releases are made on main, but this is topic',
    () => git('checkout', '-qb', 'topic'),
    ['patch'],
  ],
  'a changelog without news': [
    'CHANGELOG.md lists nothing under "## Unreleased"',
    () => {
      write('CHANGELOG.md', '# Changelog\n\n## Unreleased\n\n## 1.2.3\n\nBefore.\n');
      git('commit', '-qam', 'nothing');
    },
    ['patch'],
  ],
  'an unknown step': ['usage: npm run release -- major|minor|patch', () => {}, ['minro']],
  'no word': ['usage: npm run release -- major|minor|patch', () => {}, []],
};

for (const [what, [said, arrange, args]] of Object.entries(refusals)) {
  test(`refuses ${what}, and changes nothing`, () => {
    arrange();
    const before = git('rev-parse', 'HEAD');
    const { status, stderr } = release(...args);
    assert.is(stderr, `release: ${said}\n`);
    assert.is(status, 1);
    assert.is(git('rev-parse', 'HEAD'), before);
    assert.is(git('tag'), '');
    assert.match(read('package.json'), '1.2.3');
  });
}
