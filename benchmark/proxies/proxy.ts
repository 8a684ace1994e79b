// A compared proxy: how the benchmark installs, starts and measures it.
import type { Running } from '../processes.ts';

/** A proxy that can be measured. */
export interface ComparedProxy {
  /** Its name for `--only`. */
  readonly name: string;
  /** The runtime that its figures depend on, if any. */
  readonly kind: 'native' | 'node' | 'weldr';
  /** Returns its version; undefined if it is not installed. */
  version(): string | undefined;
  /** The command that installs it. */
  readonly install: string;
  start(options: ProxyOptions): Promise<RunningProxy>;
}

/** Options of a start. */
export interface ProxyOptions {
  readonly origin: { readonly port: number };
  readonly cores: readonly number[];
  /** Processes that proxy; 1, or 2 for the study of two workers. */
  readonly workers: number;
}

/** A running proxy. */
export interface RunningProxy {
  readonly port: number;
  /** For TLS, with HTTP/2 and HTTP/1.1 by ALPN; undefined: not measured. */
  readonly tlsPort?: number;
  /** For HTTP/2 without TLS; undefined: not measured. */
  readonly h2cPort?: number;
  readonly process: Running;
  /** The port of Weldr's admin API. */
  readonly adminPort?: number;
}
