// pool-file: whatever happens to its file, the pool loads; only unconfirmed changes may be missing.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { suite } from '../../support/suite.ts';
import { idOf, idsOf, inFolder, openJournal, put, readJournal } from './journal-fixture.ts';

const test = suite('pool-file damage', { timeoutMs: 120_000 });

async function journalOf(folder: string, ports: readonly number[]): Promise<{ path: string; bytes: Buffer }> {
  const path = join(folder, 'pool.json');
  const { journal } = await openJournal(path);
  for (const port of ports) await journal.write(put(port));
  await journal.close();
  return { path, bytes: readFileSync(path) };
}

const asideIn = (folder: string): string[] => readdirSync(folder).filter(name => name.includes('.damaged-'));

test('a file cut off at any byte loads what was complete, and keeps what is written next', async () => {
  await inFolder(async folder => {
    const { path, bytes } = await journalOf(folder, [1, 2, 3]);
    const text = bytes.toString('latin1');
    for (let length = 0; length < bytes.length; length++) {
      writeFileSync(path, bytes.subarray(0, length));
      const complete = Math.max(0, text.slice(0, length).split('\n').length - 2);
      const expected = [1, 2, 3].slice(0, complete).map(idOf);
      const { journal } = await openJournal(path);
      assert.equal(idsOf(await journal.load()), expected, `cut at ${length}`);
      await journal.write(put(9));
      await journal.close();
      assert.equal((await readJournal(path)).ids, [...expected, idOf(9)], `cut at ${length}, next start`);
    }
  });
});

test('a last line that was cut off is dropped with a log line, and nothing is set aside', async () => {
  await inFolder(async folder => {
    const { path, bytes } = await journalOf(folder, [1, 2]);
    writeFileSync(path, bytes.subarray(0, bytes.length - 5));
    const { ids, logs } = await readJournal(path);
    assert.equal(ids, [idOf(1)]);
    assert.equal(asideIn(folder), []);
    assert.ok(logs.some(line => line.level === 'warn' && line.msg.includes('cut off')));
  });
});

test('a damaged line sets the file aside with a log line, and the other entries are used', async () => {
  await inFolder(async folder => {
    const { path, bytes } = await journalOf(folder, [1, 2, 3]);
    const damaged = Buffer.from(bytes.toString('latin1').replace('127.0.0.1:2', '127.0.0.1:7'), 'latin1');
    writeFileSync(path, damaged);
    const { ids, logs } = await readJournal(path);
    assert.equal(ids, [idOf(1), idOf(3)]);
    const [aside = '', ...more] = asideIn(folder);
    assert.equal(more, []);
    assert.equal(readFileSync(join(folder, aside)), damaged, 'the damaged file is kept unchanged');
    assert.ok(logs.some(line => line.level === 'error' && line.msg.includes('damaged (line 3)')));
    assert.ok(logs.some(line => line.level === 'error' && line.msg.includes(aside)));

    const again = await readJournal(path);
    assert.equal(again.ids, [idOf(1), idOf(3)]);
    assert.is(asideIn(folder).length, 1, 'the file is whole again');
  });
});

test('any changed byte is detected and loses its line, or two when it was the line feed between them', async () => {
  await inFolder(async folder => {
    const { path, bytes } = await journalOf(folder, [1, 2, 3]);
    const headerLength = bytes.indexOf('\n');
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 0x01;
      writeFileSync(path, changed);
      const { ids } = await readJournal(path);
      for (const id of ids) assert.ok([1, 2, 3].map(idOf).includes(id), `byte ${at}: ${id}`);
      assert.ok(ids.length >= 1, `byte ${at} cost more than two lines`);
      if (at > headerLength) assert.ok(ids.length < 3, `byte ${at} was not noticed`);
    }
  });
});

test('a foreign file is refused and left alone', async () => {
  await inFolder(async folder => {
    const path = join(folder, 'pool.json');
    for (const foreign of ['{"servers":[]}', '{\n  "servers": []\n}\n', 'export default {};\n']) {
      writeFileSync(path, foreign);
      await openJournal(path).then(
        () => assert.unreachable(),
        (error: Error) => assert.match(error.message, /is not Weldr's; move it away/),
      );
      assert.is(readFileSync(path, 'utf8'), foreign);
      assert.equal(readdirSync(folder), ['pool.json']);
    }
  });
});

test('a file that a crash left as zeros is kept under another name', async () => {
  await inFolder(async folder => {
    const path = join(folder, 'pool.json');
    writeFileSync(path, '\0\0\0\0');
    assert.equal((await readJournal(path)).ids, []);
    const [aside = '', ...more] = asideIn(folder);
    assert.equal(more, []);
    assert.is(readFileSync(join(folder, aside), 'utf8'), '\0\0\0\0');
  });
});

test('an emptied file is started again, with a log line', async () => {
  await inFolder(async folder => {
    const { path } = await journalOf(folder, [1]);
    writeFileSync(path, '');
    const { ids, logs } = await readJournal(path);
    assert.equal(ids, []);
    assert.ok(logs.some(({ level, msg }) => level === 'warn' && msg.includes('is empty')));
  });
});

test('fields of a later version are kept when the file is rewritten', async () => {
  await inFolder(async folder => {
    const { path, bytes } = await journalOf(folder, [1]);
    const { encodeLine } = await import('../../../plugins/pool-file/journal-line.ts');
    const later = {
      kind: 'route',
      key: 'shop',
      op: 'define',
      value: { path: '/' },
      by: 'me',
      at: 1,
      later: true,
    };
    writeFileSync(path, bytes.toString('utf8') + encodeLine({ by: 'me', at: 1, put: [later] }));
    const { journal } = await openJournal(path);
    await Promise.all(Array.from({ length: 3000 }, (_, i) => journal.write(put(1, 1 + (i % 900)))));
    await journal.close();
    const again = await openJournal(path);
    assert.equal(
      (await again.journal.load()).find(({ kind }) => kind === 'route'),
      later,
    );
    await again.journal.close();
  });
});

test('a file of a newer Weldr is refused and left alone', async () => {
  await inFolder(async folder => {
    const { path, bytes } = await journalOf(folder, [1]);
    const { encodeLine } = await import('../../../plugins/pool-file/journal-line.ts');
    const newer = encodeLine({ format: 'weldr-pool', version: 3 }) + bytes.toString('utf8').split('\n')[1];
    writeFileSync(path, newer);
    await openJournal(path).then(
      () => assert.unreachable(),
      (error: Error) => assert.match(error.message, /written by a newer Weldr/),
    );
    assert.is(readFileSync(path, 'utf8'), newer);
  });
});

test('a draft that a killed process left does no harm', async () => {
  await inFolder(async folder => {
    const { path } = await journalOf(folder, [1]);
    writeFileSync(`${path}.new`, 'half');
    const { journal } = await openJournal(path);
    await Promise.all(Array.from({ length: 3000 }, (_, i) => journal.write(put(1, 1 + (i % 900)))));
    await journal.close();
    assert.equal(readdirSync(folder), ['pool.json']);
  });
});
