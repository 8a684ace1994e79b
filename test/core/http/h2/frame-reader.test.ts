// FrameReader: every frame, every error, and the same events wherever its input is cut.
import * as assert from 'uvu/assert';
import { FrameReader } from '../../../../core/http/h2/frame-reader.ts';
import { randomOf } from '../../../support/random.ts';
import { suite } from '../../../support/suite.ts';
import { EventRecorder } from './event-recorder.ts';
import { emptySettings, frame, preface, setting, uint32 } from './frame-bytes.ts';

const test = suite('FrameReader');

interface Reading {
  /** The sizes of the reads, the last one repeated. By default there is one read. */
  readonly pieces?: (left: number) => number;
  readonly role?: 'server' | 'client';
  readonly maxFrameSize?: number;
  readonly maxBlock?: number;
  readonly stopAt?: string;
}

/** The events of a connection that begins with `text` (latin1), with a separate buffer for each read. */
function readAll(text: string, reading: Reading = {}): EventRecorder {
  const recorder = new EventRecorder();
  const { role = 'client', maxFrameSize, maxBlock } = reading;
  const reader = new FrameReader(recorder, role, maxFrameSize, maxBlock);
  recorder.reader = reader;
  recorder.stopAt = reading.stopAt;
  const bytes = Buffer.from(text, 'latin1');
  for (let at = 0; at < bytes.length; ) {
    const size = reading.pieces === undefined ? bytes.length : reading.pieces(bytes.length - at);
    const piece = Buffer.concat([Buffer.from('#'), bytes.subarray(at, at + size), Buffer.from('#')]);
    recorder.source = piece;
    reader.read(piece, 1, piece.length - 1);
    // Bytes that were handed on must not be read again.
    piece.fill(0x21);
    at += size;
  }
  const isError = recorder.events.at(-1)?.startsWith('connection error') === true;
  assert.is(reader.stopped, isError || reading.stopAt !== undefined);
  return recorder;
}

/** The events after the first SETTINGS, read as a whole and byte by byte. */
function events(text: string, reading: Reading = {}): string[] {
  const start = reading.role === 'server' ? preface + emptySettings : emptySettings;
  const { events: whole } = readAll(start + text, reading);
  const { events: bytewise } = readAll(start + text, { ...reading, pieces: () => 1 });
  assert.equal(bytewise, whole);
  return whole.slice(reading.role === 'server' ? 2 : 1);
}

/** Ends the connection with `code`; nothing after it is read. */
function fails(text: string, code: string, reading: Reading = {}): void {
  const found = events(`${text}${frame(6, 0, 0, 'notread!')}`, reading);
  assert.ok(found.at(-1)?.startsWith(`connection error ${code}: `), `${code} expected: ${found.join(' | ')}`);
}

test('data is handed on with its flow-control size', () => {
  assert.equal(events(frame(0, 0, 1, 'abc') + frame(0, 1, 3, 'defg')), [
    'data 1 of 3',
    'payload abc',
    'data 3 of 4, end',
    'payload defg',
  ]);
  assert.equal(events(frame(0, 1, 1)), ['data 1 of 0, end', 'payload ']);
});

test('data is handed on as it arrives', () => {
  const recorder = new EventRecorder();
  const parts: string[] = [];
  recorder.onData = (buffer, start, end) => parts.push(buffer.toString('latin1', start, end));
  const reader = new FrameReader(recorder, 'client');
  for (const piece of [emptySettings + frame(0, 0, 1, 'abcdef').slice(0, 11), 'cd', 'ef']) {
    reader.read(Buffer.from(piece, 'latin1'), 0, piece.length);
  }
  assert.equal(parts, ['ab', 'cd', 'ef']);
});

