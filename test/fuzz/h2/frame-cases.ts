// Sequences of frames that a client could send: valid ones, ones that break a rule, and ones with changed bytes.

import { frameType as type } from '../../../core/http/h2/frames.ts';
import { emptySettings, frame, preface, setting, uint32 } from '../../core/http/h2/frame-bytes.ts';
import type { Random } from '../../support/random.ts';

type Fields = readonly (readonly [name: string, value: string])[];

/** A field that enters no table, so a block means the same anywhere. */
const literal = (name: string, value: string): string => `\x00${text(name)}${text(value)}`;

function text(value: string): string {
  const length =
    value.length < 127 ? String.fromCharCode(value.length) : `\x7f${integer(value.length - 127)}`;
  return length + value;
}

function integer(value: number): string {
  let bytes = '';
  let rest = value;
  for (; rest >= 0x80; rest >>>= 7) bytes += String.fromCharCode(0x80 | (rest & 0x7f));
  return bytes + String.fromCharCode(rest);
}

const block = (fields: Fields): string => fields.map(([name, value]) => literal(name, value)).join('');

const get: Fields = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'a.test'],
  [':path', '/'],
];
const post: Fields = [[':method', 'POST'], ...get.slice(1)];
const plus = (...more: Fields): Fields => [...get, ...more];

const goodHeads: readonly Fields[] = [
  get,
  post,
  post,
  [...get.slice(0, 3), [':path', '/a?b=c']],
  plus(['x-mine', 'one'], ['accept', '*/*']),
  plus(['te', 'trailers']),
  plus(['cookie', 'a=1'], ['x-empty', '']),
  [...post, ['content-length', '5']],
  [...post, ['content-length', '0']],
  [[':method', 'OPTIONS'], ...get.slice(1, 3), [':path', '*']],
  [[':method', 'HEAD'], ...get.slice(1)],
];

const badHeads: readonly Fields[] = [
  [],
  ...get.map((_, n) => get.filter((__, other) => other !== n)),
  ...get.map((_, n) => get.map(([name, value], other) => [name, other === n ? '' : value] as const)),
  ...get.map(field => [...get, field]),
  plus(['X-Mine', 'y']),
  plus(['', 'y']),
  plus(['x y', 'z']),
  plus(['x:y', 'z']),
  plus(['x', 'a\r\nb']),
  plus(['x', 'a\nb']),
  plus(['x', 'a\0']),
  plus(['x', ' a']),
  plus(['x', 'a\t']),
  plus(['connection', 'close']),
  plus(['keep-alive', 'timeout=1']),
  plus(['proxy-connection', 'close']),
  plus(['upgrade', 'h2c']),
  plus(['transfer-encoding', 'chunked']),
  plus(['te', 'gzip']),
  plus(['host', 'b.test']),
  plus(['content-length', '5']),
  plus(['content-length', '-5']),
  plus(['content-length', '0'], ['content-length', '5']),
  plus([':path', '/late']),
  [['x-early', '1'], ...get],
  [[':status', '200'], ...get],
  [[':other', '1'], ...get],
  [[':method', 'G T'], ...get.slice(1)],
  [...get.slice(0, 3), [':path', 'no-slash']],
  [...get.slice(0, 3), [':path', '/a b']],
  [...get.slice(0, 3), [':path', '/\r\nx: y']],
  [...get.slice(0, 2), [':authority', 'a@b.test'], [':path', '/']],
  [...get.slice(0, 2), [':authority', 'a.test\r\nx: y'], [':path', '/']],
  [...get.slice(0, 2), [':authority', 'a.test,b.test'], [':path', '/']],
  [
    [':method', 'CONNECT'],
    [':authority', 'a.test:1'],
  ],
];

const goodTrailers: readonly Fields[] = [
  [['x-sum', '7']],
  [
    ['x-sum', '7'],
    ['x-other', ''],
  ],
];
const badTrailers: readonly Fields[] = [get, [], [['X', 'y']], [[':path', '/']], [['connection', 'close']]];

const damagedBlocks = [
  '\x80',
  '\xff\xff\xff\xff\xff\xff\xff\x7f',
  '\xbe',
  '\x00\x01',
  '\x00\x81\xff\x01a',
  '\x3f\xff\xff\x7f',
  '\x40',
  '\x20\x20\x20\x82',
];

type Setting = readonly [id: number, value: number];

