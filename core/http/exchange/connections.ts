// Connections: the interface between a listener and a client's connection, in any protocol.
import type { Peer } from './streams.ts';

/** One accepted connection of a client. */
export interface AcceptedConnection {
  readonly peer: Peer;
  /** Its protocol; `handshake` if none is known yet. */
  readonly kind: 'h1' | 'h2' | 'handshake';
  /** How many requests are in flight on it. */
  readonly activeRequests: number;
  /** When it last became idle, by `Deadlines.now`. */
  readonly idleSince: number;
  /** This machine's address that it was made to, as the system reports it; undefined for a unix socket, or after its end. */
  readonly localAddress: string | undefined;
  /** Whether it is a tunnel, which winding down does not wait for. */
  readonly outlives: boolean;
  /** Makes the next response the last one, and announces that if the protocol allows. */
  endSoon(): void;
  /** Closes it if it is idle. */
  closeIfIdle(): void;
  /** Ends it at once, requests in flight included. */
  stop(): void;
  /** Does the same with a reset, so the client notices at once; one that is ending and has sent everything is closed. */
  breakOff(): void;
}

/** Keeps track of the connections. */
export interface ConnectionKeeper {
  /** Called when a connection has ended. */
  forget(connection: AcceptedConnection): void;
}
