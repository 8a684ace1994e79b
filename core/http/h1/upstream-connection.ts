// UpstreamConnection: one HTTP/1.1 connection to an upstream, plain or TLS; one request at a time.
import { connect, type Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { WeldrError } from '../../errors.ts';
import type { Upstream, UpstreamTls } from '../../pool/pool.ts';
import type { HeaderList } from '../../request/headers.ts';
import { copyBufferSize } from '../exchange/copy-buffers.ts';
import type { Waiting } from '../exchange/deadlines.ts';
import type { UpstreamConnections } from '../upstream/upstream-connections.ts';
import { ChunkedReader, type ChunkedSink } from './chunked-reader.ts';
import { chunked, untilClose } from './message-framing.ts';
import { needMore, refused } from './request-head.ts';
import type { ResponseHead } from './response-head.ts';

/** Who sent the request and gets its response. Ranges of bytes are valid during the call only. */
export interface Attempt {
  readonly method: string;
  /** The connection stands: a body may follow. Not called for a reused one. */
  onConnected(): void;
  /** A 1xx head other than 101. */
  onInterim(head: ResponseHead): void;
  /** The final head; answers how a chunked body is to be handed on. May call {@link UpstreamConnection.hold}. */
  onHead(head: ResponseHead): 'keep' | 'strip';
  onBody(buffer: Buffer, start: number, end: number): void;
  /** A size line of a chunked body that is written in place of the original. */
  onBodyLine(line: string): void;
  /** The response is complete. `trailers`: of a chunked body whose end is to be written with them. */
  onBodyEnd(trailers: HeaderList | undefined): void;
  /** All that one read brought was handed on. */
  onReadEnd(): void;
  /** 101 to a request that asked for it: the socket is the taker's from now on. */
  onUpgraded(head: ResponseHead, socket: Socket, rest: Buffer): void;
  /** What was written has left; more may follow. */
  onDrain(): void;
  /** It has failed, for good. */
  onAttemptError(error: WeldrError): void;
}

const connecting = 0;
const idle = 1;
const awaitingHead = 2;
const inBody = 3;
const inChunked = 4;
const untilEnd = 5;
const closed = 6;

/** Interim responses before the final one: more are an attack or a defect. */
const maxInterim = 32;

// Where all plain upstream connections of the process read into: what is kept of it is copied.
const readBuffer = Buffer.allocUnsafeSlow(copyBufferSize);
const noBytes = Buffer.alloc(0);

/** One connection; made, kept and forgotten by {@link UpstreamConnections}. */
export class UpstreamConnection implements Waiting, ChunkedSink {
  deadline = 0;
  deadlineSlot = -1;
  readonly upstream: Upstream;
  /** Requests that were sent on it, this one included. */
  uses = 0;
  /** When it was made, `Deadlines.now`. */
  readonly openedAt: number;
  /** When it must not be used any more, `Deadlines.now`; kept while idle. */
  idleUntil = 0;
  private readonly home: UpstreamConnections;
  private readonly socket: Socket;
  private reader: ChunkedReader | undefined = undefined;
  private state = connecting;
  private attempt: Attempt | undefined = undefined;
  /** Bytes that came and could not be handed on yet. */
  private held: Buffer = noBytes;
  private holding = false;
  /** The response ended while it was held. */
  private completeOnRelease = false;
  private ended = false;
  private remaining = 0;
  private trailers: HeaderList | undefined = undefined;
  private interims = 0;
  private headSeen = false;
  private keepAlive = false;
  private keepAliveTimeout: number | undefined = undefined;
  private requestSent = false;
  private upgrading = false;

  constructor(home: UpstreamConnections, upstream: Upstream, use: 'requests' | 'upgrade') {
    this.home = home;
    this.upstream = upstream;
    this.openedAt = home.deadlines.touch();
    this.deadline = home.deadlines.in(home.timeouts.connect);
    home.deadlines.add(this);
    this.socket = this.open(use);
    this.socket.on('drain', () => this.attempt?.onDrain());
    this.socket.on('end', () => this.onEnd());
    this.socket.on('error', error => this.onSocketError(error));
    this.socket.on('close', () => this.onSocketError(undefined));
  }

  /** Was it used before this request? */
  get reused(): boolean {
    return this.uses > 1;
  }

  get connected(): boolean {
    return this.state !== connecting;
  }

  /** Sends a request head, and what of the body is there already. One attempt at a time. */
  start(attempt: Attempt, head: string, use: 'requests' | 'upgrade'): void {
    this.attempt = attempt;
    this.uses++;
    this.interims = 0;
    this.headSeen = false;
    this.requestSent = false;
    this.upgrading = use === 'upgrade';
    if (this.state === idle) {
      this.state = awaitingHead;
      this.deadline = this.home.deadlines.in(this.home.timeouts.response);
    }
    this.socket.write(head, 'latin1');
  }

  /** Keeps what is written until {@link uncork}, so that it leaves together. */
  cork(): void {
    this.socket.cork();
  }

  uncork(): void {
    this.socket.uncork();
  }

  /** Sends a part of the request body; false: wait for `onDrain`. */
  write(bytes: Buffer | string): boolean {
    if (this.state === awaitingHead) this.deadline = this.home.deadlines.in(this.home.timeouts.response);
    return typeof bytes === 'string' ? this.socket.write(bytes, 'latin1') : this.socket.write(bytes);
  }

  /** All of the request body was written. */
  endRequest(): void {
    this.requestSent = true;
  }

  /** Stops reading until {@link release}: the client is slower, or a stage is still working. */
  hold(): void {
    if (this.holding || this.state === closed) return;
    this.holding = true;
    this.deadline = 0;
    this.socket.pause();
  }

  release(): void {
    if (!this.holding || this.state === closed) return;
    this.holding = false;
    if (this.completeOnRelease) {
      this.completeOnRelease = false;
      if (this.held.length > 0) this.keepAlive = false;
      this.socket.resume();
      this.complete();
      return;
    }
    this.deadline = this.home.deadlines.in(this.home.timeouts.body);
    const bytes = this.held;
    this.held = noBytes;
    if (bytes.length > 0) this.onBytes(bytes, 0, bytes.length);
    if (this.holding || this.stopped()) return;
    if (this.ended) this.onEnd();
    else this.socket.resume();
  }

  /** Ends the connection without a word to its attempt. */
  destroy(): void {
    if (this.state === closed) return;
    this.state = closed;
    this.attempt = undefined;
    this.deadline = 0;
    this.home.deadlines.remove(this);
    this.home.forget(this);
    this.socket.destroy();
  }

  onDeadline(): void {
    const { timeouts } = this.home;
    if (this.state === connecting) {
      this.fail(
        new WeldrError(
          'CONNECT_TIMEOUT',
          `no connection to ${this.upstream.id} within ${timeouts.connect} ms`,
        ),
      );
    } else if (this.state === idle) {
      this.destroy();
    } else if (this.state === awaitingHead) {
      this.fail(
        new WeldrError(
          'RESPONSE_TIMEOUT',
          `no response of ${this.upstream.id} within ${timeouts.response} ms`,
        ),
      );
    } else {
      this.fail(
        new WeldrError('BODY_TIMEOUT', `the body of ${this.upstream.id} stalled for ${timeouts.body} ms`),
      );
    }
  }

  private open(use: 'requests' | 'upgrade'): Socket {
    const { endpoint, protocol, record } = this.upstream;
    if (protocol === 'https:' && endpoint.kind === 'tcp') {
      // Loaded at the first use: it costs more start-up time than the rest of the wire.
      const tls = process.getBuiltinModule('node:tls');
      const socket = tls.connect(tlsOptions(endpoint.hostname, endpoint.port, record.tls));
      socket.on('data', this.onChunk);
      return socket.once('secureConnect', () => this.onConnected());
    }
    const base =
      endpoint.kind === 'unix'
        ? { path: endpoint.path, allowHalfOpen: true }
        : { host: endpoint.hostname, port: endpoint.port, noDelay: true, allowHalfOpen: true };
    const onread = {
      buffer: readBuffer,
      callback: (length: number) => {
        this.onBytes(readBuffer, 0, length);
        return true;
      },
    };
    const socket = connect(use === 'requests' ? { ...base, onread } : base);
    if (use === 'upgrade') socket.on('data', this.onChunk);
    return socket.once('connect', () => this.onConnected());
  }

  private onConnected(): void {
    if (this.state !== connecting) return;
    this.state = awaitingHead;
    this.deadline = this.home.deadlines.in(this.home.timeouts.response);
    this.attempt?.onConnected();
  }

  private readonly onChunk = (chunk: string | Buffer): void => {
    if (typeof chunk !== 'string') this.onBytes(chunk, 0, chunk.length);
  };

  private onBytes(buffer: Buffer, start: number, end: number): void {
    if (this.state === closed) return;
    if (this.holding) {
      this.keep(buffer, start, end);
      return;
    }
    if (this.state === idle) {
      // Nobody asked: whatever it is, it must not become the answer to the next request.
      this.destroy();
      return;
    }
    // A head has one time for all of it, however it drips.
    if (this.state !== awaitingHead) this.deadline = this.home.deadlines.in(this.home.timeouts.body);
    this.consume(buffer, start, end);
    this.attempt?.onReadEnd();
  }

  private keep(buffer: Buffer, start: number, end: number): void {
    const copy = Buffer.from(buffer.subarray(start, end));
    this.held = this.held.length === 0 ? copy : Buffer.concat([this.held, copy]);
  }

  private consume(buffer: Buffer, start: number, end: number): void {
    let pos = start;
    while (pos < end && !this.stopped()) {
      if (this.holding) {
        this.keep(buffer, pos, end);
        return;
      }
      if (this.state === awaitingHead) pos = this.readHead(buffer, pos, end);
      else if (this.state === inBody) pos = this.readLength(buffer, pos, end);
      else if (this.state === inChunked && this.reader !== undefined) {
        pos = this.readChunked(this.reader, buffer, pos, end);
      } else if (this.state === untilEnd) {
        this.attempt?.onBody(buffer, pos, end);
        pos = end;
      } else {
        // Bytes after the response's end belong to nobody.
        this.destroy();
      }
    }
  }

  /** Closed meanwhile, by whoever was called? A method, as the compiler cannot see that calls change the state. */
  private stopped(): boolean {
    return this.state === closed;
  }

  private readHead(buffer: Buffer, start: number, end: number): number {
    const { responseHead: head } = this.home;
    // A head is rarely longer than this, and what follows it need not become a string.
    let stop = Math.min(end, start + 4096);
    const earlier = this.held;
    this.held = noBytes;
    let text = buffer.toString('latin1', start, stop);
    if (earlier.length > 0) text = earlier.toString('latin1') + text;
    const method = this.attempt?.method ?? 'GET';
    let used = head.read(text, method);
    if (used === needMore && stop < end) {
      stop = end;
      text = earlier.toString('latin1') + buffer.toString('latin1', start, stop);
      used = head.read(text, method);
    }
    if (used === refused) {
      this.fail(new WeldrError('BAD_RESPONSE', `${this.upstream.id} sent ${head.detail}`));
      return end;
    }
    if (used === needMore) {
      this.held = Buffer.from(text, 'latin1');
      return end;
    }
    this.headSeen = true;
    const next = start + used - earlier.length;
    if (head.status === 101) this.onSwitch(head, buffer.subarray(next, end));
    else this.onResponseHead(head, next < end);
    return next;
  }

  /** `more`: bytes came with the head. */
  private onResponseHead(head: ResponseHead, more: boolean): void {
    const { attempt } = this;
    if (attempt === undefined) return;
    if (head.status < 200) {
      if (++this.interims > maxInterim) {
        this.fail(
          new WeldrError('BAD_RESPONSE', `${this.upstream.id} sent over ${maxInterim} interim responses`),
        );
      } else {
        attempt.onInterim(head);
      }
    } else {
      this.remaining = head.length;
      // A refused upgrade leaves it open what the upstream makes of later bytes: the connection ends with it.
      this.keepAlive = head.keepAlive && !this.upgrading;
      this.keepAliveTimeout = head.keepAliveTimeout;
      this.deadline = this.home.deadlines.in(this.home.timeouts.body);
      this.state = head.length === chunked ? inChunked : head.length === untilClose ? untilEnd : inBody;
      const framing = attempt.onHead(head);
      if (this.stopped()) return;
      if (head.length === chunked) this.beginChunked(framing);
      else if (head.length === 0) {
        if (more) this.keepAlive = false;
        if (this.holding) this.completeOnRelease = true;
        else this.complete();
      }
    }
  }

  private onSwitch(head: ResponseHead, rest: Buffer): void {
    const { attempt, socket } = this;
    if (!this.upgrading || head.upgrade === undefined || attempt === undefined) {
      this.fail(new WeldrError('BAD_RESPONSE', `${this.upstream.id} switched protocols without being asked`));
      return;
    }
    const bytes = Buffer.from(rest);
    this.state = closed;
    this.attempt = undefined;
    this.home.deadlines.remove(this);
    this.home.forget(this);
    attempt.onUpgraded(head, socket, bytes);
  }

  private readLength(buffer: Buffer, pos: number, end: number): number {
    const take = Math.min(this.remaining, end - pos);
    this.remaining -= take;
    this.attempt?.onBody(buffer, pos, pos + take);
    if (this.remaining > 0 || this.stopped()) return pos + take;
    if (pos + take < end) this.keepAlive = false;
    this.complete();
    return end;
  }

  private readChunked(reader: ChunkedReader, buffer: Buffer, pos: number, end: number): number {
    const next = reader.read(buffer, pos, end);
    if (this.stopped()) return end;
    if (next < 0) {
      this.fail(
        new WeldrError('BODY_CUT', `the body of ${this.upstream.id} is malformed: ${reader.problem}`),
      );
      return end;
    }
    if (!reader.complete) return next;
    if (next < end) this.keepAlive = false;
    this.complete();
    return end;
  }

  onChunkedBytes(buffer: Buffer, start: number, end: number): void {
    this.attempt?.onBody(buffer, start, end);
  }

  onChunkedLine(line: string): void {
    this.attempt?.onBodyLine(line);
  }

  onChunkedEnd(trailers: HeaderList | undefined): void {
    this.trailers = trailers;
  }

  private beginChunked(framing: 'keep' | 'strip'): void {
    this.reader ??= new ChunkedReader(this);
    this.reader.begin(framing, this.home.responseHead.fields.hopNames);
  }

  /**
   * The response is whole. Bytes behind it belong to nobody: whoever calls this has seen to it that a connection that
   * brought some is not used again, and reads no further, as the next request may already be on it. The
   * connection is kept for others where that is safe, then the attempt is told.
   */
  private complete(): void {
    const { attempt, trailers } = this;
    this.trailers = undefined;
    this.attempt = undefined;
    const reusable = this.keepAlive && this.requestSent && !this.ended && !this.holding;
    if (reusable) {
      this.state = idle;
      this.deadline = 0;
      this.home.putBack(this, this.keepAliveTimeout);
    } else {
      this.destroy();
    }
    attempt?.onBodyEnd(trailers);
    attempt?.onReadEnd();
  }

  private onEnd(): void {
    this.ended = true;
    if (this.state === closed || this.holding) return;
    if (this.state === untilEnd) this.complete();
    else if (this.state === idle) this.destroy();
    else this.onSocketError(undefined);
  }

  private onSocketError(error: Error | undefined): void {
    if (this.state === closed) return;
    if (this.holding && error === undefined) this.ended = true;
    else if (this.state === idle) this.destroy();
    else this.fail(this.explain(error));
  }

  private explain(error: Error | undefined): WeldrError {
    const { id } = this.upstream;
    const cause = { cause: error };
    const code = error !== undefined && 'code' in error ? String(error.code) : '';
    if (code === 'EMFILE' || code === 'ENFILE') {
      return new WeldrError(
        'OVERLOADED',
        'no file descriptor is left for upstream connections; raise the limit',
        cause,
      );
    }
    if (this.state === connecting) {
      const tls =
        this.upstream.protocol === 'https:' &&
        !/^(ECONNREFUSED|ENOTFOUND|EAI_|EHOST|ENET|ETIMEDOUT)/.test(code);
      return new WeldrError(tls ? 'TLS_FAILED' : 'CONNECT_FAILED', `cannot connect to ${id}`, cause);
    }
    if (this.state === awaitingHead) {
      if (this.held.length > 0 || this.headSeen)
        return new WeldrError('BAD_RESPONSE', `${id} closed within a response head`, cause);
      return this.reused
        ? new WeldrError('STALE_CONNECTION', `${id} closed a connection that was reused`, cause)
        : new WeldrError('UPSTREAM_RESET', `${id} closed the connection without a response`, cause);
    }
    return new WeldrError('BODY_CUT', `${id} closed within a response body`, cause);
  }

  private fail(error: WeldrError): void {
    const { attempt } = this;
    this.destroy();
    attempt?.onAttemptError(error);
  }
}

function tlsOptions(hostname: string, port: number, given: UpstreamTls | undefined): ConnectionOptions {
  const { ca, cert, key, servername, verify } = given ?? {};
  const isAddress = /^[\d.]+$|:/.test(hostname);
  return {
    host: hostname,
    port,
    ALPNProtocols: ['http/1.1'],
    rejectUnauthorized: verify ?? true,
    ...(isAddress && servername === undefined ? {} : { servername: servername ?? hostname }),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}
