// UpstreamRecord: what is known of one server, as it crosses from the manager to the workers.
import type { Layer } from '../state/layer.ts';

/**
 * `active`: may be given new requests. `down`: health says no. `draining`: finishes what it has. `disabled`: an
 * operator took it out.
 */
export type UpstreamState = 'active' | 'down' | 'draining' | 'disabled';

/** How a TLS connection to an upstream is made; PEM texts, not paths. The certificate is checked unless told not to. */
export interface UpstreamTls {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** SNI name and the name that the certificate is checked against; default: the URL's host. */
  readonly servername?: string | undefined;
  /** Default true. */
  readonly verify?: boolean | undefined;
}

/** Of the PROXY protocol. */
export type ProxyVersion = 'v1' | 'v2';

/** One upstream as it crosses from the manager to the workers: plain JSON. */
export interface UpstreamRecord {
  /** The identity: the URL's origin, such as `http://127.0.0.1:12345`, or `unix:/run/app.sock`. */
  readonly id: string;
  /** Share of the requests relative to the others, 1 or more; default 1. */
  readonly weight: number;
  /** What `Host` says: `client`, what the client sent; `upstream`, the upstream's own name; else this name. */
  readonly host: string;
  /** It gets requests only while no other server of its pool is active. */
  readonly backup?: true | undefined;
  /** Where it is, for Weldrs that prefer servers near them. */
  readonly zone?: string | undefined;
  /** Connections, over HTTP/2 requests, of all workers together at once; undefined: what the pool says of each worker. */
  readonly maxConnections?: number | undefined;
  /** What it is, by name, such as its version. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly tls?: UpstreamTls | undefined;
  /** Is HTTP/2 spoken with it? Undefined: over TLS it may choose, else not. */
  readonly http2?: boolean | undefined;
  /** Its connections begin with a PROXY header of this version, and are each of one client connection. */
  readonly proxyProtocol?: ProxyVersion | undefined;
  readonly state: UpstreamState;
  /** Why the state is what it is, for people. */
  readonly reason: string;
  readonly layer: Layer;
  /** When it last became active, in ms since the epoch: what a slow start counts from. 0: it always was. */
  readonly activeSince: number;
}
