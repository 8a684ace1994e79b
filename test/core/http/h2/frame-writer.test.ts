// FrameWriter: each frame's bytes, what is copied and what is not, and that a batch stays unchanged once it is taken.
import * as assert from 'uvu/assert';
import { FrameReader } from '../../../../core/http/h2/frame-reader.ts';
import { FrameWriter } from '../../../../core/http/h2/frame-writer.ts';
import { randomOf } from '../../../support/random.ts';
import { suite } from '../../../support/suite.ts';
import { EventRecorder } from './event-recorder.ts';
import { emptySettings, frame, preface, setting, uint32 } from './frame-bytes.ts';

const test = suite('FrameWriter');

const latin1 = (taken: Buffer | Buffer[]): string =>
  (Array.isArray(taken) ? Buffer.concat(taken) : taken).toString('latin1');

function written(write: (writer: FrameWriter) => void): string {
  const writer = new FrameWriter();
  write(writer);
  const { size } = writer;
  const bytes = latin1(writer.take());
  assert.is(size, bytes.length);
  assert.is(writer.size, 0);
  return bytes;
}

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

test('it writes frames without data', () => {
  assert.is(
    written(w => w.preface()),
    preface,
  );
  const pairs = [[3, 100] as const, [4, 2 ** 31 - 1] as const, [1, 0xffffffff] as const];
  assert.is(
    written(w => w.settings(pairs)),
    frame(4, 0, 0, pairs.map(([id, value]) => setting(id, value)).join('')),
  );
  assert.is(
    written(w => w.settings([])),
    emptySettings,
  );
  assert.is(
    written(w => w.settingsAck()),
    frame(4, 1, 0),
  );
  assert.is(
    written(w => w.ping(bytes('12345678'), 'ask')),
    frame(6, 0, 0, '12345678'),
  );
  assert.is(
    written(w => w.ping(bytes('12345678'), 'ack')),
    frame(6, 1, 0, '12345678'),
  );
  assert.is(
    written(w => w.windowUpdate(0, 2 ** 31 - 1)),
    frame(8, 0, 0, uint32(2 ** 31 - 1)),
  );
  assert.is(
    written(w => w.windowUpdate(2 ** 31 - 1, 1)),
    frame(8, 0, 2 ** 31 - 1, uint32(1)),
  );
  assert.is(
    written(w => w.rstStream(5, 8)),
    frame(3, 0, 5, uint32(8)),
  );
  assert.is(
    written(w => w.goAway(5, 11, 'why')),
    frame(7, 0, 0, `${uint32(5)}${uint32(11)}why`),
  );
  assert.is(
    written(w => w.goAway(5, 0)),
    frame(7, 0, 0, `${uint32(5)}${uint32(0)}`),
  );
});

test('it cuts the debug data of a GOAWAY', () => {
  const debug = 'x'.repeat(1000);
  assert.is(
    written(w => w.goAway(1, 0, debug)),
    frame(7, 0, 0, `${uint32(1)}${uint32(0)}${debug.slice(0, 256)}`),
  );
});

test('it splits a field block at the peer’s limit', () => {
  assert.is(
    written(w => w.headers(1, bytes('block'), 'end')),
    frame(1, 5, 1, 'block'),
  );
  assert.is(
    written(w => w.headers(1, bytes(''), 'open')),
    frame(1, 4, 1),
  );
  const block = 'abcdefghij'.repeat(4000);
  const parts = [block.slice(0, 16_384), block.slice(16_384, 32_768), block.slice(32_768)];
  assert.is(
    written(w => w.headers(3, bytes(block), 'end')),
    frame(1, 1, 3, parts[0]) + frame(9, 0, 3, parts[1]) + frame(9, 4, 3, parts[2]),
  );
  const exact = block.slice(0, 32_768);
  assert.is(
    written(w => w.headers(3, bytes(exact), 'open')),
    frame(1, 0, 3, parts[0]) + frame(9, 4, 3, parts[1]),
  );
});

for (const method of ['data', 'copyData'] as const) {
  test(`${method} splits at the peer’s limit, and ends the stream with the last frame`, () => {
    const payload = 'abcdefghij'.repeat(4000);
    const buffer = bytes(`##${payload}##`);
    const write = (length: number, ending: 'end' | 'open', maxFrameSize = 16_384): string =>
      written(w => {
        w.maxFrameSize = maxFrameSize;
        w[method](1, buffer, 2, 2 + length, ending);
      });
    assert.is(write(0, 'end'), frame(0, 1, 1));
    assert.is(write(0, 'open'), frame(0, 0, 1));
    assert.is(write(5, 'open'), frame(0, 0, 1, 'abcde'));
    assert.is(write(3000, 'end'), frame(0, 1, 1, payload.slice(0, 3000)));
    assert.is(
      write(40_000, 'end'),
      frame(0, 0, 1, payload.slice(0, 16_384)) +
        frame(0, 0, 1, payload.slice(16_384, 32_768)) +
        frame(0, 1, 1, payload.slice(32_768)),
    );
    assert.is(
      write(32_768, 'end'),
      frame(0, 0, 1, payload.slice(0, 16_384)) + frame(0, 1, 1, payload.slice(16_384, 32_768)),
    );
    assert.is(write(40_000, 'open', 40_000), frame(0, 0, 1, payload));
  });
}