test('padding counts for flow control, and is not handed on', () => {
  assert.equal(events(frame(0, 8, 1, '\x03abc\0\0\0') + frame(0, 9, 1, '\0abc')), [
    'data 1 of 7',
    'payload abc',
    'data 1 of 4, end',
    'payload abc',
  ]);
  assert.equal(events(frame(0, 8, 1, '\x03\0\0\0') + frame(0, 8, 1, '\0')), [
    'data 1 of 4',
    'payload ',
    'data 1 of 1',
    'payload ',
  ]);
  assert.equal(events(frame(1, 0xc, 1, '\x02ab\0\0') + frame(0, 0, 1, 'x')), [
    'headers 1 ab',
    'data 1 of 1',
    'payload x',
  ]);
});

test('padding that the frame has no room for ends the connection', () => {
  fails(frame(0, 8, 1, '\x04abc'), 'PROTOCOL_ERROR');
  fails(frame(0, 8, 1, '\x01'), 'PROTOCOL_ERROR');
  fails(frame(1, 0xc, 1, '\x04abc'), 'PROTOCOL_ERROR');
  fails(frame(1, 0x2c, 1, '\x01\0\0\0\x03\x10'), 'PROTOCOL_ERROR');
  fails(frame(0, 8, 1), 'FRAME_SIZE_ERROR');
  fails(frame(1, 0xc, 1), 'FRAME_SIZE_ERROR');
});

test('a field block in one frame and one read is not copied', () => {
  const text = emptySettings + frame(1, 5, 1, 'block');
  assert.ok(readAll(text).sliced);
  assert.not.ok(readAll(text, { pieces: () => text.length - 1 }).sliced);
  assert.equal(events(frame(1, 5, 1, 'block')), ['headers 1 block, end']);
});

test('a field block in many frames is joined', () => {
  const text = frame(1, 1, 1, 'ab') + frame(9, 0, 1, 'cd') + frame(9, 0, 1) + frame(9, 4, 1, 'ef');
  assert.equal(events(text), ['headers 1 abcdef, end']);
  assert.equal(events(frame(1, 0, 1) + frame(9, 4, 1, 'ab')), ['headers 1 ab']);
  assert.equal(events(frame(1, 0, 1, 'ab') + frame(9, 4, 1) + frame(1, 4, 3, 'c')), [
    'headers 1 ab',
    'headers 3 c',
  ]);
  assert.equal(events(frame(1, 8, 1, '\x02ab\0\0') + frame(9, 4, 1, 'cd')), ['headers 1 abcd']);
  assert.equal(events(frame(1, 4, 1)), ['headers 1 ']);
});

test('nothing may come between HEADERS and its CONTINUATION frames', () => {
  const start = frame(1, 0, 1, 'ab');
  for (const between of [
    frame(0, 0, 1, 'x'),
    frame(1, 4, 1, 'x'),
    frame(1, 4, 3, 'x'),
    frame(4, 0, 0),
    frame(6, 0, 0, '12345678'),
    frame(0xee, 0, 1),
    frame(9, 4, 3, 'x'),
    frame(2, 0, 1, '\0\0\0\0\0'),
  ]) {
    fails(start + between, 'PROTOCOL_ERROR');
  }
  fails(frame(9, 4, 1, 'ab'), 'PROTOCOL_ERROR');
  fails(frame(1, 4, 1, 'ab') + frame(9, 4, 1, 'ab'), 'PROTOCOL_ERROR');
});

