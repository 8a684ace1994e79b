// Builds a ProxyContext from the parts that a test sets.
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
  /** Field lines besides `Host`; an array of pairs when a name occurs twice. */
  readonly headers?: Readonly<Record<string, string>> | readonly (readonly [name: string, value: string])[];
  readonly clientIp?: string;
  readonly clientPort?: number;
  /** The address that connected; default: the client's. */
  readonly peerIp?: string;
  /** Whether a trusted proxy connected. Default: no. */
  readonly peerTrusted?: boolean;
  /** The result of the TLS handshake; default: there was none. */
  readonly tls?: TlsFacts;
  readonly scheme?: 'http' | 'https';
  /** The value of `Host`; empty: there is none. */
  readonly host?: string;
  /** The name of the `listen` entry through which it came. */
  readonly listener?: string;
  /** Announced bytes of the body; 0: none, -1: chunked. */
  readonly bodyLength?: number;
  /** The protocols that the client offers to upgrade to. */
  readonly upgrade?: string;
  /** Whether the whole request can be sent again. Default: when it has no body. */
  readonly replayable?: boolean;
  /** Whether it is only explained, not sent. */
  readonly rehearsal?: boolean;
  readonly pool?: Pool;
  /** The upstreams that count as already tried. */
  readonly tried?: readonly Upstream[];
  /** Milliseconds of the monotonic clock; default 1000, where a new FakeClock begins. */
  readonly startedAt?: number;
}

/** A request as plugins get it after its head was parsed. Throws a TypeError for headers that cannot be sent. */
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
