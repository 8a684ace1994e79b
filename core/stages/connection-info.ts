// ConnectionInfo: the facts of a client's connection, known before any request on it is read.
import type { ProxyFacts } from '../request/proxy-facts.ts';
import type { TlsFacts } from '../request/tls-facts.ts';

/** The facts of a client's connection. */
export interface ConnectionInfo {
  /** The client's address without brackets, from the PROXY header if there is one; `unix:` for a unix socket. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** The port that it connected to; 0 for a unix socket. */
  readonly localPort: number;
  /** The name of the `listen` entry that it connected to. */
  readonly listener: string;
  /** The outcome of its TLS handshake; undefined: it is not encrypted, or the handshake failed. */
  readonly tls?: TlsFacts | undefined;
  /** The facts of the PROXY header that introduced it; undefined: none did. */
  readonly proxy?: ProxyFacts | undefined;
  /**
   * Why it was not served: a tap refused it, a limit of Weldr was reached, its TLS handshake failed, or no trusted proxy
   * introduced it with a PROXY header; undefined while and after it was served.
   */
  readonly refused?: 'plugin' | 'limit' | 'handshake' | 'proxyProtocol' | undefined;
}

/** Connections of one kind. */
export interface ConnectionCount {
  /** Those with a request on them. */
  active: number;
  idle: number;
}

/** The connections of one worker. */
export interface ConnectionCounts {
  readonly client: {
    readonly h1: ConnectionCount;
    readonly h2: ConnectionCount;
    /** Those that do not speak HTTP yet: in a handshake, or before their first bytes. */
    readonly handshake: ConnectionCount;
  };
  readonly upstream: { readonly h1: ConnectionCount; readonly h2: ConnectionCount };
  /** Requests that wait for a connection, by pool; pools in which none waits may be left out. */
  readonly queued: ReadonlyMap<string, number>;
}

/** Counts that start at zero. */
export function noConnections(): ConnectionCounts & { readonly queued: Map<string, number> } {
  const none = (): ConnectionCount => ({ active: 0, idle: 0 });
  return {
    client: { h1: none(), h2: none(), handshake: none() },
    upstream: { h1: none(), h2: none() },
    queued: new Map(),
  };
}
