// Connections: what accepting knows of a client's connection, whatever protocol it speaks, and the other way round.
import type { Peer } from './streams.ts';

/** One connection of a client that was accepted and has found its protocol. */
export interface AcceptedConnection {
  readonly peer: Peer;
  /** What it speaks; `handshake`: nothing yet. */
  readonly kind: 'h1' | 'h2' | 'handshake';
  /** Requests that are in flight on it. */
  readonly activeRequests: number;
  /** When it last had nothing to do, `Deadlines.now`. */
  readonly idleSince: number;
  /** The address of this machine that it came to, as the system has it; undefined: a unix socket, or it has ended. */
  readonly localAddress: string | undefined;
  /** Is it a tunnel, which does not end by itself? */
  readonly outlives: boolean;
  /** Has its next answer be the last one, and tells a client that can be told. */
  endSoon(): void;
  /** For a drain: closes it when nothing is going on. */
  closeIfIdle(): void;
  /** Ends it and what is in flight on it, now. */
  stop(): void;
  /** The same, so that its client notices at once; one that only waits for its client to leave is closed. */
  breakOff(): void;
}

/** Who keeps count of the connections. */
export interface ConnectionKeeper {
  /** A connection has ended. */
  forget(connection: AcceptedConnection): void;
}
