// An origin on plain TCP: keeps every byte it receives, and sends exactly the bytes of its script.
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { type Message, MessageError, readRequest, valuesOf } from './strict-message.ts';

/** A request as it arrived. */
export interface SeenRequest extends Message {
  readonly method: string;
  readonly target: string;
  readonly connection: OriginConnection;
}

/** One connection from the proxy. */
export class OriginConnection {
  readonly socket: Socket;
  /** Its index, from 0. */
  readonly number: number;
  /** All bytes received, latin1. */
  raw = '';
  /** Whether the proxy has ended or reset it. */
  gone = false;
  /** Whether it was reset. */
  reset = false;
  /** Bytes of {@link raw} that belong to complete requests. */
  used = 0;
  /** The length of {@link raw} when the current request is complete, as far as it is known. */
  wanted = 0;

  constructor(socket: Socket, number: number) {
    this.socket = socket;
    this.number = number;
  }

  send(bytes: string | Uint8Array): void {
    if (this.socket.destroyed) return;
    if (typeof bytes === 'string') this.socket.write(bytes, 'latin1');
    else this.socket.write(bytes);
  }

  /** Ends the sending side, after `bytes`. */
  end(bytes: string | Uint8Array = ''): void {
    this.send(bytes);
    this.socket.end();
  }

  /** Ends the connection with a RST. */
  cut(): void {
    this.socket.resetAndDestroy();
  }
}

/** Responds to a complete request: returns the bytes to send, or nothing if it sends them itself. */
export type Answer = (request: SeenRequest) => string | Uint8Array | undefined;

/** How an origin's behaviour differs from the default, an echo. */
export interface Script {
  readonly answer?: Answer;
  /** Called for each new connection. */
  readonly onConnection?: (connection: OriginConnection) => void;
  /** Called for all bytes as they arrive, before they are parsed as requests. */
  readonly onBytes?: (connection: OriginConnection, bytes: Buffer) => void;
  readonly tls?: TlsOptions;
}

/** A running origin. */
export class ScriptedOrigin {
  answer: Answer;
  readonly port: number;
  readonly connections: OriginConnection[] = [];
  readonly requests: SeenRequest[] = [];
  /** Input that was not a well-formed request. */
  readonly problems: string[] = [];
  private readonly server: Server;
  private readonly script: Script;

  private constructor(server: Server, port: number, script: Script) {
    this.server = server;
    this.port = port;
    this.script = script;
    this.answer = script.answer ?? echo;
  }

  static async start(script: Script = {}): Promise<ScriptedOrigin> {
    const accept = (socket: Socket): void => origin.accept(socket);
    const server =
      script.tls === undefined
        ? createServer({ allowHalfOpen: true, noDelay: true }, accept)
        : createTlsServer(script.tls, accept);
    server.on('tlsClientError', () => {});
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const origin = new ScriptedOrigin(server, address.port, script);
    return origin;
  }

  get url(): string {
    return `${this.script.tls === undefined ? 'http' : 'https'}://127.0.0.1:${this.port}`;
  }

  /** Forgets what was received so far. Connections stay open. */
  forget(): void {
    this.requests.length = 0;
    this.problems.length = 0;
    for (const connection of this.connections) {
      connection.raw = '';
      connection.used = 0;
      connection.wanted = 0;
    }
  }

  /** All received bytes that belong to no complete request. */
  get unread(): string {
    return this.connections.map(connection => connection.raw.slice(connection.used)).join('');
  }

  async close(): Promise<void> {
    for (const { socket } of this.connections) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private accept(socket: Socket): void {
    const connection = new OriginConnection(socket, this.connections.length);
    this.connections.push(connection);
    socket.on('error', (error: NodeJS.ErrnoException) => {
      connection.gone = true;
      if (error.code === 'ECONNRESET') connection.reset = true;
    });
    socket.on('end', () => {
      connection.gone = true;
      // A proxy that ends a connection expects nothing more from it.
      if (this.script.onBytes === undefined) socket.end();
    });
    socket.on('close', () => {
      connection.gone = true;
    });
    socket.on('data', bytes => {
      connection.raw += bytes.toString('latin1');
      if (typeof bytes !== 'string') this.script.onBytes?.(connection, bytes);
      this.read(connection);
    });
    this.script.onConnection?.(connection);
  }

  private read(connection: OriginConnection): void {
    try {
      for (;;) {
        if (connection.raw.length < connection.wanted) return;
        const rest = connection.raw.slice(connection.used);
        const message = rest === '' ? undefined : readRequest(rest);
        if (message === undefined) return;
        if (!message.complete) {
          const length = Number(valuesOf(message, 'content-length')[0] ?? 0);
          connection.wanted = connection.used + message.raw.length - message.body.length + length;
          return;
        }
        connection.used += message.raw.length;
        const [method = '', target = ''] = message.line.split(' ');
        const request = { ...message, method, target, connection };
        this.requests.push(request);
        const bytes = this.answer(request);
        if (bytes !== undefined) connection.send(bytes);
      }
    } catch (thrown) {
      if (!(thrown instanceof MessageError)) throw thrown;
      this.problems.push(thrown.message);
      connection.cut();
    }
  }
}

/** A response with a length. `fields`: lines without their CRLF. */
export function ok(body: string, ...fields: string[]): string {
  return ['HTTP/1.1 200 OK', `Content-Length: ${body.length}`, ...fields, '', body].join('\r\n');
}

/** The body of an echo: the request's line and body, so a swapped response is detected. */
export function echoed(line: string, body = ''): string {
  return `[${line}|${body}]`;
}

/** A response that names its request. */
export function echo(request: SeenRequest): string {
  const text = echoed(request.line, request.body);
  const head = `HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: ${text.length}\r\n\r\n`;
  return request.method === 'HEAD' ? head : head + text;
}
