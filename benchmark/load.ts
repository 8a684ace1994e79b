// Load: the requests of clients in one run, and the load generator for them.
import type { RunningProxy } from './proxies/proxy.ts';

/** How clients connect: HTTP/1.1 without TLS, TLS, or HTTP/2 without TLS. */
export type Entry = 'http' | 'https' | 'h2c';

/** The load of one run. */
export interface Load {
  readonly path: string;
  readonly connections: number;
  /** Default: `http`. */
  readonly entry?: Entry;
  /** Concurrent requests per connection of HTTP/2; undefined: HTTP/1.1. */
  readonly streams?: number;
  /** Each request has a separate connection, which resumes the TLS session of an earlier one. */
  readonly resumes?: true;
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes of a body to POST; undefined: GET. */
  readonly uploadBytes?: number;
  /** The mean pause before each request of a connection, ms; undefined: no pause. */
  readonly thinkTime?: number;
}

/** The result of one run. */
export interface LoadResult {
  readonly requests: number;
  /** In µs. */
  readonly duration: number;
  /** Refused or broken connections, responses with a status from 400, time-outs. */
  readonly errors: number;
  /** Latencies, µs; undefined if the load generator does not report them. */
  readonly p50: number | undefined;
  readonly p99: number | undefined;
}

/** Options of a load generator. */
export interface LoadOptions {
  readonly seconds: number;
  readonly cores: readonly number[];
}

/** Returns the port of a proxy for an entry; undefined: it has none. */
export function portOf(proxy: RunningProxy, entry: Entry = 'http'): number | undefined {
  if (entry === 'https') return proxy.tlsPort;
  return entry === 'h2c' ? proxy.h2cPort : proxy.port;
}
