// pool-file: a full or read-only disk makes changes fail, applies none partly, and works again afterwards.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { WeldrError } from '../../../core/errors.ts';
import { parse } from '../../../core/options/options.ts';
import { serverDefinition } from '../../../core/pool/server-definition.ts';
import type { Batch } from '../../../core/state/row.ts';
import { managerSide } from '../../../core/testing.ts';
import { poolFile } from '../../../plugins/pool-file/index.ts';
import { certificate } from '../../support/certificate.ts';
import { suite } from '../../support/suite.ts';
import { rejectionOf } from '../../support/weldr-error.ts';
import { define, idOf, idsOf, inFolder, openJournal, put, readJournal } from './journal-fixture.ts';

const test = suite('pool-file full disk');

const mount = (...args: string[]): boolean => spawnSync('mount', args, { stdio: 'ignore' }).status === 0;
const unmount = (folder: string): void => void spawnSync('umount', ['-l', folder], { stdio: 'ignore' });

function canMount(): boolean {
  const folder = join('/tmp', `weldr-mount-${process.pid}`);
  mkdirSync(folder);
  try {
    return mount('-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder);
  } finally {
    unmount(folder);
    rmSync(folder, { recursive: true });
  }
}

const mountable = process.platform === 'linux' && process.getuid?.() === 0 && canMount();

/** A test in a file system of 512 KB. */
function onSmallDisk(behaviour: string, body: (disk: string) => Promise<void>): void {
  const run = () =>
    inFolder(async folder => {
      const disk = join(folder, 'disk');
      mkdirSync(disk);
      assert.ok(mount('-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', disk));
      try {
        await body(disk);
      } finally {
        unmount(disk);
      }
    });
  if (mountable) test(behaviour, run);
  else test.skip(behaviour, 'needs root on Linux, to mount a small file system', run);
}

/** Uses up all remaining space. */
function fill(disk: string): void {
  for (const size of [65_536, 4096, 1]) {
    for (let n = 0; ; n++) {
      try {
        writeFileSync(join(disk, `filler-${size}-${n}`), Buffer.alloc(size));
      } catch {
        rmSync(join(disk, `filler-${size}-${n}`), { force: true });
        break;
      }
    }
  }
}

function free(disk: string): void {
  for (const size of [65_536, 4096, 1]) {
    for (let n = 0; n < 2000; n++) rmSync(join(disk, `filler-${size}-${n}`), { force: true });
  }
}

onSmallDisk(
  'a change on a full disk is refused with file and remedy, and works again when there is space',
  async disk => {
    const path = join(disk, 'pool.json');
    const side = await managerSide(poolFile({ path }));
    const server = (port: number) => ({
      url: idOf(port),
      weight: 1,

      state: 'active' as const,
    });
    await side.pools.add('default', server(1));
    fill(disk);
    let port = 2;
    // The last block of the file may have room for a few more lines.
    let failure: WeldrError | undefined;
    for (; failure === undefined && port < 200; port++) {
      failure = await side.pools.add('default', server(port)).then(
        () => undefined,
        (error: WeldrError) => error,
      );
    }
    assert.is(failure?.code, 'STORE_UNAVAILABLE');
    assert.is(failure?.status, 503);
    assert.match(failure?.message ?? '', /pool\.json cannot be written \(ENOSPC.*free some space/);
    const refused = idOf(port - 1);
    assert.is(side.pools.get('default', refused), undefined, 'nothing half-done in memory');
    assert.ok(readFileSync(path, 'utf8').endsWith('\n'), 'nothing half-done on disk');
    assert.not.match(readFileSync(path, 'utf8'), new RegExp(`${refused}"`));

    free(disk);
    await side.pools.add('default', server(999));
    await side.close();
    const { ids, logs } = await readJournal(path);
    assert.ok(ids.includes(idOf(1)) && ids.includes(idOf(999)));
    assert.is(ids.length, port - 1);
    assert.equal(logs, []);
  },
);

onSmallDisk('without space for a rewrite the file keeps growing, and changes do not fail', async disk => {
  const path = join(disk, 'pool.json');
  const { journal, logs } = await openJournal(path);
  const big = (port: number): Batch => {
    const server = parse(serverDefinition, {
      url: `https://127.0.0.1:${port}`,
      tls: { ca: `${'x'.repeat(60_000)}\n${certificate}` },
    });
    return define(server);
  };
  // 5 x 60 KB live; then small changes until it is due for a rewrite, for which there is no room.
  for (let port = 1; port <= 5; port++) await journal.write(big(port));
  for (let n = 1; n <= 3; n++) await journal.write(put(1, n));
  assert.ok(statSync(path).size > 300_000);
  await journal.close();
  const { ids } = await readJournal(path);
  assert.is(ids.length, 6);
  assert.ok(logs.some(line => line.msg.includes('keeps growing')));
  assert.equal(
    logs.filter(line => line.level === 'error'),
    [],
  );
});

onSmallDisk(
  'a start on a read-only disk uses the file, refuses changes, and takes them when it is writable',
  async disk => {
    const path = join(disk, 'pool.json');
    const before = await openJournal(path);
    await before.journal.write(put(1));
    await before.journal.close();
    assert.ok(mount('-o', 'remount,ro', disk));
    const { journal, logs } = await openJournal(path);
    assert.equal(idsOf(await journal.load()), [idOf(1)]);
    assert.ok(logs.some(line => line.level === 'error' && line.msg.includes('run-time changes are refused')));
    const failure = await rejectionOf(journal.write(put(2)));
    assert.is(failure.status, 503);
    assert.match(failure.message, /EROFS.*mount its file system writable/);
    assert.ok(mount('-o', 'remount,rw', disk));
    await journal.write(put(3));
    await journal.close();
    assert.equal((await readJournal(path)).ids, [idOf(1), idOf(3)]);
  },
);

onSmallDisk('a damaged file on a read-only disk is read, and set aside when it can be', async disk => {
  const path = join(disk, 'pool.json');
  const before = await openJournal(path);
  for (const port of [1, 2, 3]) await before.journal.write(put(port));
  await before.journal.close();
  writeFileSync(path, readFileSync(path, 'utf8').replace('127.0.0.1:2', '127.0.0.1:7'));
  assert.ok(mount('-o', 'remount,ro', disk));
  const { journal, logs } = await openJournal(path);
  assert.equal(idsOf(await journal.load()), [idOf(1), idOf(3)]);
  assert.ok(mount('-o', 'remount,rw', disk));
  await journal.write(put(4));
  await journal.close();
  assert.ok(logs.some(line => line.msg.includes('is kept as')));
  assert.equal((await readJournal(path)).ids, [idOf(1), idOf(3), idOf(4)]);
});

onSmallDisk('a file that was changed while it could not be locked is not overwritten', async disk => {
  const path = join(disk, 'pool.json');
  const before = await openJournal(path);
  await before.journal.write(put(1));
  await before.journal.close();
  assert.ok(mount('-o', 'remount,ro', disk));
  const late = await openJournal(path);
  assert.ok(mount('-o', 'remount,rw', disk));
  const other = await openJournal(path);
  await other.journal.write(put(2));
  assert.match((await rejectionOf(late.journal.write(put(3)))).message, /in use by process/);
  await other.journal.close();
  assert.match((await rejectionOf(late.journal.write(put(3)))).message, /restart to load it/);
  await late.journal.close();
  assert.equal((await readJournal(path)).ids, [idOf(1), idOf(2)]);
});
