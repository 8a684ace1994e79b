// UpstreamConnection: one connection to an upstream, in any protocol: what its cache asks of it, what it asks of the cache,
// and what opens it.
import type { Upstream } from '../../pool/pool.ts';
import type { Settings } from '../../settings/settings.ts';
import type { Deadlines } from '../exchange/deadlines.ts';
import type { Peer, UpstreamStream } from '../exchange/streams.ts';
import type { Dialler, PendingConnection } from './pending-connection.ts';
import type { Protocol } from './protocols.ts';
import type { Use } from './stream-queue.ts';

/** What a cache asks of a connection. */
export interface UpstreamConnection {
  readonly kind: 'h1' | 'h2';
  /** The only client connection whose requests it carries, named in its PROXY header; undefined if it carries any. */
  readonly client: Peer | undefined;
  /** When it was opened, by `Deadlines.now`. */
  readonly openedAt: number;
  /** How many more streams it can take now: over HTTP/1.1, 1 while it is idle, else 0. */
  readonly capacity: number;
  /** How many streams are open on it. */
  readonly streams: number;
  /** Whether it carries a request whose body is still arriving. */
  readonly uploads: boolean;
  /** Whether it is only waiting for a client that sends a request body slowly. */
  readonly lags: boolean;
  /** After this time, by `Deadlines.now`, it must not be used if it has stayed idle. */
  readonly idleUntil: number;
  /** Whether it is in its cache's list of those with capacity. Set by the cache. */
  listed: boolean;
  /** Opens a stream, which reduces {@link capacity} by one. */
  openStream(): UpstreamStream;
  /** Called when it becomes idle. Closes it if it is still idle after `ms`. */
  rest(ms: number): void;
  /** Ends it without notifying its streams. */
  destroy(): void;
  /** Ends it, or a lagging stream on it, to make room for waiting requests. */
  giveWay(): void;
}

/** Makes connections. */
export interface Connector {
  /** Starts an HTTP/1.1 connection, which takes its request at once. `client`: see {@link UpstreamConnection.client}. */
  connect(home: ConnectionHome, use: Use, client: Peer | undefined): UpstreamConnection;
  /** Starts a connection whose protocol is not known yet. */
  readonly dial: Dialler;
  /** Starts this protocol on an open connection. */
  speak(home: ConnectionHome, pending: PendingConnection, protocol: Protocol): UpstreamConnection;
}

/** The cache of a connection, as the connection sees it. */
export interface ConnectionHome {
  readonly upstream: Upstream;
  readonly deadlines: Deadlines;
  readonly timeouts: Settings['timeouts'];
  readonly limits: Settings['limits'];
  /** How many streams a new HTTP/2 connection may open before the upstream says how many it allows; updated when it does. */
  streamsAtFirst: number;
  /** Called when a stream has ended and the connection can take another. `announced`: the upstream's idle limit, ms. */
  putBack(connection: UpstreamConnection, announced: number | undefined): void;
  /** Called when a connection has ended. */
  forget(connection: UpstreamConnection): void;
}
