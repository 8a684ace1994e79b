// Handshake: a client's connection until client and protocol are known: before a PROXY header, in a TLS handshake, or
// before its first bytes. It counts like any other connection.
import type { Socket } from 'node:net';
import type { AcceptedConnection } from '../exchange/connections.ts';
import type { Deadlines, Waiting } from '../exchange/deadlines.ts';
import { reset } from '../exchange/reset.ts';
import type { Peer } from '../exchange/streams.ts';

/** A connection that does not speak HTTP yet. */
export class Handshake implements AcceptedConnection, Waiting {
  deadline: number;
  deadlineSlot = -1;
  readonly peer: Peer;
  readonly kind = 'handshake';
  readonly activeRequests = 0;
  readonly outlives = false;
  readonly idleSince: number;
  /** Was it cut because it took too long? */
  isLate = false;
  private readonly socket: Socket;
  private readonly deadlines: Deadlines;

  /** `timeoutMs`: how long all of it may take, however slowly its bytes come. */
  constructor(socket: Socket, peer: Peer, deadlines: Deadlines, timeoutMs: number) {
    this.socket = socket;
    this.peer = peer;
    this.deadlines = deadlines;
    this.idleSince = deadlines.now;
    this.deadline = deadlines.in(timeoutMs);
    deadlines.add(this);
  }

  /** It is over, well or not. */
  end(): void {
    this.deadline = 0;
    this.deadlines.remove(this);
  }

  onDeadline(): void {
    this.isLate = true;
    this.socket.destroy();
  }

  get localAddress(): string | undefined {
    return this.socket.localAddress;
  }

  /** Its outcome is reported. */
  endSoon(): void {}

  /** A handshake that is under way continues: its client would have to start over, and has done nothing wrong. */
  closeIfIdle(): void {
    if (this.socket.bytesRead === 0) this.socket.destroy();
  }

  stop(): void {
    this.socket.destroy();
  }

  breakOff(): void {
    reset(this.socket);
  }
}