test('small frames form one piece', () => {
  const writer = new FrameWriter();
  writer.settingsAck();
  writer.headers(1, bytes('block'), 'open');
  writer.data(1, bytes('x'.repeat(2000)), 0, 2000, 'end');
  writer.windowUpdate(0, 5);
  assert.ok(Buffer.isBuffer(writer.take()));
});

test('large data is not copied; small data and data to be copied are', () => {
  const writer = new FrameWriter();
  const buffer = Buffer.alloc(10_000, 'a');
  writer.data(1, buffer, 0, 5000, 'open');
  writer.copyData(1, buffer, 0, 5000, 'open');
  writer.data(1, buffer, 0, 100, 'open');
  const taken = writer.take();
  assert.ok(Array.isArray(taken));
  assert.is(taken.filter(part => part.buffer === buffer.buffer).length, 1);
  buffer.fill('b');
  assert.is(
    latin1(taken),
    frame(0, 0, 1, 'b'.repeat(5000)) + frame(0, 0, 1, 'a'.repeat(5000)) + frame(0, 0, 1, 'a'.repeat(100)),
  );
});

test('without frames there is nothing to take', () => {
  const writer = new FrameWriter();
  assert.equal(writer.take(), []);
  writer.settingsAck();
  writer.take();
  assert.equal(writer.take(), []);
});

test('batches of many writers stay unchanged', () => {
  const random = randomOf(3);
  const writers = Array.from({ length: 40 }, () => new FrameWriter());
  const batches: { expected: string; taken: Buffer | Buffer[] }[] = [];
  const expected = writers.map(() => '');
  for (let i = 0; i < 6000; i++) {
    const at = random(writers.length);
    const writer = writers[at];
    assert.ok(writer !== undefined);
    if (random(6) === 0) {
      const text = expected[at] ?? '';
      assert.is(writer.size, text.length);
      batches.push({ expected: text, taken: writer.take() });
      expected[at] = '';
      continue;
    }
    const letter = String.fromCharCode(97 + random(26));
    const payload = letter.repeat(random(20) === 0 ? random(40_000) : random(200));
    const frames = writtenFrames(writer, 1 + 2 * random(100), payload, random(4));
    expected[at] += frames;
  }
  for (const { expected: text, taken } of batches) assert.is(latin1(taken), text);
});

/** Writes a payload in one of four ways. Returns the bytes that this must add. */
function writtenFrames(writer: FrameWriter, stream: number, payload: string, way: number): string {
  const parts = payload.match(/.{1,16384}/g) ?? [''];
  const last = parts.length - 1;
  switch (way) {
    case 0:
      writer.data(stream, bytes(payload), 0, payload.length, 'end');
      return parts.map((part, i) => frame(0, i === last ? 1 : 0, stream, part)).join('');
    case 1:
      writer.copyData(stream, bytes(payload), 0, payload.length, 'open');
      return parts.map(part => frame(0, 0, stream, part)).join('');
    case 2:
      writer.headers(stream, bytes(payload), 'open');
      return parts.map((part, i) => frame(i === 0 ? 1 : 9, i === last ? 4 : 0, stream, part)).join('');
    default:
      writer.rstStream(stream, 8);
      return frame(3, 0, stream, uint32(8));
  }
}

test('a FrameReader reads what it writes', () => {
  const recorder = new EventRecorder();
  const reader = new FrameReader(recorder, 'server');
  const text = written(w => {
    w.preface();
    w.settings([[4, 65_535]]);
    w.headers(1, bytes('x'.repeat(20_000)), 'open');
    w.copyData(1, bytes('abc'), 0, 3, 'end');
    w.goAway(0, 0, 'bye');
  });
  reader.read(bytes(text), 0, text.length);
  assert.equal(recorder.events, [
    'preface',
    'setting INITIAL_WINDOW_SIZE 65535',
    'settings end',
    `headers 1 ${'x'.repeat(20_000)}`,
    'data 1 of 3, end',
    'payload abc',
    'goaway 0 NO_ERROR bye',
  ]);
});
