// Builds a ProxyContext out of what a test cares for.
import { Pool, type Upstream } from '../pool/pool.ts';
import { ProxyContext } from '../request/context.ts';
import { HeaderList } from '../request/headers.ts';
import { type HttpVersion, RequestState } from '../request/request-state.ts';
import type { TlsFacts } from '../request/tls-facts.ts';

/** The parts of a request that a test sets; the rest is `GET /` over HTTP/1.1 from 192.0.2.1 for example.com. */
export interface ContextOptions {
  readonly method?: string;
  /** Path and query; default `/`. */
  readonly target?: string;
  readonly version?: HttpVersion;
  /** Field lines besides `Host`; an array of pairs where one name comes twice. */
  readonly headers?: Readonly<Record<string, string>> | readonly (readonly [name: string, value: string])[];
  readonly clientIp?: string;
  readonly clientPort?: number;
  /** The address that connected; default: the client's. */
  readonly peerIp?: string;
  /** Did a proxy that is trusted connect? Default: no. */
  readonly peerTrusted?: boolean;
  /** What the TLS handshake came to; default: there was none. */
  readonly tls?: TlsFacts;
  readonly scheme?: 'http' | 'https';
  /** What `Host` says; empty: there is none. */
  readonly host?: string;
  /** The name of the `listen` entry that it came by. */
  readonly listener?: string;
  /** Bytes of the body that are announced; 0: none, -1: chunked. */
  readonly bodyLength?: number;
  /** The protocols that the client asks to change to. */
  readonly upgrade?: string;
  /** Can the whole request be sent again? Default: when there is no body. */
  readonly replayable?: boolean;
  /** Is it only to be explained? */
  readonly rehearsal?: boolean;
  readonly pool?: Pool;
  /** The upstreams that are to count as tried already. */
  readonly tried?: readonly Upstream[];
  /** Milliseconds of the monotonic clock; default 1000, where a new FakeClock begins. */
  readonly startedAt?: number;
}

/** A request as a plugin gets it after its head was parsed. Throws a TypeError for headers that cannot be sent. */
export function context(options: ContextOptions = {}): ProxyContext {
  const { host = 'example.com', headers = {}, bodyLength = 0 } = options;
  const list = new HeaderList();
  if (host !== '') list.append('Host', host);
  for (const [name, value] of isPairs(headers) ? headers : Object.entries(headers)) list.append(name, value);
  const state = new RequestState(
    options.method ?? 'GET',
    options.target ?? '/',
    options.version ?? '1.1',
    list,
    options.pool ?? new Pool('default'),
    options.startedAt ?? 1000,
  );
  state.clientIp = options.clientIp ?? '192.0.2.1';
  state.connection = {
    ip: options.peerIp,
    trusted: options.peerTrusted,
    tls: options.tls,
    port: options.clientPort ?? 50_000,
    localPort: 8080,
    listener: options.listener ?? '',
  };
  state.scheme = options.scheme ?? 'http';
  state.host = host;
  state.bodyLength = bodyLength;
  if (options.upgrade !== undefined) state.ensureRare().upgrade = options.upgrade;
  if (options.rehearsal === true) state.ensureRare().rehearsal = true;
  state.replayable = options.replayable ?? bodyLength === 0;
  if (options.tried !== undefined) state.tried = options.tried;
  return new ProxyContext(state);
}

function isPairs(
  headers: NonNullable<ContextOptions['headers']>,
): headers is readonly (readonly [string, string])[] {
  return Array.isArray(headers);
}
