// A client that sends exactly the bytes it is told to, and keeps exactly the bytes it receives.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Message, readResponse, statusOf } from './strict-message.ts';

/** How long tests wait for anything, ms. */
const patience = 10_000;

/** One connection to a proxy under test. */
export class RawClient {
  readonly socket: Socket;
  /** Whether the proxy has ended its side. */
  ended = false;
  /** Why the connection broke, such as ECONNRESET; '' if it did not. */
  failure = '';
  private readonly chunks: Buffer[] = [];
  private readonly waiting = new Set<() => void>();

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', chunk => {
      if (typeof chunk !== 'string') this.chunks.push(chunk);
      this.wake();
    });
    socket.on('end', () => {
      this.ended = true;
      this.wake();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.failure = error.code ?? error.message;
    });
    socket.on('close', () => {
      this.ended = true;
      this.wake();
    });
  }

  /** Connects to a port of 127.0.0.1, or of another local address. */
  static async open(port: number, host = '127.0.0.1', localAddress?: string): Promise<RawClient> {
    const options = { port, host, allowHalfOpen: true, noDelay: true };
    const socket = connect(localAddress === undefined ? options : { ...options, localAddress });
    await once(socket, 'connect');
    return new RawClient(socket);
  }

  /** Everything received so far, latin1. */
  get text(): string {
    const all = this.chunks.length === 1 ? this.chunks[0] : Buffer.concat(this.chunks);
    if (this.chunks.length > 1 && all !== undefined) this.chunks.splice(0, this.chunks.length, all);
    return all?.toString('latin1') ?? '';
  }

  /** How many bytes have been received so far. */
  get size(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }

  /** Sends latin1 text or bytes in one write. */
  send(bytes: string | Uint8Array): void {
    if (typeof bytes === 'string') this.socket.write(bytes, 'latin1');
    else this.socket.write(bytes);
  }

  /** Sends pieces, each as a separate segment. */
  async sendPieces(pieces: readonly (string | Uint8Array)[], pauseMs = 2): Promise<void> {
    for (const piece of pieces) {
      if (this.socket.destroyed) return;
      this.send(piece);
      await sleep(pauseMs);
    }
  }

  /** Ends the sending side. */
  finish(): void {
    this.socket.end();
  }

  /** Ends the connection with a RST. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  close(): void {
    this.socket.destroy();
  }

  /** Waits until a condition holds. If it does not in time, rejects with its name and the bytes received. */
  async until(what: string, holds: () => boolean, limitMs = patience): Promise<void> {
    const deadline = performance.now() + limitMs;
    while (!holds()) {
      const left = deadline - performance.now();
      if (left <= 0)
        throw new Error(`waited in vain for ${what}; got ${JSON.stringify(this.text.slice(0, 2000))}`);
      await this.next(Math.min(left, 50));
    }
  }

  /** Waits for the end of the connection; resolves with everything received. */
  async untilEnd(limitMs = patience): Promise<string> {
    await this.until('the end of the connection', () => this.ended, limitMs);
    return this.text;
  }

  /** Waits for one complete final response to each of these methods, and resolves with them. Leaves out 1xx. */
  async responses(...methods: string[]): Promise<Message[]> {
    let found: Message[] = [];
    await this.until(`${methods.length} responses`, () => {
      found = this.parse(methods).final.filter(message => message.complete);
      return found.length >= methods.length || this.ended;
    });
    if (found.length < methods.length)
      throw new Error(`the connection ended after ${found.length} responses`);
    return found;
  }

  /** Resolves with the one complete response to `method` (default GET). */
  async response(method = 'GET'): Promise<Message> {
    const [message] = await this.responses(method);
    if (message === undefined) throw new Error('no response');
    return message;
  }

  /** Parses everything received as responses to these methods, in order. `rest`: bytes after the last of them. */
  parse(methods: readonly string[]): { final: Message[]; interim: Message[]; rest: string } {
    const final: Message[] = [];
    const interim: Message[] = [];
    let rest = this.text;
    while (final.length < methods.length && rest !== '') {
      const message = readResponse(rest, methods[final.length] ?? 'GET', this.ended);
      if (message === undefined) break;
      const isInterim = statusOf(message) < 200 && statusOf(message) !== 101;
      (isInterim ? interim : final).push(message);
      rest = rest.slice(message.raw.length);
    }
    return { final, interim, rest };
  }

  private next(ms: number): Promise<void> {
    return new Promise(resolve => {
      const done = (): void => {
        clearTimeout(timer);
        this.waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.waiting.add(done);
    });
  }

  private wake(): void {
    for (const done of [...this.waiting]) done();
  }
}
