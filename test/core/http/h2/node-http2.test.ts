// Weldr's frames and field blocks against Node's, over real sockets and in both directions.
import { once } from 'node:events';
import * as http2 from 'node:http2';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import * as assert from 'uvu/assert';
import { FrameReader, type FrameReceiver } from '../../../../core/http/h2/frame-reader.ts';
import { FrameWriter } from '../../../../core/http/h2/frame-writer.ts';
import { errorName, settingId } from '../../../../core/http/h2/frames.ts';
import { HpackDecoder } from '../../../../core/http/h2/hpack-decoder.ts';
import { HpackEncoder } from '../../../../core/http/h2/hpack-encoder.ts';
import { randomOf } from '../../../support/random.ts';
import { suite } from '../../../support/suite.ts';
import type { Field } from './hpack-examples.ts';

const test = suite('frames against node:http2');

/** What one stream has received. */
interface Received {
  /** Field sections in order: the head, then trailers. */
  readonly sections: Field[][];
  body: string;
  ended: boolean;
}

/** One side of a connection in its simplest form: arriving data reopens the windows. */
class PlainSide implements FrameReceiver {
  readonly streams = new Map<number, Received>();
  readonly problems: string[] = [];
  readonly pings: string[] = [];
  settingsAcks = 0;
  onStreamEnd: (streamId: number, received: Received) => void = () => {};
  private readonly socket: Socket;
  private readonly reader: FrameReader;
  private readonly writer = new FrameWriter();
  private readonly decoder = new HpackDecoder();
  private readonly encoder = new HpackEncoder();
  private dataStream = 0;
  private endsWithData = false;

  constructor(socket: Socket, role: 'server' | 'client', pieces: (left: number) => number) {
    this.socket = socket;
    this.reader = new FrameReader(this, role);
    if (role === 'client') this.writer.preface();
    this.writer.settings([[settingId.maxConcurrentStreams, 100]]);
    socket.on('data', (chunk: Buffer) => {
      for (let at = 0; at < chunk.length; ) {
        const end = Math.min(chunk.length, at + pieces(chunk.length - at));
        this.reader.read(chunk, at, end);
        at = end;
      }
      this.flush();
    });
    socket.on('error', () => {});
  }

  send(streamId: number, fields: readonly Field[], ending: 'end' | 'open'): void {
    this.encoder.begin();
    for (const [name, value] of fields) this.encoder.field(name, value);
    this.writer.headers(streamId, this.encoder.end(), ending);
  }

  sendData(streamId: number, body: string, ending: 'end' | 'open'): void {
    const payload = Buffer.from(body);
    this.writer.data(streamId, payload, 0, payload.length, ending);
  }

  ask(payload: string): void {
    this.writer.ping(Buffer.from(payload), 'ask');
  }

  leave(): void {
    this.writer.goAway(0, 0, 'done');
    this.flush();
  }

  flush(): void {
    const taken = this.writer.take();
    for (const part of Array.isArray(taken) ? taken : [taken]) this.socket.write(part);
  }

  private stream(streamId: number): Received {
    const known = this.streams.get(streamId);
    if (known !== undefined) return known;
    const made: Received = { sections: [], body: '', ended: false };
    this.streams.set(streamId, made);
    return made;
  }

  private end(streamId: number): void {
    const received = this.stream(streamId);
    received.ended = true;
    this.onStreamEnd(streamId, received);
  }

  onPreface(): void {}
  onDataStart(streamId: number, flowSize: number, endStream: boolean): void {
    this.dataStream = streamId;
    this.endsWithData = endStream;
    if (flowSize === 0) return;
    this.writer.windowUpdate(0, flowSize);
    if (!endStream) this.writer.windowUpdate(streamId, flowSize);
  }
  onData(buffer: Buffer, start: number, end: number): void {
    this.stream(this.dataStream).body += buffer.toString('latin1', start, end);
  }
  onDataEnd(): void {
    if (this.endsWithData) this.end(this.dataStream);
  }
  onHeaders(streamId: number, block: Buffer, start: number, end: number, endStream: boolean): void {
    const fields: Field[] = [];
    const taken = this.decoder.decode(block, start, end, { onField: (...field) => fields.push(field) });
    if (!taken) this.problems.push(this.decoder.problem);
    this.stream(streamId).sections.push(fields);
    if (endStream) this.end(streamId);
  }
  onRstStream(streamId: number, code: number): void {
    this.problems.push(`reset ${streamId} ${errorName(code)}`);
  }
  onSetting(id: number, value: number): void {
    if (id === settingId.headerTableSize) this.encoder.setMaxTableSize(value);
    if (id === settingId.maxFrameSize) this.writer.maxFrameSize = value;
  }
  onSettingsEnd(): void {
    this.writer.settingsAck();
  }
  onSettingsAck(): void {
    this.settingsAcks++;
  }
  onPing(payload: Buffer): void {
    this.writer.ping(payload, 'ack');
  }
  onPingAck(payload: Buffer): void {
    this.pings.push(payload.toString());
  }
  onGoAway(_lastStreamId: number, code: number): void {
    if (code !== 0) this.problems.push(`goaway ${errorName(code)}`);
  }
  onWindowUpdate(): void {}
  onIgnored(): void {}
  onStreamError(streamId: number, code: number, reason: string): void {
    this.problems.push(`stream ${streamId}: ${errorName(code)} ${reason}`);
  }
  onConnectionError(code: number, reason: string): void {
    this.problems.push(`connection: ${errorName(code)} ${reason}`);
  }
}