test('a field block is limited in bytes, frames and empty frames', () => {
  const part = 'x'.repeat(100);
  const limit = { maxBlock: 250 };
  assert.is(events(frame(1, 0, 1, part) + frame(9, 4, 1, part), limit).length, 1);
  fails(frame(1, 0, 1, part) + frame(9, 0, 1, part) + frame(9, 4, 1, part), 'ENHANCE_YOUR_CALM', limit);
  fails(frame(1, 4, 1, 'x'.repeat(251)), 'ENHANCE_YOUR_CALM', limit);
  const sixteen = frame(9, 0, 1, 'x').repeat(15);
  assert.is(events(frame(1, 0, 1, 'x') + sixteen + frame(9, 4, 1, 'x')).length, 1);
  fails(frame(1, 0, 1, 'x') + sixteen + frame(9, 0, 1, 'x') + frame(9, 4, 1, 'x'), 'ENHANCE_YOUR_CALM');
  fails(frame(1, 0, 1, 'x') + frame(9, 0, 1).repeat(2), 'ENHANCE_YOUR_CALM');
  // By default 64 KiB.
  const quarter = 'x'.repeat(16_384);
  const most = frame(1, 0, 1, quarter) + frame(9, 0, 1, quarter).repeat(2);
  const { events: whole } = readAll(emptySettings + most + frame(9, 4, 1, quarter));
  assert.is(whole.at(-1)?.length, 'headers 1 '.length + 65_536);
  const over = readAll(`${emptySettings}${most}${frame(9, 0, 1, quarter)}${frame(9, 4, 1, 'x')}`);
  assert.match(over.events.at(-1) ?? '', /ENHANCE_YOUR_CALM/);
});

test('priorities are skipped, and counted if they are frames', () => {
  assert.equal(events(frame(1, 0x24, 1, '\0\0\0\x03\x10ab')), ['headers 1 ab']);
  assert.equal(events(frame(1, 0x2c, 1, '\x02\x80\0\0\x03\x10ab\0\0')), ['headers 1 ab']);
  assert.equal(events(frame(2, 0, 1, '\0\0\0\x03\x10')), ['ignored PRIORITY']);
  assert.equal(events(frame(2, 0, 2, '\0\0\0\x03\x10')), ['ignored PRIORITY']);
  fails(frame(2, 0, 0, '\0\0\0\x03\x10'), 'PROTOCOL_ERROR');
  fails(frame(1, 0x24, 1, '\0\0\0\x03'), 'FRAME_SIZE_ERROR');
});

test('a stream that depends on itself is reset, and its block decoded', () => {
  const reason = 'stream error 3 PROTOCOL_ERROR: a stream that depends on itself';
  assert.equal(events(frame(1, 0x24, 3, '\x80\0\0\x03\x10ab')), ['headers 3 ab', reason]);
  assert.equal(events(frame(1, 0x20, 3, '\0\0\0\x03\x10ab') + frame(9, 4, 3, 'c')), [
    'headers 3 abc',
    reason,
  ]);
  assert.equal(events(frame(2, 0, 3, '\0\0\0\x03\x10') + frame(1, 4, 5, 'x')), [reason, 'headers 5 x']);
});

test('a PRIORITY frame of the wrong size is a stream error', () => {
  const found = events(frame(2, 0, 3, '\0\0\0\x05') + frame(2, 0, 3) + frame(6, 0, 0, '12345678'));
  assert.equal(found, [
    'stream error 3 FRAME_SIZE_ERROR: a PRIORITY frame of 4 bytes',
    'stream error 3 FRAME_SIZE_ERROR: a PRIORITY frame of 0 bytes',
    'ping 12345678',
  ]);
});

test('a reset is handed on', () => {
  assert.equal(events(frame(3, 0, 1, uint32(8)) + frame(3, 0, 1, uint32(0xffffffff))), [
    'reset 1 CANCEL',
    'reset 1 0xffffffff',
  ]);
  fails(frame(3, 0, 1, 'abc'), 'FRAME_SIZE_ERROR');
  fails(frame(3, 0, 1, 'abcde'), 'FRAME_SIZE_ERROR');
  fails(frame(3, 0, 0, uint32(8)), 'PROTOCOL_ERROR');
});

