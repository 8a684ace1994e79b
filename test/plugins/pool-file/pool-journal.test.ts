// pool-file: run-time changes survive a restart, in a file that stays small.
import {
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { lstat, open } from 'node:fs/promises';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { WeldrError } from '../../../core/errors.ts';
import { parse } from '../../../core/options/options.ts';
import { serverDefinition } from '../../../core/pool/server-definition.ts';
import { managerSide } from '../../../core/testing.ts';
import { poolFile } from '../../../plugins/pool-file/index.ts';
import { suite } from '../../support/suite.ts';
import { define, idOf, inFolder, openJournal, put, readJournal } from './journal-fixture.ts';

const test = suite('pool-file');

const definition = (port: number, weight = 1) => ({
  url: idOf(port),
  weight,

  state: 'active' as const,
});

test('a restart restores the pool: added, changed and removed servers, and settings', async () => {
  await inFolder(async folder => {
    const plugin = () => poolFile({ path: join(folder, 'pool.json') });
    const servers = [idOf(1), idOf(2)];
    const first = await managerSide(plugin(), { servers });
    await first.pools.add('default', definition(3, 5));
    await first.pools.add('blue', definition(4));
    await first.pools.update('default', idOf(1), { weight: 7 });
    await first.pools.remove('default', idOf(2));
    await first.pools.write(
      [{ kind: 'setting', key: 'health-check', op: 'put', value: { interval: 1000 } }],
      'a test',
    );
    await first.close();

    const second = await managerSide(plugin(), { servers });
    const shown = [...second.pools.list('default')].map(e => [e.upstream.id, e.upstream.weight, e.layer]);
    assert.equal(shown.sort(), [
      [idOf(1), 7, 'config'],
      [idOf(3), 5, 'api'],
    ]);
    assert.ok(second.pools.get('blue', idOf(4)));
    assert.equal(second.pools.state.row('setting', 'health-check')?.value, { interval: 1000 });
    await second.pools.state.reset('a test');
    await second.close();

    const third = await managerSide(plugin(), { servers });
    assert.equal([...third.pools.list('default')].map(e => e.upstream.id).sort(), servers);
    assert.is(third.pools.state.row('setting', 'health-check'), undefined);
    await third.close();
  });
});

test('a change that was made before there was a store is stored when one starts', async () => {
  await inFolder(async folder => {
    const early = await managerSide({
      name: 'early',
      manager: m => void m.operator.add('default', definition(1)),
    });
    const plugin = poolFile({ path: join(folder, 'pool.json') });
    const late = await managerSide(plugin, { previous: early });
    await late.close();
    assert.equal((await readJournal(join(folder, 'pool.json'))).ids, [idOf(1)]);
  });
});

test('changes are refused from the release of the store until the next one is loaded', async () => {
  await inFolder(async folder => {
    const plugin = () => poolFile({ path: join(folder, 'pool.json') });
    const old = await managerSide(plugin());
    old.pools.releaseStore();
    await old.close();
    await rejects(old.pools.add('default', definition(1)), 'STORE_UNAVAILABLE', /reloaded/);
    const next = await managerSide(plugin(), { previous: old });
    await next.pools.add('default', definition(1));
    await next.close();
    assert.equal((await readJournal(join(folder, 'pool.json'))).ids, [idOf(1)]);
  });
});

test('changes at the same time share a sync', async () => {
  await inFolder(async folder => {
    const { journal } = await openJournal(join(folder, 'pool.json'));
    const syncs = await countingSyncs(async () => {
      await Promise.all(Array.from({ length: 1000 }, (_, i) => journal.write(put(i + 1))));
    });
    await journal.close();
    assert.ok(syncs >= 1 && syncs <= 3, `${syncs} syncs`);
    assert.is((await readJournal(join(folder, 'pool.json'))).ids.length, 1000);
  });
});

test('a change that alters nothing is not written again', async () => {
  await inFolder(async folder => {
    const path = join(folder, 'pool.json');
    const { journal } = await openJournal(path);
    await journal.write(put(1));
    const { size } = statSync(path);
    await journal.write(put(1));
    assert.is(statSync(path).size, size);
    await Promise.all([journal.write(put(1, 2)), journal.write(put(1))]);
    assert.ok(statSync(path).size > size, 'a change back within one batch is written');
    await journal.close();
    const again = await openJournal(path);
    assert.equal(
      await again.journal.load(),
      put(1).changes.map(({ row }) => row),
    );
    await again.journal.close();
  });
});

test('the file stays small however often a server is changed', async () => {
  await inFolder(async folder => {
    const path = join(folder, 'pool.json');
    const { journal } = await openJournal(path);
    let largest = 0;
    for (let round = 0; round < 30; round++) {
      await Promise.all(
        Array.from({ length: 400 }, (_, i) => journal.write(put(1, 1 + ((round + i) % 1000)))),
      );
      largest = Math.max(largest, statSync(path).size);
    }
    await journal.close();
    assert.ok(largest < 400_000, `${largest} bytes`);
    assert.equal((await readJournal(path)).ids, [idOf(1)]);
    assert.equal(readdirSync(folder), ['pool.json']);
  });
});

test('only its owner may read the file: definitions may hold keys', async () => {
  await inFolder(async folder => {
    const path = join(folder, 'pool.json');
    const { journal } = await openJournal(path);
    await journal.write(put(1));
    assert.is(statSync(path).mode & 0o777, 0o600);
    await journal.close();
  });
});

test('a symbolic link is followed, not replaced', async () => {
  await inFolder(async folder => {
    const path = join(folder, 'link.json');
    symlinkSync(join(folder, 'real.json'), path);
    writeFileSync(join(folder, 'real.json'), '');
    const { journal } = await openJournal(path);
    await journal.write(put(1));
    await journal.close();
    assert.ok((await lstat(path)).isSymbolicLink());
    assert.match(readFileSync(join(folder, 'real.json'), 'utf8'), /127\.0\.0\.1:1/);
  });
});

test('a file that was removed or replaced while Weldr runs is rewritten', async () => {
  await inFolder(async folder => {
    const path = join(folder, 'pool.json');
    const { journal, logs } = await openJournal(path);
    await journal.write(put(1));
    unlinkSync(path);
    await journal.write(put(2));
    writeFileSync(join(folder, 'other'), 'something else');
    renameSync(join(folder, 'other'), path);
    await journal.write(put(3));
    await journal.close();
    assert.is(logs.filter(line => line.msg.includes('is rewritten')).length, 2);
    assert.equal((await readJournal(path)).ids, [idOf(1), idOf(2), idOf(3)]);
  });
});

test('a start fails with the field when the directory is missing or the path is one', async () => {
  await inFolder(async folder => {
    const missing = join(folder, 'no', 'pool.json');
    await rejects(managerSide(poolFile({ path: missing })), 'CONFIG_INVALID', /create it first/);
    await rejects(managerSide(poolFile({ path: folder })), 'CONFIG_INVALID', /it is a directory/);
  });
});

test('an unknown option is an error', async () => {
  const plugin = poolFile(JSON.parse('{"file":"x"}'));
  await rejects(managerSide(plugin), 'CONFIG_INVALID', /file: there is no such option/);
});

async function rejects(promise: Promise<unknown>, code: string, message: RegExp): Promise<void> {
  const thrown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.instance(thrown, WeldrError);
  if (!(thrown instanceof WeldrError)) return;
  assert.is(thrown.code, code);
  assert.match(thrown.message, message);
}

/** Counts how often `body` makes the system sync a file's data. */
async function countingSyncs(body: () => Promise<void>): Promise<number> {
  const file = await open('/dev/null', 'r');
  const shared: { datasync(): Promise<void> } = Object.getPrototypeOf(file);
  await file.close();
  const { datasync } = shared;
  let count = 0;
  shared.datasync = function (this: unknown) {
    count++;
    return Reflect.apply(datasync, this, []);
  };
  try {
    await body();
  } finally {
    shared.datasync = datasync;
  }
  return count;
}

test('keeps servers on unix sockets', async () => {
  await inFolder(async folder => {
    const path = join(folder, 'pool.json');
    const { journal } = await openJournal(path);
    await journal.load();
    const server = parse(serverDefinition, { url: 'unix:/run/my app.sock' });
    await journal.write(define(server));
    await journal.close();
    assert.equal((await readJournal(path)).ids, ['unix:/run/my app.sock']);
  });
});
