// H1ClientSocket: the socket of a client's HTTP/1.1 connection: writes to it, pauses reading, and limits how long it may be
// silent.
import type { Socket } from 'node:net';
import { copyBufferSize, giveBackCopyBuffer, takeCopyBuffer } from '../exchange/copy-buffers.ts';
import type { Waiting } from '../exchange/deadlines.ts';
import type { Wire } from '../exchange/wire.ts';

/** The writing side of a connection. The subclass adds reading and the end. */
export abstract class H1ClientSocket implements Waiting {
  deadline = 0;
  deadlineSlot = -1;
  /** Whether the client has closed its sending side. */
  ended = false;
  /** Whether reading is paused because the bytes could not be passed on. */
  paused = false;
  protected readonly socket: Socket;
  protected readonly wire: Wire;
  /** Copy buffers that are being written, in order. */
  private lent: Buffer[] | undefined = undefined;
  /** How many writes there have been: 0, 1, or 2 for more. */
  private writes = 0;

  constructor(socket: Socket, wire: Wire) {
    this.socket = socket;
    this.wire = wire;
  }

  abstract onDeadline(): void;

  /** Whether the client is slow to read. */
  get blocked(): boolean {
    return this.socket.writableNeedDrain;
  }

  /** Writes latin1 text. Returns false to wait for `onDrain`, because the client is slower. */
  write(text: string): boolean {
    this.hurry();
    return this.flowing(this.socket.write(text, 'latin1'));
  }

  /** Writes a copy of bytes whose buffer will be reused. */
  writeShared(buffer: Buffer, start: number, end: number): boolean {
    const size = end - start;
    this.hurry();
    // Bytes that were held back can exceed one read.
    if (size > copyBufferSize)
      return this.flowing(this.socket.write(Buffer.from(buffer.subarray(start, end))));
    const copy = takeCopyBuffer();
    buffer.copy(copy, 0, start, end);
    this.lent ??= [];
    this.lent.push(copy);
    return this.flowing(this.socket.write(copy.subarray(0, size), this.onCopyWritten));
  }

  /** Gives back the first copy buffer: writes finish in the order in which they began. */
  private readonly onCopyWritten = (): void => {
    const copy = this.lent?.shift();
    if (copy !== undefined) giveBackCopyBuffer(copy);
  };

  /**
   * Turns off Nagle's algorithm at the second write. The first never waits for an acknowledgement, so a connection with a
   * single write saves a system call.
   */
  private hurry(): void {
    if (this.writes < 2 && ++this.writes === 2) this.socket.setNoDelay(true);
  }

  private flowing(accepted: boolean): boolean {
    if (!accepted) this.awaitBody();
    else if (this.ended) this.awaitHalfClosed();
    return accepted;
  }

  pause(): void {
    if (this.paused) return;
    this.paused = true;
    this.socket.pause();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.socket.resume();
  }

  /** Limits the time until bytes move in one direction or the other. */
  awaitBody(): void {
    this.deadline = this.wire.deadlines.in(this.wire.settings.timeouts.body);
  }

  /** Limits the wait of a client that closed its sending side, or left: only a write can tell which. */
  awaitHalfClosed(): void {
    this.deadline = this.wire.deadlines.in(this.wire.settings.timeouts.halfClosed);
  }
}
