// One health check over HTTP: a connection of its own, one request, the status.
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { type buildConnector, Client } from 'undici';
import { type Clock, systemClock } from '../../core/clock.ts';
import { toError } from '../../core/errors.ts';
import { NameLookups } from '../../core/http/upstream/name-lookups.ts';
import { type Protocol, protocolsFor } from '../../core/http/upstream/protocols.ts';
import { proxyHeader } from '../../core/http/upstream/proxy-header.ts';
import { tlsConnectionOptions } from '../../core/http/upstream/tls-options.ts';
import type { Upstream } from '../../core/pool/pool.ts';
import type { ServerEndpoint } from '../../core/pool/server-address.ts';
import type { ProxyVersion } from '../../core/pool/upstream-record.ts';
import { type CheckSettings, isExpected } from './check-settings.ts';
import type { CheckOutcome } from './health-count.ts';

/** The most of a response body that is read, bytes. */
const maxBody = 64 * 1024;

/** Names are looked up once for all checks of the process. */
const { lookup } = new NameLookups(systemClock);

/** What a check needs beside the server and its settings. */
export interface CheckMeans {
  readonly clock: Clock;
  readonly userAgent: string;
  /** Ends the check early; its outcome is then of no use. */
  readonly signal: AbortSignal;
}

/**
 * Asks a server once. Never rejects. A new connection each time: one that is reused would hide that nobody listens
 * any more. Redirects are not followed: their status is what is judged.
 */
export async function httpCheck(
  upstream: Upstream,
  settings: CheckSettings,
  { clock, userAgent, signal }: CheckMeans,
): Promise<CheckOutcome> {
  const ending = new AbortController();
  const end = () => ending.abort();
  let late = false;
  const cancelTimer = clock.after(settings.timeout, () => {
    late = true;
    end();
  });
  signal.addEventListener('abort', end);
  const connection = new Connection(upstream, settings.port);
  try {
    const client = connection.open();
    const { statusCode, body } = await client.request({
      path: settings.path,
      method: settings.method,
      headers: {
        'user-agent': userAgent,
        accept: '*/*',
        ...writtenHost(upstream),
        ...lowerCased(settings.headers),
      },
      signal: ending.signal,
      reset: true,
    });
    // The head decides; the body is read, so that the server is not cut off in the middle of a short one.
    await body.dump({ limit: maxBody, signal: ending.signal }).catch(() => {});
    if (isExpected(statusCode, settings.expect)) return { passed: true, detail: String(statusCode) };
    return { passed: false, detail: `status ${statusCode}, expected ${settings.expect.join(', ')}` };
  } catch (thrown) {
    const detail = late ? `no response within ${settings.timeout} ms` : describe(thrown);
    return { passed: false, detail };
  } finally {
    cancelTimer();
    signal.removeEventListener('abort', end);
    connection.close();
  }
}

/** One connection to a server, which can be given up while it is being made. */
class Connection {
  private readonly upstream: Upstream;
  private readonly port: number | undefined;
  /** What may be spoken, as with requests; of another port nothing is known. */
  private readonly protocols: readonly Protocol[];
  private client: Client | undefined;
  private socket: Socket | undefined;

  /** `port`: the one to check when it is not the server's own. */
  constructor(upstream: Upstream, port: number | undefined) {
    this.upstream = upstream;
    this.port = port;
    this.protocols = port === undefined ? protocolsFor(upstream) : ['http/1.1'];
  }

  open(): Client {
    this.client = new Client(this.origin(), {
      allowH2: this.protocols.includes('h2'),
      pipelining: 0,
      // The check has one limit for all of it.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: 64 * 1024,
      connect: (_, callback) => this.connect(callback),
    });
    return this.client;
  }

  close(): void {
    this.client?.destroy().catch(() => {});
    // undici leaves a socket alone that is still connecting.
    this.socket?.destroy();
  }

  private connect(callback: buildConnector.Callback): void {
    const { endpoint, protocol, record } = this.upstream;
    const { proxyProtocol } = record;
    const secured = protocol === 'https:' && endpoint.kind === 'tcp' ? endpoint : undefined;
    const failed = (error: Error) => callback(error, null);
    const done = (socket: Socket) => callback(null, socket);
    if (secured !== undefined && proxyProtocol === undefined) {
      this.follow(this.connectTls(secured), 'secureConnect', done, failed);
      return;
    }
    const connected = (socket: Socket): void => {
      if (proxyProtocol !== undefined) socket.write(ownHeader(proxyProtocol, socket));
      if (secured === undefined) done(socket);
      else this.follow(this.connectTls(secured, socket), 'secureConnect', done, failed);
    };
    this.follow(this.connectPlain(endpoint), 'connect', connected, failed);
  }

  private follow(
    socket: Socket,
    event: 'connect' | 'secureConnect',
    done: (socket: Socket) => void,
    failed: (error: Error) => void,
  ): void {
    this.socket = socket;
    socket.once('error', failed).once(event, () => {
      socket.off('error', failed);
      done(socket);
    });
  }

  /** What the request's Host is made of. */
  private origin(): string {
    const { endpoint, protocol, authority } = this.upstream;
    if (endpoint.kind === 'unix') return `${protocol}//${authority}`;
    const { hostname, port } = endpoint;
    return `${protocol}//${hostname.includes(':') ? `[${hostname}]` : hostname}:${this.port ?? port}`;
  }

  private connectPlain(endpoint: ServerEndpoint): Socket {
    const place =
      endpoint.kind === 'unix'
        ? { path: endpoint.path }
        : { host: endpoint.hostname, port: this.port ?? endpoint.port, lookup, noDelay: true };
    const socket = connect(place);
    // undici goes by that, on any socket.
    return this.protocols.includes('h2') ? Object.assign(socket, { alpnProtocol: 'h2' }) : socket;
  }

  /** `over`: a connection that is there. */
  private connectTls({ hostname, port }: ServerEndpoint & { kind: 'tcp' }, over?: Socket): Socket {
    const place = { hostname, port: this.port ?? port };
    const tls = tlsConnectionOptions(place, this.upstream.record.tls, this.protocols);
    return connectTls({ ...tls, lookup, ...(over !== undefined && { socket: over }) });
  }
}

/** Version 1 cannot say that a connection is Weldr's own: it names both ends of it, as some servers refuse UNKNOWN. */
function ownHeader(version: ProxyVersion, socket: Socket): Buffer {
  if (version === 'v2') return proxyHeader(version, undefined);
  const { localAddress: ip = '', localPort: port = 0, remoteAddress, remotePort = 0 } = socket;
  return proxyHeader(version, { ip, port, localIp: remoteAddress, localPort: remotePort });
}

/** The Host of a server that needs a certain one; others are asked by their own names. */
function writtenHost({ record: { host } }: Upstream): { host?: string } {
  return host === 'client' || host === 'upstream' ? {} : { host };
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

function describe(thrown: unknown): string {
  // A name with several addresses fails with one error for each; the first tells enough.
  const first: unknown = thrown instanceof AggregateError ? (thrown.errors[0] ?? thrown) : thrown;
  const { message, name } = toError(first);
  return (message === '' ? name : message).slice(0, 300);
}