test('settings are handed on in order, without unknown ones', () => {
  const payload =
    setting(1, 0xffffffff) +
    setting(3, 100) +
    setting(0x4242, 7) +
    setting(4, 2 ** 31 - 1) +
    setting(5, 16_384) +
    setting(5, 2 ** 24 - 1) +
    setting(6, 0) +
    setting(8, 1) +
    setting(9, 1) +
    setting(3, 5);
  assert.equal(events(frame(4, 0, 0, payload)), [
    'setting HEADER_TABLE_SIZE 4294967295',
    'setting MAX_CONCURRENT_STREAMS 100',
    'setting INITIAL_WINDOW_SIZE 2147483647',
    'setting MAX_FRAME_SIZE 16384',
    'setting MAX_FRAME_SIZE 16777215',
    'setting MAX_HEADER_LIST_SIZE 0',
    'setting ENABLE_CONNECT_PROTOCOL 1',
    'setting NO_RFC7540_PRIORITIES 1',
    'setting MAX_CONCURRENT_STREAMS 5',
    'settings end',
  ]);
  assert.equal(events(frame(4, 0, 0) + frame(4, 1, 0)), ['settings end', 'settings ack']);
});

test('settings out of range end the connection', () => {
  const values: readonly (readonly [id: number, value: number, code: string])[] = [
    [2, 2, 'PROTOCOL_ERROR'],
    [4, 2 ** 31, 'FLOW_CONTROL_ERROR'],
    [4, 0xffffffff, 'FLOW_CONTROL_ERROR'],
    [5, 16_383, 'PROTOCOL_ERROR'],
    [5, 2 ** 24, 'PROTOCOL_ERROR'],
    [8, 2, 'PROTOCOL_ERROR'],
    [9, 2, 'PROTOCOL_ERROR'],
  ];
  for (const [id, value, code] of values) {
    for (const role of ['server', 'client'] as const)
      fails(frame(4, 0, 0, setting(id, value)), code, { role });
  }
});

test('a client may allow pushes, a server may not', () => {
  const allowed = frame(4, 0, 0, setting(2, 1));
  const forbidden = frame(4, 0, 0, setting(2, 0));
  assert.equal(events(allowed, { role: 'server' }), ['setting ENABLE_PUSH 1', 'settings end']);
  assert.equal(events(forbidden, { role: 'client' }), ['setting ENABLE_PUSH 0', 'settings end']);
  fails(allowed, 'PROTOCOL_ERROR', { role: 'client' });
});

test('malformed SETTINGS end the connection', () => {
  fails(frame(4, 0, 1), 'PROTOCOL_ERROR');
  fails(frame(4, 0, 1, setting(3, 1)), 'PROTOCOL_ERROR');
  fails(frame(4, 1, 1), 'PROTOCOL_ERROR');
  fails(frame(4, 1, 0, setting(3, 1)), 'FRAME_SIZE_ERROR');
  fails(frame(4, 0, 0, 'abc'), 'FRAME_SIZE_ERROR');
  fails(frame(4, 0, 0, `${setting(3, 1)}a`), 'FRAME_SIZE_ERROR');
});

test('PUSH_PROMISE ends the connection, on both sides', () => {
  for (const role of ['server', 'client'] as const) {
    fails(frame(5, 4, 1, '\0\0\0\x02ab'), 'PROTOCOL_ERROR', { role });
  }
});

test('pings and their acknowledgements are told apart', () => {
  assert.equal(events(frame(6, 0, 0, '12345678') + frame(6, 1, 0, 'abcdefgh')), [
    'ping 12345678',
    'ping ack abcdefgh',
  ]);
  fails(frame(6, 0, 0, '1234567'), 'FRAME_SIZE_ERROR');
  fails(frame(6, 0, 0, '123456789'), 'FRAME_SIZE_ERROR');
  fails(frame(6, 0, 1, '12345678'), 'PROTOCOL_ERROR');
});

test('a GOAWAY is handed on with the start of its debug data', () => {
  assert.equal(events(frame(7, 0, 0, `${uint32(0x80000005)}${uint32(2)}`)), ['goaway 5 INTERNAL_ERROR ']);
  assert.equal(events(frame(7, 0, 0, `${uint32(5)}${uint32(0)}why`)), ['goaway 5 NO_ERROR why']);
  assert.equal(events(frame(7, 0, 0, `${uint32(5)}${uint32(0)}${'x'.repeat(1000)}`) + frame(4, 1, 0)), [
    `goaway 5 NO_ERROR ${'x'.repeat(256)}`,
    'settings ack',
  ]);
  fails(frame(7, 0, 0, 'abcdefg'), 'FRAME_SIZE_ERROR');
  fails(frame(7, 0, 1, 'abcdefgh'), 'PROTOCOL_ERROR');
});

