// AdminServer: the HTTP server of the admin API. Lets in who may, finds the route, answers its JSON.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Logger } from 'pino';
import polka, { type Polka, type Request } from 'polka';
import { describeError, WeldrError } from '../../core/errors.ts';
import type { AdminAnswer, AdminRoute, AdminRoutes } from '../../core/plugin/admin.ts';
import { Precondition } from '../../core/plugin/precondition.ts';
import type { AccessGuard } from './access-guard.ts';
import { problemAnswer } from './problem.ts';
import { readBody } from './request-body.ts';

const defaultMaxBody = 64 * 1024;
/** How long answers that are under way may take when the server closes, ms. */
const closeWithin = 1000;

const limits = {
  maxHeaderSize: 16 * 1024,
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
};
/** Connections at once. */
const maxConnections = 256;

export interface AdminServerOptions {
  readonly routes: AdminRoutes;
  readonly guard: AccessGuard;
  readonly log: Logger;
  /** Is what is answered possibly out of date? */
  stale(): boolean;
}

/** The server; `listen`, then `close`. */
export class AdminServer {
  private readonly options: AdminServerOptions;
  private readonly server: Server;
  private readonly answering = new Map<ServerResponse, Socket>();
  /** Of those, the ones that are answered after the close. */
  private readonly outliving = new WeakSet<ServerResponse>();
  private readonly router: Polka;
  /** Of the routes, how many the router has. */
  private routed = 0;

  constructor(options: AdminServerOptions) {
    this.options = options;
    this.server = createServer(limits, (request, response) => this.receive(request, response));
    this.server.maxConnections = maxConnections;
    this.router = polka({
      server: this.server,
      onNoMatch: (request, response) => this.refuseUnrouted(request, response),
      onError: (error, request, response) => this.refuse(request, response, error),
    });
  }

  /** Listens; the address with its port. Rejects with LISTEN_FAILED. */
  async listen(host: string, port: number): Promise<string> {
    const wanted = addressText(host, port);
    try {
      this.router.listen({ host, port, exclusive: true });
      await once(this.server, 'listening');
    } catch (thrown) {
      throw new WeldrError(
        'LISTEN_FAILED',
        `the admin API cannot listen on ${wanted}: ${listenProblem(thrown)}`,
        {
          cause: thrown,
          field: 'listen',
        },
      );
    }
    const address = this.server.address() as AddressInfo;
    return addressText(address.address, address.port);
  }

  /**
   * Stops listening at once; answers that are under way have a second. Those that wait for this very close, such as
   * that of a reload, are sent later, over their own connections.
   */
  async close(): Promise<void> {
    this.server.close();
    this.server.closeIdleConnections();
    const limit = Promise.withResolvers<void>();
    const timer = setTimeout(limit.resolve, closeWithin);
    const finished = [...this.answering.keys()].filter(response => !this.outliving.has(response)).map(finish);
    await Promise.race([Promise.all(finished), limit.promise]);
    clearTimeout(timer);
    for (const [response, socket] of this.answering) if (!this.outliving.has(response)) socket.destroy();
  }

  // --- one request ---------------------------------------------------------------------------------------------

  /** Comes before the router's own turn. */
  private receive(request: IncomingMessage, response: ServerResponse): void {
    this.answering.set(response, request.socket);
    response.once('close', () => this.answering.delete(response));
    // Plugins that come later in the config add their routes later.
    const { routes } = this.options;
    if (this.routed === routes.size) return;
    for (const route of [...routes].slice(this.routed)) {
      this.router.add(route.method, route.path, (routable, answer) => this.serve(route, routable, answer));
    }
    this.routed = routes.size;
  }

