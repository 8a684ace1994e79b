// UpstreamRecord: one server, as the manager sends it to the workers.
import type { Layer } from '../state/layer.ts';

/**
 * `active`: it may get new requests. `down`: it is unhealthy. `draining`: it finishes the requests it has. `disabled`: an
 * operator took it out.
 */
export type UpstreamState = 'active' | 'down' | 'draining' | 'disabled';

/** Settings of a TLS connection to an upstream; PEM texts, not paths. */
export interface UpstreamTls {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** SNI name and the name that the certificate is checked against; default: the URL's host. */
  readonly servername?: string | undefined;
  /** Whether its certificate is checked. Default true. */
  readonly verify?: boolean | undefined;
}

/** A version of the PROXY protocol. */
export type ProxyVersion = 'v1' | 'v2';

/** One upstream as the manager sends it to the workers: plain JSON. */
export interface UpstreamRecord {
  /** The identity: the URL's origin, such as `http://127.0.0.1:12345`, or `unix:/run/app.sock`. */
  readonly id: string;
  /** Share of the requests relative to the others, 1 or more; default 1. */
  readonly weight: number;
  /** The value of `Host`: `client`, what the client sent; `upstream`, the upstream's own name; otherwise this name. */
  readonly host: string;
  /** It gets requests only while no other server of its pool is active. */
  readonly backup?: true | undefined;
  /** Its zone, for Weldrs that prefer servers near them. */
  readonly zone?: string | undefined;
  /**
   * The most connections (over HTTP/2: requests) of all workers at once; undefined: the pool's limit for each worker.
   */
  readonly maxConnections?: number | undefined;
  /** Facts about it by name, such as its version. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly tls?: UpstreamTls | undefined;
  /** Whether HTTP/2 is used. Undefined: over TLS if the server chooses it, otherwise not. */
  readonly http2?: boolean | undefined;
  /** Each connection begins with a PROXY header of this version, and serves one client connection. */
  readonly proxyProtocol?: ProxyVersion | undefined;
  readonly state: UpstreamState;
  /** Why it is in this state, for people. */
  readonly reason: string;
  readonly layer: Layer;
  /** When it last became active, in ms since the epoch: the start of a slow start. 0: it always was. */
  readonly activeSince: number;
}
