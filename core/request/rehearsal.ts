// A request that is only explained, as plugins would see it.
import { Pool } from '../pool/pool.ts';
import { ProxyContext } from './context.ts';
import { HeaderList, hopByHop } from './headers.ts';
import { RequestState } from './request-state.ts';

/** The facts of such a request. */
export interface Rehearsed {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly scheme: 'http' | 'https';
  /** Host and port that the client would name; empty: none. */
  readonly host: string;
  /** Lines besides `Host`. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly clientIp: string;
  readonly listener: string;
}

/** The pool it begins in. */
export interface RehearsalStart {
  /** Default: a separate one, without servers. */
  readonly pool?: Pool;
  /** Milliseconds of a monotonic clock; default 0. */
  readonly startedAt?: number;
}

/** Bodies up to this length are kept, so that they can be sent again. */
const longestKept = 16_384;

/**
 * Returns the context of such a request; its `rehearsal` is true. Fields that the wire removes are left out;
 * `Content-Length` is the length of the body. Throws a TypeError for headers that cannot be sent.
 */
export function rehearse(
  { method, target, scheme, host, headers, clientIp, listener }: Rehearsed,
  { pool = new Pool('default'), startedAt = 0 }: RehearsalStart = {},
): ProxyContext {
  const list = new HeaderList();
  if (host !== '') list.append('Host', host);
  const taken = new Map<string, string>();
  for (const [name, value] of headers) {
    const key = name.toLowerCase();
    if (hopByHop.has(key) || key === 'content-length') taken.set(key, value);
    else list.append(name, value);
  }
  const state = new RequestState(method, target, '1.1', list, pool, startedAt);
  state.clientIp = clientIp;
  state.connection = { port: 0, localPort: 0, listener };
  state.scheme = scheme;
  state.host = host;
  state.bodyLength = taken.has('transfer-encoding') ? -1 : lengthOf(taken.get('content-length'));
  state.replayable = state.bodyLength >= 0 && state.bodyLength <= longestKept;
  const rare = state.ensureRare();
  rare.rehearsal = true;
  rare.upgrade = taken.get('upgrade');
  return new ProxyContext(state);
}

function lengthOf(field: string | undefined): number {
  return field !== undefined && /^\d{1,15}$/.test(field) ? Number(field) : 0;
}
