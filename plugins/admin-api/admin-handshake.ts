// AdminHandshake: a caller's connection until its TLS handshake is over. It counts like any other, and can be closed to make
// room.
import type { Socket } from 'node:net';
import type { Clock } from '../../core/time/clock.ts';

/** The longest that it may take as a whole, ms. */
const handshakeWithin = 10_000;

/** A connection on which no request can arrive yet. */
export class AdminHandshake {
  readonly working = false;
  readonly awaits = 'caller';
  readonly remoteAddress: string | undefined;
  private readonly socket: Socket;
  private readonly stop: () => void;

  constructor(socket: Socket, clock: Clock) {
    this.socket = socket;
    this.remoteAddress = socket.remoteAddress;
    socket.on('error', () => socket.destroy());
    this.stop = clock.after(handshakeWithin, () => socket.destroy());
  }

  get destroyed(): boolean {
    return this.socket.destroyed;
  }

  /** Called when it is over, successful or not. */
  end(): void {
    this.stop();
  }

  destroy(): void {
    this.socket.destroy();
  }
}
