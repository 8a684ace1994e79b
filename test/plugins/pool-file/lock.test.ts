// pool-file: two Weldrs never write the same file, and a lock of a dead one is taken over.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { idOf, inFolder, openJournal, put, readJournal } from './journal-fixture.ts';

const test = suite('pool-file lock');

const refusal = (path: string): Promise<string> =>
  openJournal(path).then(
    async ({ journal }) => {
      await journal.close();
      return '';
    },
    (error: Error) => error.message,
  );

test('a second Weldr is refused, with the process that holds the file', async () => {
  await inFolder(async folder => {
    const path = join(folder, 'pool.json');
    const { journal } = await openJournal(path);
    assert.match(
      await refusal(path),
      new RegExp(`in use by process ${process.pid}; give each Weldr its own file`),
    );
    await journal.close();
    assert.is(await refusal(path), '');
    assert.not(existsSync(`${path}.lock`));
  });
});

test('the lock of a process that was killed is taken over', async () => {
  await inFolder(async folder => {
    const path = join(folder, 'pool.json');
    const child = spawn(process.execPath, [join(import.meta.dirname, 'kill-writer.ts'), path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    assert.match(await refusal(path), new RegExp(`in use by process ${child.pid};`));
    child.kill('SIGKILL');
    await once(child, 'close');
    assert.ok(existsSync(`${path}.lock`));
    assert.is(await refusal(path), '');
  });
});

test('a lock whose pid now belongs to another process is taken over', async () => {
  await inFolder(async folder => {
    const path = join(folder, 'pool.json');
    const { journal } = await openJournal(path);
    const lock: unknown = JSON.parse(readFileSync(`${path}.lock`, 'utf8'));
    await journal.close();
    assert.ok(lock !== null && typeof lock === 'object');
    writeFileSync(`${path}.lock`, JSON.stringify({ ...(lock ?? {}), started: '1' }));
    assert.is(await refusal(path), '');
  });
});

test('a lock of another container holds while it is touched and is taken over when it is not', async () => {
  await inFolder(async folder => {
    const path = join(folder, 'pool.json');
    const { journal } = await openJournal(path);
    const lock: unknown = JSON.parse(readFileSync(`${path}.lock`, 'utf8'));
    await journal.close();
    const foreign = JSON.stringify({ ...(lock ?? {}), pid: 1, scope: 'elsewhere', token: 'other' });
    writeFileSync(`${path}.lock`, foreign);
    const touching = setInterval(() => writeFileSync(`${path}.lock`, foreign), 300);
    try {
      assert.match(await refusal(path), /process 1 of another machine or container/);
    } finally {
      clearInterval(touching);
    }
    assert.is(await refusal(path), '');
  });
});

test('a lock file that cannot be read is taken over', async () => {
  await inFolder(async folder => {
    const path = join(folder, 'pool.json');
    writeFileSync(`${path}.lock`, '');
    assert.is(await refusal(path), '');
  });
});

test('a process whose lock was taken over no longer writes; one whose lock file was deleted continues', async () => {
  await inFolder(async folder => {
    const path = join(folder, 'pool.json');
    const { journal } = await openJournal(path);
    await journal.write(put(1));
    unlinkSync(`${path}.lock`);
    await until('the lock', () => existsSync(`${path}.lock`));
    await journal.write(put(2));
    writeFileSync(`${path}.lock`, '{"pid":1,"started":"1","scope":"elsewhere","token":"other"}');
    const deadline = Date.now() + 10_000;
    let message = '';
    for (let port = 3; message === '' && Date.now() < deadline; port++) {
      await sleep(100);
      message = await journal.write(put(port)).then(
        () => '',
        (error: Error) => error.message,
      );
    }
    assert.match(message, /another process has taken/);
    await journal.close();
    assert.ok(existsSync(`${path}.lock`), "the other's lock stays");
    unlinkSync(`${path}.lock`);
    assert.equal((await readJournal(path)).ids.slice(0, 2), [idOf(1), idOf(2)]);
  });
});
