// A real origin for tests: an HTTP server in the test's process, with counters, whose answers can change while it runs.
import { once } from 'node:events';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Options of an origin. */
export interface OriginOptions {
  /** Default: a free one. */
  readonly port?: number;
  /** The value of `x-origin` and the body of `/`; default: the port. */
  readonly name?: string;
  /** Answers all requests, instead of the answers described at {@link startOrigin}. */
  readonly handle?: RequestListener;
}

/** A running origin. */
export interface Origin {
  readonly url: string;
  readonly port: number;
  readonly name: string;
  /** The number of requests received. */
  readonly requests: number;
  /** Requests by method and target, such as `GET /`. */
  readonly seen: ReadonlyMap<string, number>;
  /** The number of connections accepted. */
  readonly connections: number;
  /** The number of requests that are not answered yet. */
  readonly inFlight: number;
  /** The status of `/` and `/health` from now on; initially 200. */
  healthStatus: number;
  /** The delay of all answers from now on, ms. */
  delayMs: number;
  /** Ends every connection and the server. A second call does nothing. */
  close(): Promise<void>;
  /** Listens again on the same port, after `close`. */
  reopen(): Promise<void>;
}

/**
 * Starts an origin on 127.0.0.1. It answers `/` with its name, `/slow?ms=` after a while, `/large?bytes=` with that many
 * bytes, `/status/503` with that status, `/headers` with the received header fields as JSON, and anything else with the request
 * body. Each answer has `x-origin`.
 */
export async function startOrigin(options: OriginOptions = {}): Promise<Origin> {
  const sockets = new Set<Socket>();
  const seen = new Map<string, number>();
  let server: Server | undefined;
  let port = options.port ?? 0;
  const counts = { requests: 0, connections: 0, inFlight: 0 };

  const listener: RequestListener = (request, response) => {
    const key = `${request.method} ${request.url}`;
    seen.set(key, (seen.get(key) ?? 0) + 1);
    counts.requests++;
    counts.inFlight++;
    response.on('close', () => counts.inFlight--);
    request.on('error', () => {});
    response.on('error', () => {});
    response.setHeader('x-origin', origin.name);
    if (options.handle !== undefined) options.handle(request, response);
    else answer(request, response, origin).catch(() => response.destroy());
  };

  const open = async (): Promise<void> => {
    server = createServer({ keepAliveTimeout: 60_000 }, listener);
    server.on('connection', socket => {
      counts.connections++;
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address !== null && typeof address === 'object') port = address.port;
  };

  const origin: Origin = {
    get url() {
      return `http://127.0.0.1:${port}`;
    },
    get port() {
      return port;
    },
    get name() {
      return options.name ?? String(port);
    },
    get requests() {
      return counts.requests;
    },
    get connections() {
      return counts.connections;
    },
    get inFlight() {
      return counts.inFlight;
    },
    seen,
    healthStatus: 200,
    delayMs: 0,
    async close() {
      const closing = server;
      server = undefined;
      if (closing === undefined) return;
      const closed = once(closing, 'close');
      closing.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
    reopen: open,
  };
  await open();
  return origin;
}

async function answer(request: IncomingMessage, response: ServerResponse, origin: Origin): Promise<void> {
  const url = new URL(request.url ?? '/', origin.url);
  const wait = origin.delayMs + (url.pathname === '/slow' ? Number(url.searchParams.get('ms') ?? 100) : 0);
  if (wait > 0) await sleepUntilClosed(wait, response);
  if (url.pathname === '/' || url.pathname === '/health') {
    response.statusCode = origin.healthStatus;
    response.end(origin.name);
  } else if (url.pathname === '/slow') {
    response.end(origin.name);
  } else if (url.pathname === '/large') {
    await writeLarge(response, Number(url.searchParams.get('bytes') ?? 100_000));
  } else if (url.pathname.startsWith('/status/')) {
    response.statusCode = Number(url.pathname.slice('/status/'.length));
    response.end();
  } else if (url.pathname === '/headers') {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(request.headers));
  } else {
    const type = request.headers['content-type'];
    if (type !== undefined) response.setHeader('content-type', type);
    request.pipe(response);
  }
}

async function writeLarge(response: ServerResponse, bytes: number): Promise<void> {
  const piece = Buffer.alloc(64 * 1024, 'x');
  response.setHeader('content-length', bytes);
  for (let left = bytes; left > 0 && !response.destroyed; left -= piece.length) {
    if (!response.write(piece.subarray(0, Math.min(left, piece.length)))) {
      await Promise.race([once(response, 'drain'), once(response, 'close')]);
    }
  }
  response.end();
}

/** Waits; rejects if the client leaves first, so that no timer outlives its test. */
async function sleepUntilClosed(ms: number, response: ServerResponse): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  await sleep(ms, undefined, { signal: gone.signal });
}
