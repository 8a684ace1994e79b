// ChunkedReader: the same outcome wherever its input is split, and nothing malformed is handed on.
import * as assert from 'uvu/assert';
import { ChunkedReader, type ChunkedSink } from '../../../../core/http/h1/chunked-reader.ts';
import type { HeaderList } from '../../../../core/request/headers.ts';
import { suite } from '../../../support/suite.ts';

const test = suite('ChunkedReader');

class Sink implements ChunkedSink {
  text = '';
  trailers: HeaderList | undefined = undefined;
  ends = 0;
  /** How often bytes were handed on. */
  calls = 0;
  onChunkedBytes(buffer: Buffer, start: number, end: number): void {
    this.calls++;
    this.text += buffer.toString('latin1', start, end);
  }
  onChunkedLine(line: string): void {
    this.calls++;
    this.text += line;
  }
  onChunkedEnd(trailers: HeaderList | undefined): void {
    this.trailers = trailers;
    this.ends++;
  }
}

interface Outcome {
  readonly text: string;
  readonly trailers: unknown;
  readonly complete: boolean;
  readonly refused: boolean;
  /** Bytes that belong to the body. */
  readonly used: number;
}

/** Reads `pieces` one after another, as a connection would. */
function read(pieces: readonly string[], framing: 'keep' | 'strip', limit?: number): Outcome {
  const sink = new Sink();
  const reader = new ChunkedReader(sink);
  reader.begin(framing, ['x-hop'], limit);
  let used = 0;
  let refused = false;
  for (const piece of pieces) {
    if (reader.complete || refused) break;
    const bytes = Buffer.from(piece, 'latin1');
    const end = reader.read(bytes, 0, bytes.length);
    if (end < 0) refused = true;
    else used += end;
  }
  assert.is(sink.ends, reader.complete ? 1 : 0);
  const trailers = sink.trailers === undefined ? undefined : [...sink.trailers];
  return { text: sink.text, trailers, complete: reader.complete, refused, used };
}

const bodies = [
  '0\r\n\r\n',
  '3\r\nabc\r\n0\r\n\r\n',
  '3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\nGET / HTTP/1.1',
  '3;a=b;c="d\\"e"\r\nabc\r\n0;x\r\n\r\n',
  '03\r\nabc\r\n000\r\n\r\n',
  '3\r\nabc\r\n0\r\nX-Sum: 9\r\nX-Hop: 1\r\nContent-Length: 5\r\n\r\nrest',
  '1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\nX: y\r\n\r\n',
  '1;a\r\na\r\n2;b="\\";"\r\nbc\r\n3\r\ndef\r\n001;c=d;e\r\ng\r\n0;f\r\nX: y\r\n\r\n',
  `1;a\r\na\r\n46;b\r\n${'0123456789'.repeat(7)}\r\n2\r\nbc\r\n0\r\n\r\n`,
];
const malformed = [
  'x\r\n',
  '3\nabc',
  '3\r\nabcd',
  '3\r\nabc\n',
  '3 \r\nabc',
  '3;\r\nabc',
  '3;a b\r\nabc',
  '3;a=\r\nabc',
  '3;=b\r\nabc',
  '3;a="b\r\nabc',
  '3;a="b\\\r\nabc',
  '3;a="b"c\r\nabc',
  '3;a=b=c\r\nabc',
  '3;a;;b\r\nabc',
  '3;a\0\r\nabc',
  '3;a\rb\r\nabc',
  '-1\r\n',
  '1234567890123\r\n',
  '3\r\nabc\r\n0\r\nX : y\r\n\r\n',
  '3\r\nabc\r\n0\r\n y\r\n\r\n',
  '\r\n',
  '3\r\nabc\r\n\r\n',
];

for (const framing of ['keep', 'strip'] as const) {
  for (const body of bodies) {
    test(`${JSON.stringify(body)} means the same at every split, with framing: ${framing}`, () => {
      const whole = read([body], framing);
      assert.ok(whole.complete);
      const payload = decode(whole.text, framing);
      for (let first = 0; first <= body.length; first++) {
        for (let second = first; second <= body.length; second += 3) {
          const parts = read([body.slice(0, first), body.slice(first, second), body.slice(second)], framing);
          assert.is(parts.used, whole.used, `${first}, ${second}`);
          assert.equal(decode(parts.text, framing), payload);
          assert.equal(ending(parts), ending(whole));
        }
      }
      const single = read([...body], framing);
      assert.equal(
        [single.used, decode(single.text, framing), ending(single)],
        [whole.used, payload, ending(whole)],
      );
    });
  }

  for (const body of malformed) {
    test(`${JSON.stringify(body)} is refused at every split, with framing: ${framing}`, () => {
      for (let at = 0; at <= body.length; at++) {
        const outcome = read([body.slice(0, at), body.slice(at)], framing);
        assert.ok(outcome.refused, `${at}`);
        assert.not(outcome.complete);
      }
      assert.ok(read([...body], framing).refused);
    });
  }
}

