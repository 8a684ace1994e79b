// A compared proxy: what the benchmark measures, and how it handles each of them.
import type { Running } from '../processes.ts';

/** One that can be measured. */
export interface ComparedProxy {
  /** What `--only` calls it. */
  readonly name: string;
  /** What is in front of the others: the runtime that its figures depend on, if any. */
  readonly kind: 'native' | 'node' | 'weldr';
  /** Its version; undefined when it is not installed. */
  version(): string | undefined;
  /** How to get it. */
  readonly install: string;
  start(options: ProxyOptions): Promise<RunningProxy>;
}

/** Where a proxy is to run. */
export interface ProxyOptions {
  readonly origin: { readonly port: number };
  readonly cores: readonly number[];
  /** Processes that proxy; 1 unless the proxy is measured with two. */
  readonly workers: number;
}

/** A proxy that serves. */
export interface RunningProxy {
  readonly port: number;
  /** TLS, with HTTP/2 and HTTP/1.1 by ALPN; undefined: it is not measured with it. */
  readonly tlsPort?: number;
  /** HTTP/2 without TLS; undefined: it is not measured with it. */
  readonly h2cPort?: number;
  readonly process: Running;
  /** Of Weldr's admin API. */
  readonly adminPort?: number;
}
