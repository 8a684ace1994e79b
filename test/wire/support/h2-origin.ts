// An HTTP/2 origin made with node:http2, over TLS (with HTTP/1.1 if allowed) or without.
import { once } from 'node:events';
import {
  createSecureServer,
  createServer,
  type Http2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type Http2Session,
  type ServerOptions,
} from 'node:http2';
import type { Socket } from 'node:net';
import { certificate, privateKey } from '../../support/certificate.ts';

/** Options of an origin. */
export interface H2OriginOptions extends ServerOptions {
  readonly tls?: boolean;
  /** The protocols that it offers over TLS; default: only HTTP/2. */
  readonly offers?: 'h2' | 'both' | 'http/1.1';
  /** Listens on a unix socket at this path. */
  readonly path?: string;
}

/** One running origin. */
export class H2Origin {
  /** All sessions that were opened. */
  readonly sessions: Http2Session[] = [];
  /** Connections that were accepted. */
  connections = 0;
  readonly server: Http2Server;
  private readonly sockets = new Set<Socket>();
  private readonly scheme: string;

  private constructor(server: Http2Server, scheme: string) {
    this.server = server;
    this.scheme = scheme;
    server.on('session', session => {
      this.sessions.push(session);
      session.on('error', () => {});
    });
    server.on('sessionError', () => {});
    server.on('connection', socket => {
      this.connections++;
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('error', () => {});
    });
  }

  /** Starts one on a free port. */
  static async start(
    answer: (request: Http2ServerRequest, response: Http2ServerResponse) => void,
    { tls = false, offers = 'h2', path, ...options }: H2OriginOptions = {},
  ): Promise<H2Origin> {
    const material = { cert: certificate, key: privateKey };
    const alpn = offers === 'http/1.1' ? { ALPNCallback: () => 'http/1.1' } : {};
    const server = tls
      ? createSecureServer({ ...options, ...material, ...alpn, allowHTTP1: offers !== 'h2' })
      : createServer(options);
    const origin = new H2Origin(server, tls ? 'https' : 'h2c');
    server.on('request', (request, response) => {
      for (const end of [request, response, response.stream]) end?.on('error', () => {});
      answer(request, response);
    });
    if (path === undefined) server.listen(0, '127.0.0.1');
    else server.listen(path);
    await once(server, 'listening');
    return origin;
  }

  get port(): number {
    const address = this.server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  get url(): string {
    return `${this.scheme}://127.0.0.1:${this.port}`;
  }

  async close(): Promise<void> {
    for (const session of this.sessions) session.destroy();
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    if (this.server.listening) await once(this.server, 'close');
  }
}

/** Reads a body to its end. */
export async function bodyOf(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}