/** Size lines in pieces are rewritten, so their digits may differ, but not their meaning. */
function decode(text: string, framing: 'keep' | 'strip'): string {
  if (framing === 'strip') return text;
  let payload = '';
  for (let pos = 0; pos < text.length; ) {
    const end = text.indexOf('\r\n', pos);
    const size = Number.parseInt(text.slice(pos, end), 16);
    payload += text.slice(end + 2, end + 2 + size);
    if (size > 0) assert.is(text.slice(end + 2 + size, end + 4 + size), '\r\n');
    pos = end + 4 + size;
  }
  return payload;
}

/** The absence of trailers can be `undefined`, with the end handed on, or an empty list, with the end to be written. */
function ending({ trailers, complete }: Outcome): unknown {
  return { complete, trailers: trailers ?? [] };
}

test('a body that is handed on with framing is well-formed chunks, without extensions', () => {
  const { text, trailers } = read(['3;a=b\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n'], 'keep');
  assert.is(text, '3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n');
  assert.is(trailers, undefined);
});

test('with trailers, the end is left to the sink, and fields that must not come as trailers are dropped', () => {
  const body =
    '1\r\na\r\n0\r\nX: y\r\nHost: b\r\nX-Hop: 1\r\nCookie: c\r\nX_Forwarded_For: d\r\nx: z\r\n\r\n';
  const { text, trailers } = read([body], 'keep');
  assert.is(text, '1\r\na\r\n');
  assert.equal(trailers, [
    ['X', 'y'],
    ['x', 'z'],
  ]);
});

for (const framing of ['keep', 'strip'] as const) {
  for (const chunk of ['1\r\nX\r\n', '1;a\r\nX\r\n', '3;a="b"\r\nabc\r\n10\r\n0123456789abcdef\r\n']) {
    test(`many chunks ${JSON.stringify(chunk)} in one read are handed on at once, with framing: ${framing}`, () => {
      const sink = new Sink();
      const reader = new ChunkedReader(sink);
      reader.begin(framing, []);
      const bytes = Buffer.from(`${chunk.repeat(2_000)}0\r\n\r\n`);
      assert.is(reader.read(bytes, 0, bytes.length), bytes.length);
      const sent = framing === 'keep' ? /;[^\r]*/g : /(?:^|(?<=\n))[0-9]+(?:;[^\r]*)?\r\n|\r\n/g;
      const expected = chunk.replace(sent, '').repeat(2_000);
      assert.is(sink.text, framing === 'keep' ? `${expected}0\r\n\r\n` : expected);
      assert.is(sink.calls, 1);
    });
  }
}

test('nothing after a malformed byte is handed on', () => {
  assert.is(read(['3\r\nabc\r\nx\r\nsecret'], 'keep').text, '3\r\nabc\r\n');
  assert.is(read(['3\r\nabc\r\nx\r\nsecret'], 'strip').text, 'abc');
});

test('a body over its limit is refused as soon as it is announced', () => {
  assert.ok(read(['5\r\nabcde\r\n0\r\n\r\n'], 'keep', 5).complete);
  const over = read(['3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n'], 'keep', 5);
  assert.equal([over.refused, over.text], [true, '3\r\nabc\r\n']);
});

test('a size line, all extensions and all trailers are bounded', () => {
  assert.ok(read([`1;a=${'b'.repeat(1_100)}`], 'keep').refused);
  assert.ok(read([`${`1;a=${'b'.repeat(900)}\r\nx\r\n`.repeat(20)}`], 'keep').refused);
  assert.ok(read([`0\r\nX: ${'y'.repeat(9_000)}`], 'keep').refused);
  assert.ok(read([`0\r\n${'X: y\r\n'.repeat(65)}\r\n`], 'keep').refused);
});

test('a body begun with framing is handed on without it if that is asked for before it is read', () => {
  const sink = new Sink();
  const reader = new ChunkedReader(sink);
  reader.begin('keep', []);
  reader.strip();
  const bytes = Buffer.from('3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n');
  reader.read(bytes, 0, bytes.length);
  assert.equal([sink.text, reader.complete], ['abcde', true]);
});