test('window updates are handed on, except those of 0', () => {
  assert.equal(events(frame(8, 0, 0, uint32(5)) + frame(8, 0, 1, uint32(0xffffffff))), [
    'window 0 5',
    'window 1 2147483647',
  ]);
  assert.equal(events(frame(8, 0, 1, uint32(0x80000000)) + frame(8, 0, 1, uint32(1))), [
    'stream error 1 PROTOCOL_ERROR: WINDOW_UPDATE of 0',
    'window 1 1',
  ]);
  fails(frame(8, 0, 0, uint32(0)), 'PROTOCOL_ERROR');
  fails(frame(8, 0, 0, 'abc'), 'FRAME_SIZE_ERROR');
  fails(frame(8, 0, 1, 'abcde'), 'FRAME_SIZE_ERROR');
});

test('frames of unknown types are ignored, and counted', () => {
  assert.equal(events(frame(0x16, 0xff, 0, 'abc') + frame(0xff, 0, 2) + frame(0xa, 0, 1, 'x')), [
    'ignored 0x16',
    'ignored 0xff',
    'ignored 0xa',
  ]);
});

test('frames on streams that cannot have been opened end the connection', () => {
  for (const role of ['server', 'client'] as const) {
    fails(frame(0, 0, 0, 'abc'), 'PROTOCOL_ERROR', { role });
    fails(frame(0, 0, 2, 'abc'), 'PROTOCOL_ERROR', { role });
    fails(frame(1, 4, 0, 'abc'), 'PROTOCOL_ERROR', { role });
    fails(frame(1, 4, 2, 'abc'), 'PROTOCOL_ERROR', { role });
    fails(frame(3, 0, 2, uint32(8)), 'PROTOCOL_ERROR', { role });
    fails(frame(8, 0, 2, uint32(8)), 'PROTOCOL_ERROR', { role });
  }
});

test('the reserved bit of a stream identifier is ignored', () => {
  assert.equal(events(frame(1, 4, 0x80000001, 'ab')), ['headers 1 ab']);
  assert.equal(events(frame(0, 0, 0xffffffff, 'ab')), ['data 2147483647 of 2', 'payload ab']);
});

test('a frame over the limit ends the connection before it has arrived', () => {
  const header = frame(0, 0, 1, 'x'.repeat(16_385)).slice(0, 9);
  assert.equal(events(header), ['connection error FRAME_SIZE_ERROR: a DATA frame of 16385 bytes']);
  assert.is(events(frame(0, 0, 1, 'x'.repeat(16_384))).length, 2);
  const maxFrameSize = 20_000;
  assert.is(events(frame(0, 0, 1, 'x'.repeat(20_000)), { maxFrameSize }).length, 2);
  fails(frame(0, 0, 1, 'x'.repeat(20_001)), 'FRAME_SIZE_ERROR', { maxFrameSize });
  fails(frame(0xee, 0, 1, 'x'.repeat(16_385)), 'FRAME_SIZE_ERROR');
});

test('a server reads the preface first', () => {
  const found = readAll(preface + emptySettings, { role: 'server' });
  assert.equal(found.events, ['preface', 'settings end']);
  assert.equal(readAll(preface.slice(0, 20), { role: 'server' }).events, []);
});