const goodSettings: readonly Setting[] = [
  [1, 0],
  [1, 100],
  [2, 0],
  [3, 100],
  [4, 0],
  [4, 65_535],
  [5, 16_384],
  [6, 100],
  [99, 5],
];
const allSettings: readonly Setting[] = [
  [1, 0],
  [1, 100],
  [1, 2 ** 31],
  [2, 0],
  [2, 1],
  [2, 2],
  [3, 0],
  [3, 100],
  [4, 0],
  [4, 65_535],
  [4, 2 ** 31 - 1],
  [4, 2 ** 31],
  [5, 16_384],
  [5, 16_383],
  [5, 2 ** 24 - 1],
  [5, 2 ** 24],
  [6, 100],
  [8, 0],
  [99, 5],
];

/** Makes the frames of one connection, and remembers which streams it has used. */
class Writer {
  readonly pieces: string[] = [];
  private readonly random: Random;
  private next = 1;
  private readonly open: number[] = [];
  private readonly used: number[] = [];

  constructor(random: Random) {
    this.random = random;
  }

  /** Returns the stream of a valid HEADERS frame, or sometimes an invalid number. */
  private newStream(): number {
    const { random } = this;
    if (random.below(60) === 0) return random.of([0, 2, 4, ...this.used, this.next]);
    if (random.below(12) === 0) this.next += 2 * random.below(4);
    const id = this.next;
    this.next += 2;
    return id;
  }

  private anyStream(): number {
    const { random } = this;
    if (this.open.length > 0 && random.below(8) > 0) return random.of(this.open);
    return random.of([...this.used, ...this.used, ...this.used, this.next, 0, 2, 1]);
  }

  private close(id: number): void {
    const at = this.open.indexOf(id);
    if (at >= 0) this.open.splice(at, 1);
  }

  headers(): void {
    const { random } = this;
    const isTrailer = this.open.length > 0 && random.below(5) === 0;
    const id = isTrailer ? random.of(this.open) : this.newStream();
    const good = random.below(6) > 0;
    const fields = isTrailer
      ? random.of(good ? goodTrailers : badTrailers)
      : random.of(good ? goodHeads : badHeads);
    const encoded = random.below(150) === 0 ? random.of(damagedBlocks) : block(fields);
    const ends = isTrailer ? random.below(12) > 0 : random.below(2) === 0;
    this.fieldSection(id, encoded, ends);
    if (isTrailer) this.close(id);
    else {
      this.used.push(id);
      if (!ends) this.open.push(id);
    }
  }

  /** Writes one frame or several, with everything that HEADERS can carry besides a block. */
  private fieldSection(id: number, encoded: string, ends: boolean): void {
    const { random } = this;
    let flags = ends ? 1 : 0;
    let before = '';
    let behind = '';
    if (random.below(6) === 0) {
      flags |= 0x20;
      const dependency = random.below(10) === 0 ? id : random.of([0, 0, 1, 3, 0x80000000]);
      before = uint32(dependency) + String.fromCharCode(random.below(256));
    }
    if (random.below(6) === 0) {
      flags |= 0x8;
      const padding = random.below(20);
      before = String.fromCharCode(random.below(40) === 0 ? 255 : padding) + before;
      behind = '\0'.repeat(padding);
    }
    if (random.below(20) === 0) flags |= 0x10 | 0x40;
    const parts = random.below(5) === 0 ? 1 + random.below(3) : 0;
    if (parts === 0) {
      this.pieces.push(frame(type.headers, flags | 4, id, before + encoded + behind));
      return;
    }
    let rest = encoded;
    const take = (): string => {
      const piece = rest.slice(0, random.below(rest.length + 1));
      rest = rest.slice(piece.length);
      return piece;
    };
    this.pieces.push(frame(type.headers, flags, id, before + take() + behind));
    for (let n = 1; n < parts; n++) {
      if (random.below(60) === 0) this.control();
      this.pieces.push(frame(type.continuation, 0, random.below(60) === 0 ? id + 2 : id, take()));
    }
    if (random.below(60) > 0) this.pieces.push(frame(type.continuation, 4, id, rest));
  }

  data(): void {
    const { random } = this;
    const id = this.anyStream();
    const ends = random.below(3) === 0;
    const size = random.of([0, 1, 5, 5, 5, 300, 16_384]);
    let flags = ends ? 1 : 0;
    let payload = 'x'.repeat(size);
    if (random.below(6) === 0 && size < 16_000) {
      flags |= 8;
      const padding = random.below(20);
      const told = random.below(40) === 0 ? 255 : padding;
      payload = String.fromCharCode(told) + payload + '\0'.repeat(padding);
    }
    this.pieces.push(frame(type.data, flags, id, payload));
    if (ends) this.close(id);
  }

