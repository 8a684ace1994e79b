// pool-file: kill -9 at any moment loses nothing that was confirmed.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { serverKey, serverKindName } from '../../../core/pool/server-kind.ts';
import { randomOf } from '../../support/random.ts';
import { suite } from '../../support/suite.ts';
import { idOf, inFolder, keyOf, openJournal } from './journal-fixture.ts';

const test = suite('pool-file kill', { timeoutMs: 600_000, testTimeoutMs: 590_000 });

const rounds = 200;
const random = randomOf(Date.now());

/** Lets a writer run from number `first` and kills it; returns the numbers that it confirmed. */
async function runAndKill(path: string, first: number, afterMs: number): Promise<number[]> {
  const script = join(import.meta.dirname, 'kill-writer.ts');
  const child: ChildProcess = spawn(process.execPath, [script, path, String(first)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  const started = Promise.withResolvers<void>();
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    started.resolve();
  });
  const closed = once(child, 'close');
  await Promise.race([started.promise, closed]);
  await sleep(afterMs);
  child.kill('SIGKILL');
  await closed;
  const [open, ...numbers] = output.split('\n');
  assert.is(open, 'open');
  return numbers.slice(0, -1).map(Number);
}

test(`confirmed servers, pools and routes exist after each of ${rounds} kills in the middle of writing`, async () => {
  await inFolder(async folder => {
    const path = join(folder, 'pool.json');
    /** The last confirmed number of each port. */
    const confirmed = new Map<number, number>();
    let next = 1;
    for (let round = 0; round < rounds; round++) {
      const numbers = await runAndKill(path, next, 5 + random(160));
      for (const n of numbers) confirmed.set(1 + (n % 50), Math.max(n, confirmed.get(1 + (n % 50)) ?? 0));
      const last = Math.max(next, ...numbers);
      const { journal, logs } = await openJournal(path);
      const rows = await journal.load();
      const stored = (kind: string, key: string) =>
        rows.find(row => row.kind === kind && row.key === key)?.value;
      await journal.close();
      assert.equal(
        logs.filter(line => line.level === 'error'),
        [],
        `round ${round}`,
      );
      for (const [port, n] of confirmed) {
        const value = stored(serverKindName, serverKey('default', idOf(port)));
        assert.ok(value, `round ${round}: server ${port} is lost`);
        const number = Number(value['ttl']) - 1000;
        assert.ok(number >= n, `round ${round}: server ${port} went back`);
        // A batch is stored as a whole.
        const others = ['pool', 'route'].map(kind => stored(kind, keyOf(kind, port))?.['number']);
        assert.equal(others, [number, number], `round ${round}: ${port} is there in part`);
      }
      next = last + 100;
    }
    assert.ok(next > rounds * 100 + 500, 'the writers wrote');
    assert.equal(
      readdirSync(folder).filter(name => name.includes('damaged')),
      [],
    );
  });
});
