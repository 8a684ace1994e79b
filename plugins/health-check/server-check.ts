// ServerCheck: the parts that checks of all protocols share: a new connection and one time limit for everything.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { toError } from '../../core/errors.ts';
import { NameLookups } from '../../core/http/upstream/name-lookups.ts';
import type { Protocol } from '../../core/http/upstream/protocols.ts';
import { proxyHeader } from '../../core/http/upstream/proxy-header.ts';
import { tlsConnectionOptions } from '../../core/http/upstream/tls-options.ts';
import { hostText } from '../../core/network/host-text.ts';
import type { Upstream } from '../../core/pool/pool.ts';
import type { ServerEndpoint } from '../../core/pool/server-address.ts';
import type { ProxyVersion } from '../../core/pool/upstream-record.ts';
import { type Clock, systemClock } from '../../core/time/clock.ts';
import type { CheckSettings } from './check-settings.ts';
import type { CheckOutcome } from './health-count.ts';

/** Shared, so that names are looked up once for all checks of the process. */
const { lookup } = new NameLookups(systemClock);

/** What a check needs besides the server and its settings. */
export interface CheckMeans {
  readonly clock: Clock;
  readonly userAgent: string;
  /** Ends the check early; its outcome is then ignored. */
  readonly signal: AbortSignal;
}

/**
 * Resolves with the outcome of `check`, whose signal is aborted when its time is up. Never rejects: anything that it throws
 * is a failure.
 */
export async function withinTime(
  { timeout }: CheckSettings,
  { clock, signal }: CheckMeans,
  check: (signal: AbortSignal) => Promise<CheckOutcome>,
): Promise<CheckOutcome> {
  const ending = new AbortController();
  const end = () => ending.abort();
  let late = false;
  const cancelTimer = clock.after(timeout, () => {
    late = true;
    end();
  });
  signal.addEventListener('abort', end);
  try {
    return await check(ending.signal);
  } catch (thrown) {
    return { passed: false, detail: late ? `no response within ${timeout} ms` : describe(thrown) };
  } finally {
    cancelTimer();
    signal.removeEventListener('abort', end);
  }
}

/** Returns whether connections to it are over TLS. */
export function isOverTls({ endpoint, protocol }: Upstream): boolean {
  return protocol === 'https:' && endpoint.kind === 'tcp';
}

/**
 * Resolves with an open connection, after the TLS handshake and the PROXY header if the server wants them. Rejects with the
 * error, or when `signal` is aborted. `port`: undefined for the server's own; `protocols`: those to offer over TLS, the best
 * first.
 */
export async function connectTo(
  upstream: Upstream,
  port: number | undefined,
  protocols: readonly Protocol[],
  signal: AbortSignal,
): Promise<Socket> {
  const { endpoint, record } = upstream;
  const { proxyProtocol, tls } = record;
  if (endpoint.kind === 'tcp' && isOverTls(upstream)) {
    const place = { hostname: endpoint.hostname, port: port ?? endpoint.port };
    const options = { ...tlsConnectionOptions(place, tls, protocols), lookup };
    if (proxyProtocol === undefined) return await established(connectTls(options), 'secureConnect', signal);
    const under = await withProxyHeader(plainTo(endpoint, port), proxyProtocol, signal);
    return await established(connectTls({ ...options, socket: under }), 'secureConnect', signal);
  }
  const socket = plainTo(endpoint, port);
  if (proxyProtocol !== undefined) return await withProxyHeader(socket, proxyProtocol, signal);
  return await established(socket, 'connect', signal);
}

function plainTo(endpoint: ServerEndpoint, port: number | undefined): Socket {
  if (endpoint.kind === 'unix') return connect({ path: endpoint.path });
  return connect({ host: endpoint.hostname, port: port ?? endpoint.port, lookup, noDelay: true });
}

async function established(
  socket: Socket,
  event: 'connect' | 'secureConnect',
  signal: AbortSignal,
): Promise<Socket> {
  try {
    await once(socket, event, { signal });
    return socket;
  } catch (thrown) {
    // It may emit another error while it closes.
    socket.on('error', () => {}).destroy();
    throw thrown;
  }
}

async function withProxyHeader(socket: Socket, version: ProxyVersion, signal: AbortSignal): Promise<Socket> {
  await established(socket, 'connect', signal);
  socket.write(ownHeader(version, socket));
  return socket;
}

/**
 * Version 1 cannot mark a connection as Weldr's own. So its header names both ends of the connection, because some servers
 * refuse UNKNOWN.
 */
function ownHeader(version: ProxyVersion, socket: Socket): Buffer {
  if (version === 'v2') return proxyHeader(version, undefined);
  const { localAddress: ip = '', localPort: port = 0, remoteAddress, remotePort = 0 } = socket;
  return proxyHeader(version, { ip, port, localIp: remoteAddress, localPort: remotePort });
}

/** Returns the scheme, host and port to request, such as `http://10.0.0.7:3000`. */
export function originOf(upstream: Upstream, port: number | undefined): string {
  const { endpoint, authority } = upstream;
  const scheme = isOverTls(upstream) ? 'https' : 'http';
  if (endpoint.kind === 'unix') return `${scheme}://${authority}`;
  const { hostname } = endpoint;
  return `${scheme}://${hostText(hostname)}:${port ?? endpoint.port}`;
}

/** Returns the host name that a server is configured with; undefined: its own name. */
export function writtenHost({ record: { host } }: Upstream): string | undefined {
  return host === 'client' || host === 'upstream' ? undefined : host;
}

export function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

function describe(thrown: unknown): string {
  // A name with several addresses fails with one error for each; the first says enough.
  const first: unknown = thrown instanceof AggregateError ? (thrown.errors[0] ?? thrown) : thrown;
  const { message, name } = toError(first);
  return (message === '' ? name : message).slice(0, 300);
}
