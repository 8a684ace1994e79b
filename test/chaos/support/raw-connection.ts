// A client connection that trusts nothing: it parses responses itself and accounts for every byte.
import { connect, type Socket } from 'node:net';
import type { LoadConnection, LoadRequest } from './load.ts';

/** A response; `body` is without its framing. */
export interface RawResponse {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  /** Whether the server keeps the connection open. */
  readonly keepAlive: boolean;
}

/** The connection ended while a response was awaited. */
export class ConnectionLost extends Error {
  /** Bytes of the response that had arrived. */
  readonly received: number;

  constructor(why: string, received: number) {
    super(`${why} after ${received} bytes of the response`);
    this.received = received;
  }
}

interface Awaited {
  readonly method: string;
  resolve(response: RawResponse): void;
  reject(error: Error): void;
}

const headEnd = Buffer.from('\r\n\r\n');

/** One connection; one request at a time. */
export class RawConnection implements LoadConnection {
  /** Resolves when the socket is closed, for any reason. */
  readonly closed: Promise<void>;
  readonly socket: Socket;
  private received: Buffer = Buffer.alloc(0);
  private awaited: Awaited | undefined;
  private isOpen = true;

  constructor(port: number, host = '127.0.0.1') {
    this.socket = connect({ port, host, noDelay: true });
    this.closed = new Promise(resolve => this.socket.once('close', () => resolve()));
    this.socket.on('data', data => this.read(typeof data === 'string' ? Buffer.from(data) : data));
    this.socket.on('error', error => this.lose(error.message));
    this.socket.on('close', () => this.lose('closed'));
    this.socket.on('end', () => this.lose('ended'));
  }

  get open(): boolean {
    return this.isOpen;
  }

  /** Sends a whole request and resolves with its response. Rejects with ConnectionLost, or for a malformed response. */
  async request({ method, head, body }: LoadRequest): Promise<RawResponse> {
    if (!this.isOpen) throw new ConnectionLost('was closed before the request', 0);
    return await new Promise((resolve, reject) => {
      this.awaited = { method, resolve, reject };
      this.socket.write(body === undefined ? head : Buffer.concat([Buffer.from(head, 'latin1'), body]));
    });
  }

  destroy(): void {
    this.isOpen = false;
    this.socket.destroy();
  }

  private read(data: Buffer): void {
    this.received = this.received.length === 0 ? data : Buffer.concat([this.received, data]);
    if (this.awaited === undefined) {
      // Unrequested bytes: they would be taken for the next response.
      this.lose(`sent ${data.length} bytes without a request`);
      return;
    }
    try {
      const response = readResponse(this.received, this.awaited.method);
      if (response === undefined) return;
      const surplus = this.received.length - response.used;
      if (surplus > 0) throw new Error(`${surplus} bytes follow a response with status ${response.status}`);
      const { resolve } = this.awaited;
      this.awaited = undefined;
      this.received = Buffer.alloc(0);
      resolve(response);
    } catch (thrown) {
      this.fail(thrown instanceof Error ? thrown : new Error(String(thrown)));
    }
  }

  private lose(why: string): void {
    this.fail(new ConnectionLost(why, this.received.length));
  }

  private fail(error: Error): void {
    this.isOpen = false;
    const { awaited } = this;
    this.awaited = undefined;
    awaited?.reject(error);
    this.socket.destroy();
  }
}

/** Reads one final response from the beginning of `bytes`; undefined while it is incomplete. */
function readResponse(bytes: Buffer, method: string): (RawResponse & { used: number }) | undefined {
  const end = bytes.indexOf(headEnd);
  if (end < 0) return undefined;
  const [statusLine = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
  const match = /^HTTP\/1\.1 (\d{3}) /.exec(statusLine);
  if (match === null) throw new Error(`not a status line: ${JSON.stringify(statusLine.slice(0, 80))}`);
  const headers = new Map<string, string>();
  for (const text of lines) {
    const colon = text.indexOf(':');
    headers.set(text.slice(0, colon).toLowerCase(), text.slice(colon + 1).trim());
  }
  const start = end + 4;
  const body = readBody(bytes, start, headers, method);
  if (body === undefined) return undefined;
  const keepAlive = headers.get('connection') !== 'close';
  return { status: Number(match[1]), headers, body: body.bytes, used: body.end, keepAlive };
}

function readBody(
  bytes: Buffer,
  start: number,
  headers: ReadonlyMap<string, string>,
  method: string,
): { bytes: Buffer; end: number } | undefined {
  if (method === 'HEAD') return { bytes: bytes.subarray(start, start), end: start };
  if (headers.get('transfer-encoding') === 'chunked') return readChunks(bytes, start);
  const length = Number(headers.get('content-length') ?? Number.NaN);
  if (!Number.isInteger(length)) throw new Error('a response without a length');
  const end = start + length;
  return bytes.length < end ? undefined : { bytes: bytes.subarray(start, end), end };
}

function readChunks(bytes: Buffer, start: number): { bytes: Buffer; end: number } | undefined {
  const pieces: Buffer[] = [];
  for (let at = start; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16);
    if (!(size >= 0)) throw new Error('a malformed chunk size');
    const from = lineEnd + 2;
    if (bytes.length < from + size + 2) return undefined;
    if (bytes.toString('latin1', from + size, from + size + 2) !== '\r\n')
      throw new Error('a malformed chunk');
    if (size === 0) return { bytes: Buffer.concat(pieces), end: from + 2 };
    pieces.push(bytes.subarray(from, from + size));
    at = from + size + 2;
  }
}
