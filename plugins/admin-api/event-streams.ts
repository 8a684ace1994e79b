// EventStreams: continuous responses of the admin API, as Server-Sent Events; bounded in number and in buffered bytes.
import type { ServerResponse } from 'node:http';
import { WeldrError } from '../../core/errors.ts';
import type { AdminAnswer, EventStream, StreamMessage, StreamSender } from '../../core/plugin/admin.ts';
import type { CancelTimer, Clock } from '../../core/time/clock.ts';

/** The most streams: a dashboard has one for each open page. */
const maxStreams = 32;
/** A caller with more unread bytes is behind, and the sender waits for it. */
const behindFrom = 64 * 1024;
/** The interval of heartbeats, by which both ends notice that the other is gone; ms. */
const heartbeatEvery = 15_000;
/** How long a caller waits before it reconnects, ms. */
const comeBackAfter = 1_000;

/** All streams of one server. */
export class EventStreams {
  private readonly clock: Clock;
  private readonly open = new Set<OpenStream>();
  private cancelHeartbeat: CancelTimer | undefined;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Answers with a stream, which ends when the caller loses access (`isAllowed`). Throws OVERLOADED. */
  begin(
    response: ServerResponse,
    headers: Readonly<Record<string, string>>,
    start: NonNullable<AdminAnswer['stream']>,
    isAllowed: () => boolean,
  ): void {
    if (this.open.size >= maxStreams) {
      throw new WeldrError('OVERLOADED', `there are ${maxStreams} streams of events already; close one`);
    }
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      // Keeps proxies in front from buffering.
      'X-Accel-Buffering': 'no',
      // It ends with the server or the caller.
      Connection: 'close',
      ...headers,
    });
    response.write(`retry: ${comeBackAfter}\n\n`);
    const stream = new OpenStream(response, isAllowed);
    this.open.add(stream);
    this.cancelHeartbeat ??= this.clock.every(heartbeatEvery, () => this.sendHeartbeats());
    response.once('close', () => {
      this.open.delete(stream);
      stream.end();
      if (this.open.size > 0) return;
      this.cancelHeartbeat?.();
      this.cancelHeartbeat = undefined;
    });
    stream.start(start);
  }

  /** Ends all of them. */
  close(): void {
    for (const stream of this.open) stream.finish();
  }

  private sendHeartbeats(): void {
    for (const stream of this.open) {
      if (stream.isAllowed()) stream.heartbeat();
      else stream.finish();
    }
  }
}

class OpenStream implements EventStream {
  readonly isAllowed: () => boolean;
  private readonly response: ServerResponse;
  private sender: StreamSender | undefined;
  private wasBehind = false;
  private ended = false;
  /** Whether something was waiting at the last heartbeat, and nothing has been read since. */
  private stalled = false;

  constructor(response: ServerResponse, isAllowed: () => boolean) {
    this.response = response;
    this.isAllowed = isAllowed;
    response.on('drain', () => {
      this.stalled = false;
      if (!this.wasBehind) return;
      this.wasBehind = false;
      this.sender?.drained();
    });
  }

  start(begin: NonNullable<AdminAnswer['stream']>): void {
    this.sender = begin(this);
  }

  get ready(): boolean {
    const isBehind = this.ended || this.response.writableLength >= behindFrom;
    this.wasBehind ||= isBehind;
    return !isBehind;
  }

  send({ id, event, data }: StreamMessage): void {
    if (this.ended) return;
    const name = event === undefined ? '' : `event: ${event}\n`;
    const mark = id === undefined ? '' : `id: ${id}\n`;
    this.response.write(`${mark}${name}data: ${data}\n\n`);
  }

  /** Sends a heartbeat; a caller that has read nothing since the last one loses the stream. */
  heartbeat(): void {
    const { response } = this;
    if (response.writableLength === 0) this.stalled = false;
    else if (this.stalled) {
      response.destroy();
      return;
    } else this.stalled = true;
    if (this.ready) response.write(': still here\n\n');
  }

  finish(): void {
    this.end();
    this.response.end();
  }

  /** Stops sending. */
  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.sender?.ended();
  }
}
