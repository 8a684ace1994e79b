// Load: what clients ask of a proxy in one run, and which load generator plays them.
import type { RunningProxy } from './proxies/proxy.ts';

/** How clients come in: by HTTP/1.1 without TLS, by TLS, or by HTTP/2 without TLS. */
export type Entry = 'http' | 'https' | 'h2c';

/** The load of one run. */
export interface Load {
  readonly path: string;
  readonly connections: number;
  /** Default: `http`. */
  readonly entry?: Entry;
  /** Requests at once on each connection, which speaks HTTP/2; undefined: HTTP/1.1. */
  readonly streams?: number;
  /** Each request has a connection of its own, which resumes the TLS session of an earlier one. */
  readonly resumes?: true;
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes of a body to POST; undefined: GET. */
  readonly uploadBytes?: number;
  /** The mean pause before each request of a connection, ms; undefined: none, as fast as answers come. */
  readonly thinkTime?: number;
}

/** What the clients of one run saw. */
export interface LoadResult {
  readonly requests: number;
  /** µs. */
  readonly duration: number;
  /** Connections refused or broken, answers with a status from 400 on, time-outs. */
  readonly errors: number;
  /** Latencies, µs; undefined where the load generator does not tell them. */
  readonly p50: number | undefined;
  readonly p99: number | undefined;
}

/** How a load generator is run. */
export interface LoadOptions {
  readonly seconds: number;
  readonly cores: readonly number[];
}

/** The port of a proxy for an entry; undefined: it has none. */
export function portOf(proxy: RunningProxy, entry: Entry = 'http'): number | undefined {
  if (entry === 'https') return proxy.tlsPort;
  return entry === 'h2c' ? proxy.h2cPort : proxy.port;
}
