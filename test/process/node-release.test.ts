// Which Node runs Weldr: one that is too old is refused, and one without security fixes causes a warning.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as assert from 'uvu/assert';
import { releaseProblem } from '../../core/process/node-release.ts';
import { suite } from '../support/suite.ts';

const test = suite('Node release', { testTimeoutMs: 60_000 });

const project = resolve(fileURLToPath(import.meta.url), '../../..');

test('a release with the fixes of its line causes no warning, nor does one of a future line', () => {
  for (const version of ['22.23.5', '22.24.0', '24.22.3', '24.30.0', '26.13.1', '26.14.0', '28.0.0'])
    assert.is(releaseProblem(version), undefined, version);
});

test('a release without them is named, with the one that has them', () => {
  for (const [version, fixed] of [
    ['22.23.4', '22.23.5'],
    ['22.19.0', '22.23.5'],
    ['24.22.2', '24.22.3'],
    ['26.10.0', '26.13.1'],
  ] as const) {
    const said = releaseProblem(version) ?? '';
    assert.match(said, `Node ${version} lacks security fixes`);
    assert.match(said, `run Weldr on ${fixed} or newer`);
  }
});

test('a line that gets no fixes is named, with those that do', () => {
  for (const version of ['23.11.0', '25.1.0'])
    assert.match(releaseProblem(version) ?? '', 'run Weldr on 22.23.5, 24.22.3, 26.13.1');
});

test('the oldest Node of the command is that of package.json', () => {
  const { engines } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'));
  const [, oldest] =
    /const oldest = '([\d.]+)'/.exec(readFileSync(join(project, 'bin/weldr.ts'), 'utf8')) ?? [];
  assert.is(engines.node, `>=${oldest}`);
});

test('every command refuses a Node that is too old with one sentence and code 78', async () => {
  // A Node that reports another version; the package's test runs a really old one.
  const pretend = "Object.defineProperty(process.versions, 'node', { value: '20.20.2' });";
  const preload = `data:text/javascript,${encodeURIComponent(pretend)}`;
  for (const command of [['start'], ['check'], ['servers'], ['--help'], []]) {
    const run = promisify(execFile)(process.execPath, [
      '-C',
      'weldr-source',
      '--import',
      preload,
      join(project, 'bin/weldr.ts'),
      ...command,
    ]);
    const ended = await run.then(
      () => undefined,
      (thrown: { code: number; stderr: string; stdout: string }) => thrown,
    );
    assert.ok(ended, 'it fails');
    assert.is(ended.code, 78);
    assert.is(ended.stdout, '');
    assert.match(
      ended.stderr,
      /^weldr: Node 20\.20\.2 is too old: Weldr needs Node 22\.19 or newer, see https:\S+\n$/,
    );
  }
});
