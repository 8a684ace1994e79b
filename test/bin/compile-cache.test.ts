// The folder of the compile cache: code is run from it, so no other user may write there.
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { compileCacheFolder } from '../../bin/compile-cache.ts';
import { suite } from '../support/suite.ts';

const test = suite('the compile cache');

let folder: string;

test.before.each(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'weldr-cache-')));
});

test.after.each(() => {
  rmSync(folder, { recursive: true, force: true });
});

test('is in a folder that only this user can read', () => {
  const found = compileCacheFolder({ XDG_CACHE_HOME: join(folder, 'cache') });
  assert.is(found, join(folder, 'cache/weldr/compile'));
  assert.is(statSync(join(folder, 'cache')).mode & 0o777, 0o700);
  assert.ok(found !== undefined);
  assert.is(statSync(found).mode & 0o777, 0o700);
});

test('is in the cache directory of a systemd service, before any other', () => {
  const env = { CACHE_DIRECTORY: `${folder}:/elsewhere`, XDG_CACHE_HOME: '/elsewhere' };
  assert.is(compileCacheFolder(env), join(folder, 'compile'));
});

test('is not in a folder that others can write to', () => {
  mkdirSync(join(folder, 'weldr/compile'), { recursive: true });
  chmodSync(join(folder, 'weldr/compile'), 0o777);
  assert.is(compileCacheFolder({ XDG_CACHE_HOME: folder }), undefined);
});

test('is not in a folder that others can replace', () => {
  chmodSync(folder, 0o777);
  assert.is(compileCacheFolder({ XDG_CACHE_HOME: folder }), undefined);
  chmodSync(folder, 0o770);
  assert.is(compileCacheFolder({ XDG_CACHE_HOME: folder }), undefined);
});

test('may be below a folder such as /tmp, where users cannot move files of others', () => {
  chmodSync(folder, 0o1777);
  const found = compileCacheFolder({ XDG_CACHE_HOME: folder });
  assert.is(found, join(folder, 'weldr/compile'));
});

const isRoot = process.getuid?.() === 0;

if (isRoot) {
  test("is not below another user's folder", () => {
    chownSync(folder, 65_534, 65_534);
    assert.is(compileCacheFolder({ XDG_CACHE_HOME: folder }), undefined);
  });
}

test('is off if no folder can be made', () => {
  assert.is(compileCacheFolder({ XDG_CACHE_HOME: '/proc/weldr' }), undefined);
  assert.is(compileCacheFolder({ XDG_CACHE_HOME: '/dev/null' }), undefined);
});

test('is off for a path that is not absolute', () => {
  assert.is(compileCacheFolder({ XDG_CACHE_HOME: 'cache' }), undefined);
  assert.not.ok(existsSync('cache'));
});