/** Fields that both sides may send. A long one makes the block span several frames. */
function randomFields(random: (n: number) => number): Record<string, string> {
  const fields: Record<string, string> = {};
  for (let count = random(10); count > 0; count--) {
    const name = ['accept', 'user-agent', 'x-own', 'x-request-id', 'etag', 'authorization'][random(6)] ?? '';
    fields[name] = random(2) === 0 ? `${random(3)}` : 'Value-'.repeat(random(30)) + random(1e6);
  }
  if (random(5) === 0) fields['x-long'] = '~^'.repeat(random(15_000));
  return fields;
}

const inOrder = (fields: readonly Field[]): string[] =>
  fields.map(([name, value]) => `${name}: ${value}`).sort();

const tables = [0, 100, 4096, 65_536];
const paddings = [http2.constants.PADDING_STRATEGY_NONE, http2.constants.PADDING_STRATEGY_MAX];

test('a client of Node and this side understand each other', async () => {
  for (let seed = 0; seed < 12; seed++) {
    const random = randomOf(seed);
    const sides: PlainSide[] = [];
    const server = createServer(socket => {
      const side = new PlainSide(socket, 'server', left => (seed % 3 === 0 ? left : 1 + random(50)));
      side.onStreamEnd = (streamId, { sections, body }) => {
        const echoed = (sections[0] ?? []).filter(([name]) => !name.startsWith(':'));
        side.send(streamId, [[':status', '200'], ...echoed], 'open');
        side.sendData(streamId, body, 'open');
        side.send(streamId, [['x-sum', `${body.length}`]], 'end');
      };
      sides.push(side);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const session = http2.connect(`http://127.0.0.1:${port}`, {
      paddingStrategy: paddings[seed & 1] ?? 0,
      settings: { headerTableSize: tables[seed & 3] ?? 0 },
      maxSendHeaderBlockLength: 1e6,
    });
    session.on('error', () => {});
    for (let i = 0; i < 15; i++) await exchangeWithServer(session, random);
    const [side] = sides;
    assert.equal(side?.problems, []);
    assert.is(side?.settingsAcks, 1);
    session.close();
    await once(session, 'close');
    await new Promise(resolve => server.close(resolve));
  }
});

/** Sends one request whose fields and body this side returns. */
async function exchangeWithServer(
  session: http2.ClientHttp2Session,
  random: (n: number) => number,
): Promise<void> {
  const fields = randomFields(random);
  const body = 'body '.repeat(random(3) === 0 ? 0 : random(4000));
  const request = session.request({ ':method': 'POST', ':path': `/${random(5)}`, ...fields });
  request.setEncoding('latin1');
  let received = '';
  let sum: unknown;
  request.on('data', (chunk: string) => {
    received += chunk;
  });
  request.on('trailers', trailers => {
    sum = trailers['x-sum'];
  });
  const [[head]] = await Promise.all([once(request, 'response'), once(request, 'close'), request.end(body)]);
  assert.is(head[':status'], 200);
  for (const [name, value] of Object.entries(fields)) assert.is(head[name], value);
  assert.is(received, body);
  assert.is(sum, `${body.length}`);
}

test('a server of Node and this side understand each other', async () => {
  for (let seed = 0; seed < 12; seed++) {
    const random = randomOf(100 + seed);
    const server = http2.createServer({
      paddingStrategy: paddings[seed & 1] ?? 0,
      settings: { headerTableSize: tables[seed & 3] ?? 0 },
      maxSendHeaderBlockLength: 1e6,
    });
    const seen = new Map<number, string[]>();
    server.on(
      'stream',
      (stream: http2.ServerHttp2Stream, _headers: unknown, _flags: number, rawHeaders: string[]) => {
        const fields: Field[] = [];
        for (let i = 0; i < rawHeaders.length; i += 2)
          fields.push([rawHeaders[i] ?? '', rawHeaders[i + 1] ?? '']);
        seen.set(stream.id ?? 0, inOrder(fields));
        stream.respond({ ':status': 200, 'x-own': 'a response' }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': 'a trailer' }));
        stream.pipe(stream);
      },
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    const side = new PlainSide(socket, 'client', left => (seed % 3 === 0 ? left : 1 + random(50)));
    side.ask('12345678');
    for (let streamId = 1; streamId < 30; streamId += 2) {
      const fields: Field[] = [
        [':method', 'POST'],
        [':scheme', 'http'],
        [':path', `/${random(5)}`],
        [':authority', '127.0.0.1'],
        ...Object.entries(randomFields(random)),
      ];
      const body = 'body '.repeat(random(3) === 0 ? 0 : random(4000));
      const ended = new Promise<Received>(resolve => {
        side.onStreamEnd = (_, received) => resolve(received);
        socket.once('close', () => resolve({ sections: [], body: side.problems.join(), ended: false }));
      });
      side.send(streamId, fields, 'open');
      side.sendData(streamId, body, 'end');
      side.flush();
      const { sections, body: echoed } = await ended;
      assert.is(echoed, body);
      assert.equal(sections[0]?.slice(0, 2), [
        [':status', '200'],
        ['x-own', 'a response'],
      ]);
      assert.equal(sections[1], [['x-sum', 'a trailer']]);
      assert.equal(seen.get(streamId), inOrder(fields));
    }
    assert.equal(side.problems, []);
    assert.equal(side.pings, ['12345678']);
    side.leave();
    socket.end();
    await once(socket, 'close');
    await new Promise(resolve => server.close(resolve));
  }
});
