// Handshake: a client's connection while its address or protocol is unknown: until its PROXY header, its TLS handshake or its
// first bytes. It counts like any other connection.
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
  /** Whether it was ended because it took too long. */
  isLate = false;
  private readonly socket: Socket;
  private readonly deadlines: Deadlines;

  /** `timeoutMs`: the limit for all of it, however slowly its bytes arrive. */
  constructor(socket: Socket, peer: Peer, deadlines: Deadlines, timeoutMs: number) {
    this.socket = socket;
    this.peer = peer;
    this.deadlines = deadlines;
    this.idleSince = deadlines.now;
    this.deadline = deadlines.in(timeoutMs);
    deadlines.add(this);
  }

  /** Called when it is over, whatever the outcome. */
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

  /** Does nothing: the connection is wound down once it speaks its protocol. */
  endSoon(): void {}

  /** Closes it only if no byte has arrived: otherwise the client, which did nothing wrong, would have to start over. */
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
