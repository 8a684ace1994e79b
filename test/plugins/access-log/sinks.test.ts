// The sinks of the access log: batches, files that are renamed, full or missing, FIFOs; and lost lines are counted.
import { execFileSync } from 'node:child_process';
import {
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { FakeClock, managerSide, workerSide } from '../../../core/testing.ts';
import { systemClock } from '../../../core/time/clock.ts';
import { FileSink } from '../../../plugins/access-log/file-sink.ts';
import { LineBuffer } from '../../../plugins/access-log/line-buffer.ts';
import { LogSink } from '../../../plugins/access-log/log-sink.ts';
import { LostLines } from '../../../plugins/access-log/lost-lines.ts';
import { accessLog } from '../../../plugins/index.ts';
import { seriesOf } from '../../support/series.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';

const test = suite('access-log sinks');

let folder = '';
test.before(() => {
  folder = mkdtempSync(join(tmpdir(), 'access-log-'));
});
test.after(() => rmSync(folder, { recursive: true }));

/** A clock, and the reports and counts of lost lines. */
function means(clock = systemClock) {
  const said: string[] = [];
  const counts = { lost: 0 };
  const log = { warn: (first: unknown, second?: string) => void said.push(second ?? String(first)) };
  const counter = {
    inc(by = 1) {
      counts.lost += by;
    },
  };
  return { clock, log, counter, said, counts, lost: new LostLines({ log, clock, counter }) };
}

/** A sink for the file of this name, and the buffer before it. */
function fileLog(name: string) {
  const path = join(folder, name);
  const used = means();
  const sink = new FileSink(path, used, used.lost);
  const buffer = new LineBuffer(sink, systemClock, used.lost);
  return { ...used, path, sink, buffer, text: () => (existsSync(path) ? readFileSync(path, 'utf8') : '') };
}

test('writes the lines of a moment together, and many lines without waiting', () => {
  const clock = new FakeClock();
  const { lost } = means(clock);
  const written: string[] = [];
  const sink = new LogSink(lines => written.push(lines) > 0, lost);
  const buffer = new LineBuffer(sink, clock, lost);
  buffer.add('a\n');
  buffer.add('b\n');
  clock.advance(99);
  assert.equal(written, []);
  clock.advance(1);
  assert.equal(written, ['a\nb\n']);
  const long = `${'x'.repeat(40_000)}\n`;
  buffer.add(long);
  buffer.add(long);
  assert.equal(written.slice(1), [long + long]);
});

test('counts lines that the log cannot take, and reports them once per span', async () => {
  const clock = new FakeClock();
  const { lost, said, counts } = means(clock);
  const buffer = new LineBuffer(new LogSink(() => false, lost), clock, lost);
  for (let i = 0; i < 50; i++) {
    buffer.add('a\n');
    buffer.add('b\n');
    clock.advance(100);
  }
  const why = 'the reader of stdout is too slow, or has left';
  assert.equal(said, [`2 lines of the access log were dropped: ${why}`]);
  assert.is(counts.lost, 100);
  clock.advance(10_000);
  assert.equal(said.slice(1), [`98 lines of the access log were dropped: ${why}`]);
  await buffer.close();
});

test('does not grow beyond its bound while a sink is busy', async () => {
  const clock = new FakeClock();
  const { lost, counts } = means(clock);
  const sink = { busy: true, write: () => {}, reopen: () => {}, close: () => {}, onIdle: () => {} };
  const buffer = new LineBuffer(sink, clock, lost);
  for (let i = 0; i < 300; i++) buffer.add(`${'x'.repeat(9_999)}\n`);
  assert.is(counts.lost, 300 - 104);
  const closed = buffer.close();
  clock.advance(500);
  await closed;
});

test('counts that bound in bytes, and keeps every character of the lines whole', async () => {
  const clock = new FakeClock();
  const { lost, counts } = means(clock);
  let busy = true;
  const texts: string[] = [];
  const write = (lines: Buffer): void => void texts.push(lines.toString());
  const sink = {
    get busy() {
      return busy;
    },
    write,
    reopen: () => {},
    close: () => {},
    onIdle: () => {},
  };
  const buffer = new LineBuffer(sink, clock, lost);
  const line = `${'€'.repeat(3_333)}\n`;
  for (let i = 0; i < 300; i++) buffer.add(line);
  assert.is(counts.lost, 300 - 104);
  busy = false;
  sink.onIdle();
  assert.equal(texts, [line.repeat(104)]);
  await buffer.close();
});

test('counts them in a metric of the plugin', async () => {
  const manager = await managerSide(accessLog());
  const side = await workerSide(accessLog(), { manager, upstreams: ['http://a:1'], accepts: () => false });
  await side.run();
  side.clock.advance(500);
  await until('it is told', () => manager.sums.collect(() => undefined).length > 0);
  assert.is(seriesOf(manager.sums.collect()).get('access_log_dropped_lines_total'), 1);
  await side.close();
  await manager.close();
});

test('appends whole lines to a file that other users cannot read', async () => {
  const { buffer, path, text, counts } = fileLog('plain.log');
  writeFileSync(path, 'before\n');
  const fresh = fileLog('fresh.log');
  for (let i = 0; i < 5; i++) {
    buffer.add(`${i}\n`);
    fresh.buffer.add(`${i}\n`);
  }
  await Promise.all([buffer.close(), fresh.buffer.close()]);
  assert.is(text(), 'before\n0\n1\n2\n3\n4\n');
  assert.is(counts.lost, 0);
  assert.is(statSync(fresh.path).mode & 0o777, 0o640 & ~process.umask());
});

test('continues in a new file after the old one was renamed, with or without a signal', async () => {
  const { buffer, sink, path, text } = fileLog('rotated.log');
  buffer.add('first\n');
  await until('it is written', () => text() === 'first\n');
  renameSync(path, `${path}.1`);
  sink.reopen();
  await until('it is opened', () => existsSync(path));
  buffer.add('second\n');
  await until('it is written', () => text() === 'second\n');
  renameSync(path, `${path}.2`);
  // What is written before the look is in the old file, and none is lost.
  let sent = 0;
  await until('it is noticed', () => {
    buffer.add(`${sent++}\n`);
    return existsSync(path);
  });
  await buffer.close();
  const after = readFileSync(`${path}.2`, 'utf8').replace('second\n', '') + text();
  assert.is(after, Array.from({ length: sent }, (_, n) => `${n}\n`).join(''));
  assert.is(readFileSync(`${path}.1`, 'utf8'), 'first\n');
});

test('drops lines while the folder is missing, and continues once it exists', async () => {
  const { buffer, path, said, counts, text } = fileLog('missing/a.log');
  buffer.add('lost\n');
  await until('it is said', () => said.length > 0);
  assert.is(
    said[0],
    `1 line of the access log was dropped: ${path}: its folder does not exist (ENOENT); create it`,
  );
  mkdirSync(join(folder, 'missing'));
  await until('lines are written', () => {
    buffer.add('x\n');
    return text() !== '';
  });
  assert.ok(counts.lost >= 1);
  await buffer.close();
});

test('drops lines while the disk is full, and says so', async () => {
  const used = means();
  const buffer = new LineBuffer(new FileSink('/dev/full', used, used.lost), systemClock, used.lost);
  buffer.add('a\n');
  buffer.add('b\n');
  await buffer.close();
  assert.equal(used.said, ['2 lines of the access log were dropped: /dev/full: the disk is full (ENOSPC)']);
});

test('does not wait for a FIFO without a reader, and writes to it once it has one', async () => {
  const path = join(folder, 'fifo');
  execFileSync('mkfifo', [path]);
  const { buffer, said } = fileLog('fifo');
  buffer.add('lost\n');
  await until('it is said', () => said.length > 0);
  assert.match(said[0] ?? '', 'this FIFO has no reader (ENXIO)');
  const reader = createReadStream(path, 'utf8');
  let read = '';
  reader.on('data', text => {
    read += text;
  });
  await until('a line arrives', () => {
    buffer.add('x\n');
    return read.includes('x\n');
  });
  // Lines for a full FIFO wait as long as there is room.
  reader.pause();
  const line = `${'y'.repeat(999)}\n`;
  for (let i = 0; i < 400; i++) buffer.add(line);
  await until('it is full', () => said.length >= 1);
  reader.resume();
  await until('all arrives', () => read.split(line).length === 401);
  await buffer.close();
  reader.destroy();
});

test('warns about a missing folder, and about credentials in the log', async () => {
  const warnings: string[] = [];
  const check = accessLog({
    file: '/nowhere/a.log',
    format: '{request.authorization} {status}',
    headers: { request: ['Cookie'], response: ['Set-Cookie', 'Age'] },
  });
  const facts = { warn: (field: string, text: string) => void warnings.push(`${field}: ${text}`) };
  const parsed = (check.schema as { parse(options: unknown): unknown }).parse(check.options);
  check.check?.(parsed, facts as never);
  assert.equal(warnings, [
    'file: there is no folder /nowhere: lines are dropped until you create it',
    'headers.request: Cookie is logged: readers of the log can act as the clients',
    'headers.response: Set-Cookie is logged: readers of the log can act as the clients',
    'format: authorization is logged: readers of the log can act as the clients',
  ]);
});
