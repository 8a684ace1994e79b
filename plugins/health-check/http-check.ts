// One health check over HTTP: a new connection, one request, its status.
import type { Socket } from 'node:net';
import { Client } from 'undici';
import { type Protocol, protocolsFor } from '../../core/http/upstream/protocols.ts';
import type { Upstream } from '../../core/pool/pool.ts';
import { type CheckSettings, isExpected } from './check-settings.ts';
import type { CheckOutcome } from './health-count.ts';
import {
  type CheckMeans,
  connectTo,
  isOverTls,
  lowerCased,
  originOf,
  withinTime,
  writtenHost,
} from './server-check.ts';

/** The most of a response body that is read, bytes. */
const maxBody = 64 * 1024;

/**
 * Checks a server once. Never rejects. The connection is always new: a reused one would hide that the server no longer
 * listens. Redirects are not followed: their own status is judged.
 */
export async function httpCheck(
  upstream: Upstream,
  settings: CheckSettings,
  means: CheckMeans,
): Promise<CheckOutcome> {
  const connection = new Connection(upstream, settings.port);
  const host = writtenHost(upstream);
  const outcome = await withinTime(settings, means, async signal => {
    const { statusCode, body } = await connection.open(signal).request({
      path: settings.path,
      method: settings.method,
      headers: {
        'user-agent': means.userAgent,
        accept: '*/*',
        ...(host !== undefined && { host }),
        ...lowerCased(settings.headers),
      },
      signal,
      reset: true,
    });
    // The head decides. The body is read so that the server is not cut off while it sends a short one.
    await body.dump({ limit: maxBody, signal }).catch(() => {});
    if (isExpected(statusCode, settings.expect)) return { passed: true, detail: String(statusCode) };
    return { passed: false, detail: `status ${statusCode}, expected ${settings.expect.join(', ')}` };
  });
  connection.close();
  return outcome;
}

/** One connection to a server. */
class Connection {
  private readonly upstream: Upstream;
  private readonly port: number | undefined;
  /** The protocols offered, as for requests; for another port nothing is known. */
  private readonly protocols: readonly Protocol[];
  private client: Client | undefined;
  private socket: Socket | undefined;

  /** @param port undefined: the server's own */
  constructor(upstream: Upstream, port: number | undefined) {
    this.upstream = upstream;
    this.port = port;
    this.protocols = port === undefined ? protocolsFor(upstream) : ['http/1.1'];
  }

  /** @param signal aborts the connection while it is being opened */
  open(signal: AbortSignal): Client {
    this.client = new Client(originOf(this.upstream, this.port), {
      allowH2: this.protocols.includes('h2'),
      pipelining: 0,
      // The check has one limit for everything.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: 64 * 1024,
      connect: (_, callback) =>
        void this.connect(signal).then(
          socket => callback(null, socket),
          (error: Error) => callback(error, null),
        ),
    });
    return this.client;
  }

  close(): void {
    this.client?.destroy().catch(() => {});
    this.socket?.destroy();
  }

  private async connect(signal: AbortSignal): Promise<Socket> {
    const { upstream, port, protocols } = this;
    const socket = await connectTo(upstream, port, protocols, signal);
    this.socket = socket;
    // undici reads this property, on any socket.
    if (!isOverTls(upstream) && protocols.includes('h2')) Object.assign(socket, { alpnProtocol: 'h2' });
    return socket;
  }
}