test('a wrong preface ends the connection at its first wrong byte', () => {
  for (const text of ['GET / HTTP/1.1\r\n\r\n', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\n', '\x16\x03\x01', 'X']) {
    for (const pieces of [() => 1, (left: number) => left]) {
      const { events: found } = readAll(text, { role: 'server', pieces });
      assert.equal(found.length, 1);
      assert.match(found[0] ?? '', /^connection error PROTOCOL_ERROR: /);
    }
  }
});

test('the first frame must be SETTINGS', () => {
  const reading = { role: 'client' } as const;
  for (const first of [frame(6, 0, 0, '12345678'), frame(4, 1, 0), frame(1, 4, 1, 'x'), frame(0xee, 0, 0)]) {
    assert.match(readAll(first, reading).events.join(), /^connection error PROTOCOL_ERROR: /);
    const behind = readAll(preface + first, { role: 'server' });
    assert.match(behind.events.join(), /^preface,connection error PROTOCOL_ERROR: /);
  }
});

/** A connection with every kind of frame. */
function conversation(random: (n: number) => number): string {
  const text = (length: number): string => 'abcdefghij'.repeat(1 + length / 10).slice(0, length);
  let bytes = preface + frame(4, 0, 0, setting(3, 100) + setting(4, 70_000));
  for (let i = 0; i < 60; i++) {
    const stream = 1 + 2 * random(1000);
    const size = random(4) === 0 ? random(16_384) : random(40);
    const sorts = [
      () => frame(0, random(2), stream, text(size)),
      () => frame(0, 8, stream, String.fromCharCode(9) + text(size % 1000) + '\0'.repeat(9)),
      () => frame(1, 4 + random(2), stream, text(size)),
      () =>
        frame(1, random(2), stream, text(size)) +
        frame(9, 0, stream, text(50)) +
        frame(9, 4, stream, text(random(9))),
      () => frame(1, 0x2c, stream, `\x03\0\0\0\0\x10${text(size % 500)}\0\0\0`),
      () => frame(2, 0, stream, '\0\0\0\0\x10'),
      () => frame(3, 0, stream, uint32(random(14))),
      () => frame(4, 0, 0, setting(1, random(5000)).repeat(random(4))) + frame(4, 1, 0),
      () => frame(6, random(2), 0, text(8)),
      () => frame(7, 0, 0, uint32(stream) + uint32(0) + text(random(600))),
      () => frame(8, 0, random(2) * stream, uint32(1 + random(1000))),
      () => frame(10 + random(240), random(256), random(1000), text(size)),
    ];
    bytes += sorts[random(sorts.length)]?.() ?? '';
  }
  return bytes;
}

test('the events are the same wherever the bytes are split', () => {
  for (let seed = 0; seed < 60; seed++) {
    const random = randomOf(seed);
    const text = conversation(random);
    const { events: whole } = readAll(text, { role: 'server' });
    assert.not.match(whole.at(-1) ?? '', /connection error/);
    for (const most of [1, 3, 20, 500, 20_000]) {
      const cut = readAll(text, { role: 'server', pieces: () => 1 + random(most) });
      assert.equal(cut.events, whole, `seed ${seed}, pieces of up to ${most}`);
    }
  }
});

test('random bytes cause the same events wherever they are split, and never throw', () => {
  for (let seed = 0; seed < 400; seed++) {
    const random = randomOf(seed);
    const bytes = Buffer.from(conversation(random), 'latin1');
    for (let edits = 1 + random(4); edits > 0; edits--) bytes[24 + random(bytes.length - 24)] = random(256);
    const text = bytes.toString('latin1');
    const { events: whole } = readAll(text, { role: 'server' });
    const cut = readAll(text, { role: 'server', pieces: () => 1 + random(200) });
    assert.equal(cut.events, whole, `seed ${seed}`);
  }
});

test('a reader that is stopped within an event hands on nothing more', () => {
  const text =
    conversation(randomOf(7)) + frame(1, 0x24, 3, '\0\0\0\x03\x10ab') + frame(2, 0, 3, '\0\0\0\x03\x10');
  const { events: whole } = readAll(text, { role: 'server' });
  for (const event of new Set(whole)) {
    const { events: found } = readAll(text, { role: 'server', stopAt: event });
    assert.equal(found, whole.slice(0, whole.findIndex(other => other.startsWith(event)) + 1));
  }
});
