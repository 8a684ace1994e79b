// file-discovery with real files: renames, editors, the links of Kubernetes, and invalid lists.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { managerSide, type TestManagerSide } from '../../../core/testing.ts';
import { type FileDiscoveryOptions, fileDiscovery } from '../../../plugins/file-discovery/index.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';

const test = suite('file-discovery');

let folder = '';
let path = '';
let side: TestManagerSide | undefined;
test.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), 'weldr-file-discovery-'));
  path = join(folder, 'servers.yaml');
});
test.after.each(async () => {
  await side?.close();
  assert.is(side?.clock.pending ?? 0, 0);
  side = undefined;
  rmSync(folder, { recursive: true, force: true });
});

async function start(
  options: Partial<FileDiscoveryOptions> = {},
  previous?: TestManagerSide,
): Promise<TestManagerSide> {
  side = await managerSide(fileDiscovery({ path, ...options }), previous === undefined ? {} : { previous });
  return side;
}

const shown = (pool = 'default') =>
  [...(side?.pools.list(pool) ?? [])].filter(({ leaving }) => !leaving).map(({ upstream }) => upstream.id);

const said = () =>
  (side?.logs ?? []).filter(({ level }) => level === 'warn' || level === 'error').map(({ msg }) => msg);

/** Lets enough time pass for notifications about the file, but not for the next periodic check. */
const heard = async (what: string, isSo: () => boolean): Promise<void> => {
  const began = side?.clock.now() ?? 0;
  await until(what, async () => {
    if ((side?.clock.now() ?? 0) - began < 4000) await side?.clock.advanceAsync(10);
    return isSo();
  });
};

function replace(text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

test('follows a file that is replaced, and one that is written in place', async () => {
  replace('- http://a:1\n');
  const { pools } = await start({ pool: 'api', interval: '5s' });
  assert.equal(
    [...pools.list('api')].map(({ layer }) => layer),
    ['discovered:file-api'],
  );
  replace('- http://a:1\n- http://b:1\n');
  await heard('the rename', () => shown('api').length === 2);
  writeFileSync(path, '- http://b:1\n- http://c:1\n');
  await heard('the write', () => shown('api')[1] === 'http://c:1');
  assert.equal(shown('api'), ['http://b:1', 'http://c:1']);
  assert.equal(said(), []);
});

test('follows the links that Kubernetes replaces when a ConfigMap changes', async () => {
  const version = (name: string, text: string): void => {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, 'servers.yaml'), text);
    symlinkSync(name, join(folder, '..data_tmp'));
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
  };
  version('..2026_01', '- http://a:1\n');
  symlinkSync('..data/servers.yaml', path);
  await start();
  version('..2026_02', '- http://b:1\n');
  rmSync(join(folder, '..2026_01'), { recursive: true });
  await heard('the swap', () => shown()[0] === 'http://b:1');
  version('..2026_03', '- http://c:1\n');
  await heard('the next swap', () => shown()[0] === 'http://c:1');
});

test('also looks at the file regularly', async () => {
  // Its folder does not exist, so nothing can be watched.
  path = join(folder, 'later/servers.yaml');
  await start({ interval: '5s' });
  assert.equal(said(), [`the file ${path}: the file does not exist; none have been found so far`]);
  mkdirSync(join(folder, 'later'));
  replace('- http://a:1\n');
  await side?.clock.advanceAsync(4999);
  assert.equal(shown(), []);
  await side?.clock.advanceAsync(1);
  await until('the look', () => shown().length === 1);
  replace('- http://b:1\n');
  await heard('it is watched from then on', () => shown()[0] === 'http://b:1');
});

test('keeps the last good list while the file is invalid, and logs line and remedy once', async () => {
  replace('- http://a:1\n');
  await start();
  const bad: [text: string | Buffer, message: RegExp][] = [
    [
      '- http://a:1\n- url: http://b:1\n  wieght: 2\n',
      /: line 2: wieght: .*did you mean weight\?; the previous servers/,
    ],
    ['- http://a:1\n- http://a:1/\n', /: line 2: http:\/\/a:1 is listed twice; the previous servers/],
    ['- [', /: line 1: .*; the previous servers/],
    ['', /: it is empty; a list without servers is written \[\]; the previous servers/],
    [Buffer.from([0x2d, 0x20, 0xff]), /: it is not UTF-8; the previous servers/],
  ];
  for (const [text, message] of bad) {
    const before = said().length;
    writeFileSync(path, text);
    await heard('the trouble', () => said().length > before && message.test(said().at(-1) ?? ''));
    for (let i = 0; i < 3; i++) await side?.clock.advanceAsync(5000);
    assert.equal(shown(), ['http://a:1']);
  }
  const lines = said().length;
  replace('- http://a:1\n');
  await heard('it is well', () => side?.logs.at(-1)?.msg === `the file ${path}: it has recovered`);
  assert.is(said().length, lines);
});

test('accepts a large loss when the file has stayed that way for a while, and never an empty list', async () => {
  replace('[http://a:1, http://b:1, http://c:1, http://d:1]');
  await start({ interval: '5s' });
  replace('[http://a:1]');
  await heard('it is held', () => said().length === 1);
  assert.is(shown().length, 4);
  assert.match(said()[0] ?? '', /loss greater than maxChange \(0\.5\); 3 answers in a row/);
  await until('it is confirmed', async () => {
    await side?.clock.advanceAsync(5000);
    return shown().length === 1;
  });
  replace('[]');
  await heard('it is held', () => said().length === 2);
  for (let i = 0; i < 10; i++) await side?.clock.advanceAsync(5000);
  assert.equal(shown(), ['http://a:1']);
  assert.is(said().length, 2);
});

test('counts a list that is held back once per interval, whatever else changes in its folder', async () => {
  replace('[http://a:1, http://b:1, http://c:1, http://d:1]');
  await start({ interval: '5s' });
  replace('[http://a:1]');
  await heard('it is held', () => said().length === 1);
  for (let n = 0; n < 20; n++) {
    writeFileSync(join(folder, 'other'), String(n));
    await pause(10);
    await side?.clock.advanceAsync(110);
  }
  assert.is(shown().length, 4);
});

test('reads only files, and none over the size limit', async () => {
  execFileSync('mkfifo', [path]);
  await start({ maxSize: '1kb' });
  assert.match(said()[0] ?? '', /: it is not a regular file; /);
  rmSync(path);
  writeFileSync(path, `# ${'x'.repeat(2000)}\n- http://a:1\n`);
  await heard('the length', () => /: it is longer than maxSize \(1024 bytes\); /.test(said().at(-1) ?? ''));
  assert.equal(shown(), []);
});

test('keeps its servers across a reload, and removes them from a pool that it no longer serves', async () => {
  replace('- http://a:1\n- http://b:1\n');
  const first = await start({ source: 'list' });
  const { revision } = first.pools;
  await first.close();
  replace('oops: [');
  const second = await start({ source: 'list' }, first);
  assert.equal([shown(), second.pools.revision], [['http://a:1', 'http://b:1'], revision]);
  await second.close();
  replace('- http://b:1\n');
  await start({ source: 'list', pool: 'blue' }, second);
  assert.equal([shown(), shown('blue')], [[], ['http://b:1']]);
});
