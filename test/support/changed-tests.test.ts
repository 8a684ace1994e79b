import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import * as assert from 'uvu/assert';
import { changedPaths, testsOf } from './changed-tests.ts';
import { suite } from './suite.ts';

const test = suite('changed-tests');

let project: string;
test.before.each(() => {
  project = mkdtempSync(join(tmpdir(), 'project-'));
});
test.after.each(() => rmSync(project, { recursive: true }));

function write(path: string, text = ''): void {
  mkdirSync(dirname(join(project, path)), { recursive: true });
  writeFileSync(join(project, path), text);
}

function git(...args: string[]): void {
  const name = ['-c', 'user.name=t', '-c', 'user.email=t@localhost'];
  execFileSync('git', [...name, ...args], { cwd: project, stdio: 'pipe' });
}

test('finds the tests that import what was changed, through other modules too', () => {
  write('core/pool/pool.ts');
  write('core/pool/selection.ts', "import { pool } from './pool.ts';\n");
  write('core/log/log.ts');
  write('test/wire/choice.test.ts', "import { choose } from '../../core/pool/selection.ts';\n");
  write('test/wire/log.test.ts', "import { log } from '../../core/log/log.ts';\n");
  assert.equal(testsOf(project, ['core/pool/pool.ts']), ['test/wire/choice.test.ts']);
});

test('finds the tests that take a plugin from the list of all, and no others', () => {
  write('plugins/jwt/index.ts');
  write('plugins/cors/index.ts');
  write(
    'plugins/index.ts',
    "export { type JwtOptions, jwt } from './jwt/index.ts';\nexport { cors } from './cors/index.ts';\n",
  );
  write('test/wire/jwt.test.ts', "import { cors, jwt } from '../../plugins/index.ts';\n");
  write('test/wire/cors.test.ts', "import { cors } from '../../plugins/index.ts';\n");
  write('test/docs/readmes.test.ts');
  assert.equal(testsOf(project, ['plugins/jwt/index.ts']), ['test/wire/jwt.test.ts']);
  assert.equal(testsOf(project, ['plugins/index.ts']), ['test/docs/readmes.test.ts']);
});

test('finds the tests of pages', () => {
  write('test/docs/links.test.ts');
  write('test/docs/readmes.test.ts');
  assert.equal(testsOf(project, ['CHANGELOG.md']), ['test/docs/links.test.ts']);
  assert.equal(testsOf(project, ['plugins/jwt/README.md']), [
    'test/docs/links.test.ts',
    'test/docs/readmes.test.ts',
  ]);
  write('test/docs/grpc.test.ts', "const page = read('docs/configuring.md');\n");
  write('test/docs/jwt.test.ts');
  assert.equal(testsOf(project, ['docs/configuring.md']), [
    'test/docs/grpc.test.ts',
    'test/docs/links.test.ts',
    'test/docs/readmes.test.ts',
  ]);
});

test('does not follow an import of types alone', () => {
  write('core/pool/pool.ts');
  write('test/wire/types.test.ts', "import type { Pool } from '../../core/pool/pool.ts';\n");
  assert.equal(testsOf(project, ['core/pool/pool.ts']), []);
});

test('finds the tests beside the change, whatever they import', () => {
  for (const path of ['plugins/jwt/jwt', 'process/reload', 'bin/check', 'docs/operating', 'core/pool/pool'])
    write(`test/${path}.test.ts`);
  assert.equal(testsOf(project, ['plugins/jwt/README.md']), ['test/plugins/jwt/jwt.test.ts']);
  assert.equal(testsOf(project, ['core/process/manager.ts']), ['test/process/reload.test.ts']);
  assert.equal(testsOf(project, ['bin/check.ts']), ['test/bin/check.test.ts']);
  assert.equal(testsOf(project, ['docs/operating.md']), ['test/docs/operating.test.ts']);
});

test('finds a test that was changed itself', () => {
  write('test/wire/one.test.ts');
  assert.equal(testsOf(project, ['test/wire/one.test.ts']), ['test/wire/one.test.ts']);
});

test('knows what differs from a revision: committed since, changed, and new', () => {
  git('init', '-q', '-b', 'main');
  for (const name of ['same', 'committed', 'edited']) write(`core/${name}.ts`, 'one');
  git('add', '.');
  git('commit', '-qm', 'one');
  git('checkout', '-qb', 'topic');
  write('core/committed.ts', 'two');
  git('commit', '-qam', 'two');
  write('core/edited.ts', 'two');
  write('core/fresh.ts');
  assert.equal(changedPaths(project, 'main').sort(), [
    'core/committed.ts',
    'core/edited.ts',
    'core/fresh.ts',
  ]);
  assert.equal(changedPaths(project, 'HEAD').sort(), ['core/edited.ts', 'core/fresh.ts']);
});

test('says which revision git does not know', () => {
  git('init', '-q');
  assert.throws(() => changedPaths(project, 'mian'), /mian/);
});