  private async serve(route: AdminRoute, request: Request, response: ServerResponse): Promise<void> {
    let answer: AdminAnswer;
    try {
      this.options.guard.check(request.path, request.headers);
      const hasBody = route.method !== 'GET' && route.method !== 'DELETE';
      const precondition = new Precondition({
        ifMatch: request.headers['if-match'],
        ifNoneMatch: request.headers['if-none-match'],
      });
      if (route.method !== 'GET' && route.conditional !== true) {
        precondition.refuse(`${route.method} ${request.path}`);
      }
      const body = hasBody ? await readBody(request, route.maxBody ?? defaultMaxBody) : undefined;
      if (route.outlivesServer) this.outliving.add(response);
      answer = await route.handle({
        method: route.method,
        path: request.path,
        params: request.params,
        query: new URLSearchParams(request.search),
        precondition,
        by: this.options.guard.callerOf(request.socket.remoteAddress),
        body,
      });
    } catch (thrown) {
      this.refuse(request, response, thrown);
      return;
    }
    this.send(request, response, answer);
  }

  private refuseUnrouted(request: Request, response: ServerResponse): void {
    const path = request.path.slice(0, 200);
    try {
      this.options.guard.check(request.path, request.headers);
    } catch (thrown) {
      this.refuse(request, response, thrown);
      return;
    }
    const allow = this.methodsOf(request.path).join(', ');
    if (allow === '') {
      this.refuse(
        request,
        response,
        new WeldrError('NOT_FOUND', `there is no ${path}; GET / lists what there is`),
      );
      return;
    }
    const error = new WeldrError('METHOD_NOT_ALLOWED', `${path} takes ${allow}, not ${request.method}`);
    this.refuse(request, response, error, { Allow: allow });
  }

  private methodsOf(path: string): string[] {
    const methods = (['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const).filter(
      method => this.router.find(method, path).handlers.length > 0,
    );
    return methods.flatMap(method => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
  }

  private refuse(
    request: IncomingMessage,
    response: ServerResponse,
    thrown: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): void {
    if (!(thrown instanceof WeldrError)) {
      this.options.log.error({ err: thrown }, `${request.method} ${request.url}: ${describeError(thrown)}`);
    }
    // What is left of a refused body is not read: the connection ends with the answer.
    this.send(
      request,
      response,
      problemAnswer(thrown, request.complete ? headers : { ...headers, Connection: 'close' }),
    );
  }

  private send(request: IncomingMessage, response: ServerResponse, answer: AdminAnswer): void {
    if (response.headersSent || response.destroyed) return;
    const { log, stale } = this.options;
    const text = bodyText(answer);
    response.writeHead(answer.status, {
      ...(text === undefined
        ? {}
        : {
            'Content-Type': answer.contentType ?? 'application/json',
            'Content-Length': Buffer.byteLength(text),
          }),
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      ...(stale() ? { 'Weldr-Stale': 'true' } : {}),
      ...(this.server.listening ? {} : { Connection: 'close' }),
      ...answer.headers,
    });
    response.end(text);
    const line = {
      method: request.method,
      path: request.url,
      status: answer.status,
      from: request.socket.remoteAddress,
    };
    const level = request.method === 'GET' || request.method === 'HEAD' ? 'debug' : 'info';
    log[level](line, `${request.method} ${request.url} ${answer.status}`);
  }
}

async function finish(response: ServerResponse): Promise<void> {
  if (!response.closed) await once(response, 'close');
}

function bodyText({ body, contentType }: AdminAnswer): string | undefined {
  if (body === undefined) return undefined;
  return contentType === undefined ? `${JSON.stringify(body)}\n` : String(body);
}

function addressText(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function listenProblem(thrown: unknown): string {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
  if (code === 'EADDRINUSE')
    return 'the port is taken by another process; stop that, or choose another with --admin-ip, WELDR_ADMIN_LISTEN or adminApi({ listen })';
  if (code === 'EACCES') return 'ports below 1024 need a privilege; choose another with adminApi({ listen })';
  if (code === 'EADDRNOTAVAIL') return 'no interface of this machine has that address';
  return describeError(thrown);
}
