// A request that nobody sent, as plugins would see it: to be explained, not to be answered.
import { Pool } from '../pool/pool.ts';
import { ProxyContext } from './context.ts';
import { HeaderList } from './headers.ts';
import { RequestState } from './request-state.ts';

/** What is known of such a request. */
export interface Rehearsed {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly scheme: 'http' | 'https';
  /** Host and port as the client would name them; empty: none. */
  readonly host: string;
  /** Lines besides `Host`. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly clientIp: string;
  readonly listener: string;
}

/** Its context; `ctx.rehearsal` is true. Throws a TypeError for headers that cannot be sent. */
export function rehearse({
  method,
  target,
  scheme,
  host,
  headers,
  clientIp,
  listener,
}: Rehearsed): ProxyContext {
  const list = new HeaderList();
  if (host !== '') list.append('Host', host);
  for (const [name, value] of headers) list.append(name, value);
  const state = new RequestState(method, target, '1.1', list, new Pool('default'), 0);
  state.clientIp = clientIp;
  state.connection = { port: 0, localPort: 0, listener };
  state.scheme = scheme;
  state.host = host;
  state.ensureRare().rehearsal = true;
  return new ProxyContext(state);
}