  reset(): void {
    const { random } = this;
    const id = this.anyStream();
    this.pieces.push(frame(type.rstStream, 0, id, random.below(20) === 0 ? 'xxx' : uint32(random.below(15))));
    this.close(id);
  }

  control(): void {
    const { random } = this;
    switch (random.below(9)) {
      case 0:
        this.pieces.push(
          frame(type.ping, random.below(4) === 0 ? 1 : 0, random.below(15) === 0 ? 1 : 0, 'eight by'),
        );
        return;
      case 1:
        this.pieces.push(frame(type.ping, 0, 0, 'x'.repeat(random.below(6) === 0 ? random.below(12) : 8)));
        return;
      case 2:
      case 3:
        this.settings();
        return;
      case 4:
      case 5:
        this.windowUpdate();
        return;
      case 6:
        this.priority();
        return;
      case 7:
        this.pieces.push(
          frame(
            random.of([0x10, 0x20, 0xff]),
            random.below(256),
            this.anyStream(),
            'x'.repeat(random.below(20)),
          ),
        );
        return;
      default:
        if (random.below(3) === 0) this.rare();
    }
  }

  private settings(): void {
    const { random } = this;
    const [id, value] = random.of(random.below(4) > 0 ? goodSettings : allSettings);
    const payload = setting(id, value).repeat(random.below(3));
    const isAck = random.below(8) === 0;
    const isOdd = random.below(40) === 0;
    const stream = random.below(60) === 0 ? 1 : 0;
    this.pieces.push(
      frame(
        type.settings,
        isAck ? 1 : 0,
        stream,
        (isAck && random.below(4) > 0 ? '' : payload) + (isOdd ? 'x' : ''),
      ),
    );
  }

  private windowUpdate(): void {
    const { random } = this;
    const id = random.below(3) === 0 ? 0 : this.anyStream();
    const increment =
      random.below(4) > 0 ? 1 + random.below(1000) : random.of([0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]);
    const payload = random.below(20) === 0 ? 'xxxxx' : uint32(increment);
    this.pieces.push(frame(type.windowUpdate, random.below(256), id, payload));
  }

  private priority(): void {
    const { random } = this;
    const id = this.anyStream();
    const dependency = random.below(6) === 0 ? id : random.of([0, 1, 3]);
    const payload = random.below(8) === 0 ? 'xxxx' : `${uint32(dependency)}\x10`;
    this.pieces.push(frame(type.priority, 0, id, payload));
  }

  /** Sends a frame that ends most connections. */
  private rare(): void {
    const { random } = this;
    switch (random.below(6)) {
      case 0:
        this.pieces.push(frame(type.pushPromise, 4, this.anyStream(), uint32(2) + block(get)));
        return;
      case 1:
        this.pieces.push(frame(type.continuation, 4, this.anyStream(), block(get)));
        return;
      case 2:
        this.pieces.push(frame(type.data, 0, this.anyStream(), 'x'.repeat(16_385)));
        return;
      case 3:
        this.pieces.push(frame(type.goAway, 0, random.below(8) === 0 ? 1 : 0, 'xxxxxxx'));
        return;
      case 4:
        this.pieces.push(
          frame(random.of([type.data, type.headers]), 0x28, this.anyStream(), 'x'.repeat(random.below(6))),
        );
        return;
      default:
        this.pieces.push(
          frame(random.below(10), random.below(256), random.below(6), 'x'.repeat(random.below(12))),
        );
    }
  }
}

/** The bytes of one client, one frame a piece; an eighth of all have changed bytes. */
export function frameCase(random: Random): Buffer[] {
  const writer = new Writer(random);
  writer.pieces.push(preface + (random.below(100) === 0 ? '' : emptySettings));
  for (let count = 1 + random.below(12); count > 0; count--) {
    const kind = random.below(12);
    if (kind < 5) writer.headers();
    else if (kind < 9) writer.data();
    else if (kind === 9) writer.reset();
    else writer.control();
  }
  const pieces = writer.pieces.map(piece => Buffer.from(piece, 'latin1'));
  if (random.below(8) === 0) damage(pieces, random);
  return pieces;
}

/** Changes a few bytes, of headers most often, or of payloads. */
function damage(pieces: Buffer[], random: Random): void {
  for (let count = 1 + random.below(3); count > 0; count--) {
    const piece = random.of(pieces);
    const at = random.below(random.below(3) === 0 ? piece.length : Math.min(9, piece.length));
    piece[at] = random.below(2) === 0 ? random.below(256) : (piece[at] ?? 0) ^ (1 << random.below(8));
  }
}
