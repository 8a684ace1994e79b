// An HTTP/2 origin without TLS that sends exactly the frames it is told to, and records what it receives.
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { FrameReader } from '../../../core/http/h2/frame-reader.ts';
import type { FrameReceiver } from '../../../core/http/h2/frame-receiver.ts';
import { FrameWriter } from '../../../core/http/h2/frame-writer.ts';
import { errorName } from '../../../core/http/h2/frames.ts';
import { HpackDecoder } from '../../../core/http/h2/hpack-decoder.ts';
import { HpackEncoder } from '../../../core/http/h2/hpack-encoder.ts';

type Fields = readonly (readonly [name: string, value: string])[];

/** An origin's reaction to the head of a request. */
export type RawAnswer = (connection: RawH2Connection, stream: number, path: string) => void;

/** How an origin behaves. */
export interface RawScript {
  readonly settings?: readonly (readonly [number, number])[];
  readonly answer?: RawAnswer;
  /** Sends nothing on its own: no SETTINGS, no acknowledgements. */
  readonly isMute?: boolean;
  /** Called when a connection is open and SETTINGS have been sent. */
  readonly onOpen?: (connection: RawH2Connection) => void;
  readonly onPing?: (connection: RawH2Connection) => void;
}

/** One connection from the proxy. */
export class RawH2Connection implements FrameReceiver {
  readonly writer = new FrameWriter();
  readonly socket: Socket;
  /** Streams that were reset, with the names of the errors. */
  readonly resets = new Map<number, string>();
  /** Bytes of the body of each stream. */
  readonly bodies = new Map<number, number>();
  /** Streams that have ended. */
  readonly ended = new Set<number>();
  goAway: string | undefined;
  closed = false;
  private readonly script: RawScript;
  private readonly reader = new FrameReader(this, 'server');
  private readonly decoder = new HpackDecoder();
  private readonly encoder = new HpackEncoder();
  private data = { id: 0, ends: false };

  constructor(socket: Socket, script: RawScript) {
    this.socket = socket;
    this.script = script;
    socket.on('data', bytes => {
      if (typeof bytes !== 'string') this.reader.read(bytes, 0, bytes.length);
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
    });
    if (script.isMute === true) return;
    this.writer.settings(script.settings ?? []);
    this.flush();
    script.onOpen?.(this);
  }

  /** Sends the frames that were written. */
  flush(): void {
    const batch = this.writer.take();
    for (const bytes of Array.isArray(batch) ? batch : [batch]) {
      if (!this.socket.destroyed) this.socket.write(Buffer.from(bytes));
    }
  }

  block(fields: Fields): Buffer {
    this.encoder.begin();
    for (const [name, value] of fields) this.encoder.field(name, value);
    return Buffer.from(this.encoder.end());
  }

  head(id: number, fields: Fields, ending: 'end' | 'open' = 'open'): void {
    this.writer.headers(id, this.block(fields), ending);
    this.flush();
  }

  body(id: number, text: string, ending: 'end' | 'open' = 'end'): void {
    const bytes = Buffer.from(text, 'latin1');
    this.writer.data(id, bytes, 0, bytes.length, ending);
    this.flush();
  }

  /** Sends a plain response. */
  ok(id: number, text = 'hello'): void {
    this.head(id, [[':status', '200']]);
    this.body(id, text);
  }

  onHeaders(id: number, block: Buffer, start: number, end: number, ends: boolean): void {
    let path: string | undefined;
    this.decoder.decode(block, start, end, {
      onField(name, value) {
        if (name === ':path') path = value;
      },
    });
    if (ends) this.ended.add(id);
    if (path !== undefined) this.script.answer?.(this, id, path);
  }

  onDataStart(id: number, _: number, ends: boolean): void {
    this.data = { id, ends };
  }

  onData(_: Buffer, start: number, end: number): void {
    this.bodies.set(this.data.id, (this.bodies.get(this.data.id) ?? 0) + end - start);
  }

  onDataEnd(): void {
    if (this.data.ends) this.ended.add(this.data.id);
  }

  onRstStream(id: number, code: number): void {
    this.resets.set(id, errorName(code));
  }

  onSettingsEnd(): void {
    if (this.script.isMute === true) return;
    this.writer.settingsAck();
    this.flush();
  }

  onPing(payload: Buffer): void {
    if (this.script.onPing !== undefined) {
      this.script.onPing(this);
      return;
    }
    this.writer.ping(payload, 'ack');
    this.flush();
  }

  onGoAway(_: number, code: number): void {
    this.goAway = errorName(code);
  }

  onSetting(): void {}
  onSettingsAck(): void {}
  onPingAck(): void {}
  onWindowUpdate(): void {}
  onIgnored(): void {}
  onPreface(): void {}
  onStreamError(): void {}
  onConnectionError(): void {}
}

/** One running origin. */
export class RawH2Origin {
  readonly connections: RawH2Connection[] = [];
  private readonly server: Server;

  private constructor(server: Server, script: RawScript) {
    this.server = server;
    server.on('connection', socket => {
      socket.setNoDelay(true);
      this.connections.push(new RawH2Connection(socket, script));
    });
  }

  /** Starts one on a free port of 127.0.0.1. */
  static async start(script: RawScript): Promise<RawH2Origin> {
    const server = createServer();
    const origin = new RawH2Origin(server, script);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return origin;
  }

  get url(): string {
    const address = this.server.address();
    return `h2c://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  }

  async close(): Promise<void> {
    for (const { socket } of this.connections) socket.destroy();
    this.server.close();
    if (this.server.listening) await once(this.server, 'close');
  }
}
