// H1ResponseReader: reads the responses on an HTTP/1.1 connection to an upstream, one after another.
import { WeldrError } from '../../errors.ts';
import type { HeaderList } from '../../request/headers.ts';
import type { BodyForm, ResponseReceiver } from '../exchange/streams.ts';
import type { ConnectionHome } from '../upstream/upstream-connection.ts';
import { ChunkedReader, type ChunkedSink } from './chunked-reader.ts';
import { worthReading } from './empty-line.ts';
import { chunked, untilClose } from './message-framing.ts';
import { needMore, refused } from './request-head.ts';
import type { ResponseHead } from './response-head.ts';

// What a connection to an upstream is doing.
export const connecting = 0;
export const idle = 1;
export const awaitingHead = 2;
export const inBody = 3;
export const inChunked = 4;
export const untilEnd = 5;
export const closed = 6;

export const noBytes: Buffer = Buffer.alloc(0);

/** The reading side of a connection. The subclass adds writing, deadlines and the end. */
export abstract class H1ResponseReader implements ChunkedSink {
  protected readonly home: ConnectionHome;
  protected state = connecting;
  protected receiver: ResponseReceiver | undefined = undefined;
  /** Bytes that arrived and cannot be handed on yet. */
  protected held: Buffer = noBytes;
  protected holding = false;
  /** Whether the response ended while it was held. */
  protected completeOnRelease = false;
  /** Bytes of the body that are still to come. */
  protected remaining = 0;
  protected trailers: HeaderList | undefined = undefined;
  /** The method of the request, which decides whether its response has a body. */
  protected method = 'GET';
  protected upgrading = false;
  protected interims = 0;
  protected headSeen = false;
  protected keepAlive = false;
  protected keepAliveTimeout: number | undefined = undefined;
  private readonly responseHead: ResponseHead;
  /** Created for the first chunked body. */
  private reader: ChunkedReader | undefined = undefined;
  /** How long a head was when it was last found incomplete. */
  private seen = 0;

  constructor(home: ConnectionHome, responseHead: ResponseHead) {
    this.home = home;
    this.responseHead = responseHead;
  }

  /** Starts the deadline for the upstream's next step. */
  protected abstract startTime(): void;

  /** An interim response has arrived: the upstream is working. */
  protected abstract onInterim(status: number): void;

  /** The response is complete. */
  protected abstract complete(): void;

  /** A 101 has arrived; `rest`: the bytes after it. */
  protected abstract onSwitch(head: ResponseHead, rest: Buffer): void;

  protected abstract fail(error: WeldrError): void;

  abstract destroy(): void;

  protected keep(buffer: Buffer, start: number, end: number): void {
    const copy = Buffer.from(buffer.subarray(start, end));
    this.held = this.held.length === 0 ? copy : Buffer.concat([this.held, copy]);
  }

  protected consume(buffer: Buffer, start: number, end: number): void {
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
        this.receiver?.onBody(buffer, pos, end);
        pos = end;
      } else {
        // Bytes after the response's end belong to no request.
        this.destroy();
      }
    }
  }

  /** Returns whether a call has closed it. A method, because the compiler assumes that calls do not change the state. */
  protected stopped(): boolean {
    return this.state === closed;
  }

  private readHead(buffer: Buffer, start: number, end: number): number {
    const { responseHead: head } = this;
    // Heads are rarely longer than this, and what follows should not become a string.
    let stop = Math.min(end, start + 4096);
    const earlier = this.held;
    if (earlier.length > 0) {
      this.keep(buffer, start, end);
      if (!worthReading(this.held, this.seen)) return end;
    }
    this.held = noBytes;
    let text = buffer.toString('latin1', start, stop);
    if (earlier.length > 0) text = earlier.toString('latin1') + text;
    let used = head.read(text, this.method);
    if (used === needMore && stop < end) {
      stop = end;
      text = earlier.toString('latin1') + buffer.toString('latin1', start, stop);
      used = head.read(text, this.method);
    }
    if (used === refused) {
      this.fail(new WeldrError('BAD_RESPONSE', `${this.home.upstream.id} sent ${head.detail}`));
      return end;
    }
    if (used === needMore) {
      this.held = Buffer.from(text, 'latin1');
      this.seen = text.length;
      return end;
    }
    this.headSeen = true;
    const next = start + used - earlier.length;
    if (head.status === 101) this.onSwitch(head, buffer.subarray(next, end));
    else this.onResponseHead(head, next < end);
    return next;
  }

  /** `more`: whether bytes arrived after the head. */
  private onResponseHead(head: ResponseHead, more: boolean): void {
    const { receiver } = this;
    if (receiver === undefined) return;
    if (head.status < 200) {
      const most = this.home.limits.interimResponses;
      if (++this.interims > most) {
        const remedy = 'raise limits.interimResponses if it means to';
        this.fail(
          new WeldrError(
            'BAD_RESPONSE',
            `${this.home.upstream.id} sent over ${most} interim responses: ${remedy}`,
          ),
        );
      } else {
        this.onInterim(head.status);
        receiver.onInterim(head);
      }
    } else {
      this.remaining = head.length;
      // After a refused upgrade it is unclear how the upstream reads later bytes, so the connection must end.
      this.keepAlive = head.keepAlive && !this.upgrading;
      this.keepAliveTimeout = head.keepAliveTimeout;
      this.state = head.length === chunked ? inChunked : head.length === untilClose ? untilEnd : inBody;
      this.startTime();
      const form = receiver.onHead(head);
      if (this.stopped()) return;
      if (head.length === chunked) this.beginChunked(form);
      else if (head.length === 0) {
        if (more) this.keepAlive = false;
        if (this.holding) this.completeOnRelease = true;
        else this.complete();
      }
    }
  }

  private readLength(buffer: Buffer, pos: number, end: number): number {
    const take = Math.min(this.remaining, end - pos);
    this.remaining -= take;
    this.receiver?.onBody(buffer, pos, pos + take);
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
        new WeldrError('BODY_CUT', `the body from ${this.home.upstream.id} is malformed: ${reader.problem}`),
      );
      return end;
    }
    if (!reader.complete) return next;
    if (next < end) this.keepAlive = false;
    this.complete();
    return end;
  }

  onChunkedBytes(buffer: Buffer, start: number, end: number): void {
    this.receiver?.onBody(buffer, start, end);
  }

  onChunkedLine(line: string): void {
    this.receiver?.onBodyLine(line);
  }

  onChunkedEnd(trailers: HeaderList | undefined): void {
    this.trailers = trailers;
  }

  private beginChunked(form: BodyForm): void {
    this.reader ??= new ChunkedReader(this);
    this.reader.begin(form === 'chunks' ? 'keep' : 'strip', this.responseHead.fields.hopNames);
  }
}
