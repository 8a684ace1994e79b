// AdminConnection: one caller's connection as the HTTP server sees it: no request before the previous one is answered.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { Due, TurnQueue } from './turn-queue.ts';

/** Bytes handed to the HTTP server at once, so that they contain few requests. Within a body it may be more. */
const headSlice = 128;
const bodySlice = 1024;
/** A caller that reads nothing of a response for this long is disconnected, ms. */
const stalledAfter = 10_000;

const noBytes = Buffer.alloc(0);

interface Turn {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly serve: () => void;
}

/**
 * A stream between the caller's socket and Node's HTTP server. That server turns everything it reads into requests, even if
 * earlier responses have not left yet: callers that send and never read would use up all memory. So it gets little at a time,
 * and nothing while a response is owed.
 */
export class AdminConnection extends Duplex {
  /** Whether Weldr is working for the caller, rather than waiting for it. */
  working = false;
  readonly remoteAddress: string | undefined;
  /** The subject of the certificate by which the caller is known. */
  readonly certificate: string | undefined;
  private readonly socket: Socket;
  private readonly turns: TurnQueue;
  private due: Due = 'new';
  /** The reason of a queued step. */
  private stepDue: Due | undefined = undefined;
  /** Whether bytes have been handed on that have not become a request yet. */
  private begun = false;
  /** Bytes of the last response. */
  private lastBytes = 0;
  private unread: Buffer = noBytes;
  private wanted = false;
  private streaming = false;
  private ended = false;
  private current: Turn | undefined = undefined;
  private readonly waiting: Turn[] = [];

  constructor(socket: Socket, turns: TurnQueue, certificate?: string) {
    // A mark of 1: no slice is requested while one is buffered.
    super({ readableHighWaterMark: 1, allowHalfOpen: true });
    this.socket = socket;
    this.remoteAddress = socket.remoteAddress;
    this.certificate = certificate;
    this.turns = turns;
    socket.on('data', bytes => {
      this.unread = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
      socket.pause();
      this.feed();
    });
    socket.on('end', () => {
      this.ended = true;
      if (this.streaming) this.destroy();
      else this.feed();
    });
    socket.on('timeout', () => this.emit('timeout'));
    socket.on('error', error => this.destroy(error));
    socket.on('close', () => this.destroy());
  }

  /**
   * What it is waiting for. `caller`: the rest of a request, a first request, or the end of the pause after a request that was sent
   * too early. `nothing`: it was answered and is idle. `turn`: Weldr.
   */
  get awaits(): 'caller' | 'nothing' | 'turn' {
    if (this.current?.request.complete === false) return 'caller';
    if (this.stepDue !== undefined && this.stepDue !== 'ahead') return 'turn';
    const idle = this.due !== 'new' && this.current === undefined && !this.begun && this.unread.length === 0;
    return idle ? 'nothing' : 'caller';
  }

  /** Like that of a socket: the HTTP server uses it to close idle connections. */
  setTimeout(ms: number): this {
    this.socket.setTimeout(ms);
    return this;
  }

  /** Calls `serve` when this request's turn comes. */
  queue(request: IncomingMessage, response: ServerResponse, serve: () => void): void {
    this.begun = false;
    const turn = { request, response, serve };
    if (this.current === undefined && this.waiting.length === 0) this.begin(turn);
    else this.waiting.push(turn);
  }

  /** Notes that the response was handed over: from now on the caller has to read it. */
  answered(bytes: number): void {
    this.lastBytes = bytes;
    this.socket.setTimeout(stalledAfter);
  }

  /**
   * Notes that the response continues until the caller leaves, which shows only when its socket is read; what it sends
   * meanwhile waits, as far as it fits into one read. A caller that closes its sending side has left.
   */
  streams(): void {
    this.working = true;
    this.streaming = true;
    if (this.ended) this.destroy();
    else if (this.unread.length === 0) this.socket.resume();
  }

  private begin(turn: Turn): void {
    this.current = turn;
    // Nothing is expected from the caller before there is a response.
    this.socket.setTimeout(0);
    turn.response.once('close', () => this.next());
    turn.serve();
  }

  private next(): void {
    this.due = this.unread.length > 0 || this.waiting.length > 0 ? 'ahead' : 'later';
    this.current = undefined;
    if (this.streaming) {
      this.streaming = false;
      this.working = false;
    }
    if (this.waiting.length === 0) this.feed();
    else this.inTurn(() => this.beginNext());
  }

  private beginNext(): void {
    const turn = this.waiting.shift();
    if (turn !== undefined) this.begin(turn);
  }

  private inTurn(step: () => void): void {
    const due = this.current === undefined ? this.due : 'later';
    // What this step begins was not sent too early.
    if (due === 'ahead') this.due = 'later';
    this.stepDue = due;
    const run = (): void => {
      this.stepDue = undefined;
      step();
    };
    this.turns.add(this, run, due, this.lastBytes);
  }

  /** Whether the next bytes would belong to a request whose turn has not come. */
  private get owesAnswer(): boolean {
    return this.waiting.length > 0 || this.current?.request.complete === true;
  }

  private feed(): void {
    if (!this.wanted || this.owesAnswer) return;
    if (this.unread.length > 0) {
      this.wanted = false;
      this.inTurn(() => {
        const size = this.current === undefined ? headSlice : bodySlice;
        const bytes = this.unread.subarray(0, size);
        this.unread = this.unread.subarray(size);
        this.begun = true;
        this.push(bytes);
      });
    } else if (this.ended) {
      this.wanted = false;
      this.push(null);
    } else {
      this.socket.resume();
    }
  }

  override _read(): void {
    this.wanted = true;
    this.feed();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.socket.write(chunk, done);
  }

  override _writev(
    chunks: readonly { readonly chunk: Buffer }[],
    done: (error?: Error | null) => void,
  ): void {
    this.socket.cork();
    for (const [at, { chunk }] of chunks.entries()) {
      if (at === chunks.length - 1) this.socket.write(chunk, done);
      else this.socket.write(chunk);
    }
    this.socket.uncork();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.socket.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.waiting.length = 0;
    this.socket.destroy();
    done(error);
  }
}
