// An HTTP/2 client that sends exactly the frames it is told to, and records what it receives.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { FrameReader } from '../../../core/http/h2/frame-reader.ts';
import type { FrameReceiver } from '../../../core/http/h2/frame-receiver.ts';
import { FrameWriter } from '../../../core/http/h2/frame-writer.ts';
import { errorName } from '../../../core/http/h2/frames.ts';
import { HpackDecoder } from '../../../core/http/h2/hpack-decoder.ts';
import { HpackEncoder } from '../../../core/http/h2/hpack-encoder.ts';
import { until } from '../../support/until.ts';

/** What was received on one stream. */
export interface SeenStream {
  /** Field sections in order, as alternating names and values. */
  readonly heads: string[][];
  body: string;
  /** DATA frames, including empty ones. */
  dataFrames: number;
  ended: boolean;
  /** The name of the error that it was reset with. */
  reset: string | undefined;
}

/** One connection, after its preface. */
export class H2Client implements FrameReceiver {
  readonly writer = new FrameWriter();
  readonly streams = new Map<number, SeenStream>();
  /** The name of a GOAWAY's error, and its last stream. */
  goAway: string | undefined;
  lastStream = -1;
  pings = 0;
  settingsAcks = 0;
  /** Set to stop opening windows automatically. */
  holds = false;
  /** Set to open windows byte by byte. */
  dribbles = false;
  closed = false;
  readonly socket: Socket;
  private readonly reader = new FrameReader(this, 'client');
  private readonly decoder = new HpackDecoder();
  private readonly encoder = new HpackEncoder();
  private stream: SeenStream | undefined;
  private ends = false;
  private nextId = 1;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', bytes => this.reader.read(bytes as Buffer, 0, bytes.length));
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
    });
  }

  /** Connects to a port of 127.0.0.1, or of another address, and sends these settings. */
  static async open(
    port: number,
    settings: readonly (readonly [number, number])[] = [],
    host = '127.0.0.1',
  ): Promise<H2Client> {
    const socket = connect({ port, host, noDelay: true });
    await once(socket, 'connect');
    const client = new H2Client(socket);
    client.writer.preface();
    client.writer.settings(settings);
    client.flush();
    return client;
  }

  /** Sends the frames that were written. */
  flush(): void {
    const batch = this.writer.take();
    for (const bytes of Array.isArray(batch) ? batch : [batch]) this.socket.write(Buffer.from(bytes));
  }

  /** Encodes a field block. */
  block(fields: readonly (readonly [name: string, value: string])[]): Buffer {
    this.encoder.begin();
    for (const [name, value] of fields) this.encoder.field(name, value);
    return Buffer.from(this.encoder.end());
  }

  /** Opens a request with these fields, and returns its stream identifier. */
  request(fields: readonly (readonly [string, string])[], ending: 'end' | 'open' = 'end'): number {
    const id = this.nextId;
    this.nextId += 2;
    this.writer.headers(id, this.block(fields), ending);
    this.flush();
    return id;
  }

  /** Sends a part of a body. */
  data(id: number, text: string, ending: 'end' | 'open'): void {
    const bytes = Buffer.from(text, 'latin1');
    this.writer.data(id, bytes, 0, bytes.length, ending);
    this.flush();
  }

  seen(id: number): SeenStream {
    const known = this.streams.get(id);
    if (known !== undefined) return known;
    const made: SeenStream = { heads: [], body: '', dataFrames: 0, ended: false, reset: undefined };
    this.streams.set(id, made);
    return made;
  }

  /** Resolves when the stream has ended or was reset. */
  async over(id: number): Promise<SeenStream> {
    const stream = this.seen(id);
    await until(
      `the end of stream ${id}`,
      () => stream.ended || stream.reset !== undefined || this.closed,
      40_000,
    );
    return stream;
  }

  /** Resolves with the error of the GOAWAY that ends the connection. */
  async ended(): Promise<string | undefined> {
    await until('the end of the connection', () => this.closed || this.socket.readableEnded, 20_000);
    return this.goAway;
  }

  close(): void {
    this.socket.destroy();
  }

  onHeaders(id: number, block: Buffer, start: number, end: number, ends: boolean): void {
    const head: string[] = [];
    this.decoder.decode(block, start, end, { onField: (name, value) => void head.push(name, value) });
    const stream = this.seen(id);
    stream.heads.push(head);
    if (ends) stream.ended = true;
  }

  onDataStart(id: number, flowSize: number, ends: boolean): void {
    this.stream = this.seen(id);
    this.stream.dataFrames++;
    this.ends = ends;
    if (this.holds || flowSize === 0) return;
    if (this.dribbles) {
      // A single update would open a window by more than one byte.
      for (let n = 0; n < flowSize; n++) this.writer.windowUpdate(id, 1);
      this.flush();
      return;
    }
    this.writer.windowUpdate(0, flowSize);
    if (!ends) this.writer.windowUpdate(id, flowSize);
    this.flush();
  }

  onData(buffer: Buffer, start: number, end: number): void {
    if (this.stream !== undefined) this.stream.body += buffer.toString('latin1', start, end);
  }

  onDataEnd(): void {
    if (this.stream !== undefined && this.ends) this.stream.ended = true;
  }

  onRstStream(id: number, code: number): void {
    this.seen(id).reset = errorName(code);
  }

  onSetting(): void {}

  onSettingsEnd(): void {
    this.writer.settingsAck();
    this.flush();
  }

  onSettingsAck(): void {
    this.settingsAcks++;
  }

  onPing(payload: Buffer): void {
    this.writer.ping(payload, 'ack');
    this.flush();
  }

  onPingAck(): void {
    this.pings++;
  }

  onGoAway(lastStream: number, code: number): void {
    this.goAway = errorName(code);
    this.lastStream = lastStream;
  }

  onWindowUpdate(): void {}
  onIgnored(): void {}
  onPreface(): void {}

  onStreamError(id: number, _: number, reason: string): void {
    throw new Error(`stream ${id}: ${reason}`);
  }

  onConnectionError(_: number, reason: string): void {
    throw new Error(reason);
  }
}

/** The fields of a GET. */
export const get = (path = '/', ...more: (readonly [string, string])[]): (readonly [string, string])[] => [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'shop.test'],
  [':path', path],
  ...more,
];

/** The fields of a POST. */
export const post = (path = '/', ...more: (readonly [string, string])[]): (readonly [string, string])[] => [
  [':method', 'POST'],
  ...get(path, ...more).slice(1),
];
