// Connections: what a listener asks of a client's connection, whatever protocol it speaks, and the other way round.
import type { Peer } from './streams.ts';

/** One accepted connection of a client. */
export interface AcceptedConnection {
  readonly peer: Peer;
  /** Its protocol; `handshake`: none yet. */
  readonly kind: 'h1' | 'h2' | 'handshake';
  /** How many requests are in flight on it. */
  readonly activeRequests: number;
  /** When it last became idle, `Deadlines.now`. */
  readonly idleSince: number;
  /** The address of this machine that it came to, as the system reports it; undefined: a unix socket, or it has ended. */
  readonly localAddress: string | undefined;
  /** Is it a tunnel, which a drain does not wait for? */
  readonly outlives: boolean;
  /** Makes the next response the last one, and announces that if the protocol can. */
  endSoon(): void;
  /** Closes it if it is idle: for a drain. */
  closeIfIdle(): void;
  /** Ends it at once, with its requests in flight. */
  stop(): void;
  /** Does the same by a reset, which its client notices at once; a connection that only waits for its client to leave is closed. */
  breakOff(): void;
}

/** Keeps count of the connections. */
export interface ConnectionKeeper {
  /** A connection has ended. */
  forget(connection: AcceptedConnection): void;
}
