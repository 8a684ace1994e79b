// AdminServer: the HTTP server of the admin API. Admits callers, finds the route, sends its answer.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import polka, { type Polka, type Request } from 'polka';
import { adoptError, describeError, WeldrError } from '../../core/errors.ts';
import { RefusalLog } from '../../core/log/refusal-log.ts';
import { hostAndPort } from '../../core/network/host-text.ts';
import type { AdminAnswer, AdminRoute, AdminRoutes, StreamWish } from '../../core/plugin/admin.ts';
import { knownQuery } from '../../core/plugin/admin-query.ts';
import { Precondition } from '../../core/plugin/precondition.ts';
import type { Clock } from '../../core/time/clock.ts';
import { absentKind } from './absent-kinds.ts';
import type { AccessGuard, Call, Caller } from './access-guard.ts';
import type { AdminConnection } from './admin-connection.ts';
import { AdminConnections } from './admin-connections.ts';
import { ByteBudget } from './byte-budget.ts';
import { CallLog, type LoggedCall } from './call-log.ts';
import { EventStreams } from './event-streams.ts';
import { listenProblem } from './listen-problem.ts';
import { noPath } from './nearest-path.ts';
import type { PageDoor } from './page-door.ts';
import { problemAnswer } from './problem.ts';
import { readBody } from './request-body.ts';
import type { Session } from './sessions.ts';
import type { TlsDoor } from './tls-door.ts';

// Other modules that only a manager loads, in the same chunk of the bundle.
export { addEventRoutes } from './event-routes.ts';
export { OverviewMemory } from './overviews.ts';
export { PageDoor } from './page-door.ts';
export { Sessions } from './sessions.ts';

const defaultMaxBody = 64 * 1024;
/** How long pending responses may take when the server closes, ms. */
const closeWithin = 1000;

const limits = {
  maxHeaderSize: 16 * 1024,
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
};
/** Bytes that request bodies and responses may hold together. */
const maxHeld = 4 * 1024 * 1024;
/** Responses up to this size do not count, because each connection has at most one; bytes. */
const smallAnswer = 16 * 1024;
const busy = 'the admin API is at its limit of bytes under way; try again in a moment';

export interface AdminServerOptions {
  readonly routes: AdminRoutes;
  readonly guard: AccessGuard;
  readonly pageDoor: PageDoor;
  readonly log: Logger;
  readonly clock: Clock;
  /** Undefined: plain HTTP. */
  readonly door: TlsDoor | undefined;
  /** Returns whether responses may be out of date. */
  stale(): boolean;
}

/** The server: call `listen`, later `close`. */
export class AdminServer {
  private readonly options: AdminServerOptions;
  private readonly server: Server;
  private readonly connections: AdminConnections;
  private readonly callLog: CallLog;
  private readonly budget = new ByteBudget(maxHeld);
  private readonly answering = new Map<ServerResponse, AdminConnection>();
  /** Responses that are sent after the close. */
  private readonly outliving = new WeakSet<ServerResponse>();
  private readonly streams: EventStreams;
  /** Calls of the dashboard's page. */
  private readonly ofPage = new WeakSet<IncomingMessage>();
  /** The callers of admitted calls. */
  private readonly callers = new WeakMap<IncomingMessage, Caller>();
  private readonly sessions = new WeakMap<IncomingMessage, Session>();
  private readonly router: Polka;
  /** The number of routes that the router has. */
  private routed = 0;
  private hasSessions = false;

  constructor(options: AdminServerOptions) {
    this.options = options;
    this.server = createServer(limits);
    const { door, clock, log } = options;
    const refusals = new RefusalLog(log, clock);
    this.callLog = new CallLog(log, refusals);
    this.connections = new AdminConnections(this.server, { refusals, door, clock, log });
    this.streams = new EventStreams(clock);
    this.router = polka({
      server: this.server,
      onNoMatch: (request, response) => this.refuseUnrouted(request, response),
      onError: (error, request, response) => this.refuse(request, response, error),
    });
  }

  /** Listens, and resolves with the address and port. Rejects with LISTEN_FAILED. */
  async listen(host: string, port: number): Promise<string> {
    const wanted = hostAndPort(host, port);
    try {
      this.router.listen({ host, port, exclusive: true });
      this.putBeforeRouter();
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
    const { address, port: taken } = this.server.address() as AddressInfo;
    const listening = hostAndPort(address, taken);
    this.options.pageDoor.listensOn(listening);
    return listening;
  }

  /** Passes a request to the router when its turn comes. */
  private putBeforeRouter(): void {
    const { server } = this;
    const listeners = server.listeners('request');
    server.removeAllListeners('request');
    server.on('request', (request, response) =>
      this.receive(request, response, () => {
        for (const listener of listeners) Reflect.apply(listener, server, [request, response]);
      }),
    );
  }

  /**
   * Stops listening at once; pending responses have a second. Those that wait for this very close, such as
   * that of a reload, are sent later, over their own connections.
   */
  async close(): Promise<void> {
    this.server.close();
    this.server.closeIdleConnections();
    this.connections.endHandshakes();
    this.options.door?.close();
    this.streams.close();
    const limit = Promise.withResolvers<void>();
    const timer = setTimeout(limit.resolve, closeWithin);
    const finished = [...this.answering.keys()].filter(response => !this.outliving.has(response)).map(finish);
    await Promise.race([Promise.all(finished), limit.promise]);
    clearTimeout(timer);
    for (const [response, connection] of this.answering) {
      if (!this.outliving.has(response)) connection.destroy();
    }
  }

  // --- one request ---------------------------------------------------------------------------------------------

  /** @param route passes the request to the router */
  private receive(request: IncomingMessage, response: ServerResponse, route: () => void): void {
    const connection = this.connections.take(request);
    connection.queue(request, response, () => {
      this.answering.set(response, connection);
      response.once('close', () => this.answering.delete(response));
      this.addRoutes();
      this.routeOrLead(request, response, route);
    });
  }

  private routeOrLead(request: IncomingMessage, response: ServerResponse, route: () => void): void {
    const { pageDoor } = this.options;
    const lead = pageDoor.leadOf(request);
    if (lead !== undefined) {
      this.send(request, response, {
        status: 303,
        body: undefined,
        headers: { Location: lead, Vary: 'Accept' },
      });
      return;
    }
    const target = pageDoor.targetOf(request);
    if (target !== undefined) {
      this.ofPage.add(request);
      if (target !== '/session') request.url = target;
    }
    route();
  }

  private addRoutes(): void {
    // Later plugins of the config add their routes later.
    const { routes } = this.options;
    if (this.routed === routes.size) return;
    for (const route of [...routes].slice(this.routed)) {
      this.router.add(route.method, route.path, (routable, answer) => this.serve(route, routable, answer));
    }
    this.routed = routes.size;
    const { page } = routes;
    if (page === undefined || this.hasSessions) return;
    this.hasSessions = true;
    for (const method of ['GET', 'POST', 'DELETE'] as const)
      this.router.add(method, `${page.path}api/session`, (routable, answer) => {
        const { pageDoor, guard } = this.options;
        return this.serve(pageDoor.sessionRoute(method, guard, this.callOf(routable)), routable, answer);
      });
  }

  private callOf(request: Request): Call {
    const { method = 'GET', path, headers } = request;
    const { remoteAddress: address, certificate } = this.connections.of(request);
    const viaPage = this.ofPage.has(request);
    const session = viaPage ? this.options.pageDoor.sessionOf(headers) : undefined;
    if (session !== undefined) this.sessions.set(request, session);
    return { method, path, headers, address, certificate, viaPage, session };
  }

  /** Admits a caller to a route. Throws UNAUTHORIZED or FORBIDDEN. */
  private admit(route: AdminRoute, request: Request): Caller {
    const { method, access = method === 'GET' ? 'readers' : 'operators' } = route;
    const call = this.callOf(request);
    const caller: Caller =
      access === 'everybody'
        ? { role: 'reader', by: call.address ?? 'an unknown address' }
        : this.options.guard.admit(call);
    this.callers.set(request, caller);
    if (access !== 'operators' || caller.role === 'operator') return caller;
    throw new WeldrError('FORBIDDEN', 'the read-only token does not allow changes');
  }

  private async serve(route: AdminRoute, request: Request, response: ServerResponse): Promise<void> {
    try {
      const answer = await this.answerOf(route, request, response);
      if (answer.stream === undefined) this.send(request, response, answer);
      else this.beginStream(request, response, answer.stream);
      this.callLog.answered(this.loggedOf(request), answer.status);
    } catch (thrown) {
      this.refuse(request, response, thrown);
    }
  }

  private async answerOf(
    route: AdminRoute,
    request: Request,
    response: ServerResponse,
  ): Promise<AdminAnswer> {
    const connection = this.connections.of(request);
    const { method } = route;
    let held = 0;
    try {
      const { role, by } = this.admit(route, request);
      const query = knownQuery(route, request, this.options.routes);
      const precondition = new Precondition({
        ifMatch: request.headers['if-match'],
        ifNoneMatch: request.headers['if-none-match'],
      });
      if (method !== 'GET' && route.conditional !== true) precondition.refuse(`${method} ${request.path}`);
      const hasBody = method !== 'GET' && method !== 'DELETE';
      const body = hasBody
        ? await readBody(request, route.maxBody ?? defaultMaxBody, bytes => {
            held += this.hold(bytes);
          })
        : undefined;
      if (route.outlivesServer) this.outliving.add(response);
      connection.working = true;
      return await route.handle({
        method,
        path: request.path,
        params: request.params,
        query,
        precondition,
        stream: wishOf(request),
        accept: request.headers.accept,
        by,
        role,
        body,
      });
    } finally {
      connection.working = false;
      this.budget.release(held);
    }
  }

  /** Counts bytes against the budget and returns them. Throws OVERLOADED. */
  private hold(bytes: number): number {
    if (!this.budget.hold(bytes)) throw new WeldrError('OVERLOADED', busy);
    return bytes;
  }

  private refuseUnrouted(request: Request, response: ServerResponse): void {
    const path = request.path.slice(0, 200);
    try {
      this.options.guard.admit(this.callOf(request));
    } catch (thrown) {
      this.refuse(request, response, thrown);
      return;
    }
    const allow = this.methodsOf(request.path).join(', ');
    if (allow === '') {
      const absent = absentKind(request.path, other => this.methodsOf(other).length > 0);
      const why = absent ?? noPath(path, this.options.routes);
      this.refuse(request, response, new WeldrError('NOT_FOUND', why));
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
    raised: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): void {
    const thrown = adoptError(raised);
    if (!(thrown instanceof WeldrError)) {
      this.options.log.error({ err: thrown }, `${request.method} ${request.url}: ${describeError(thrown)}`);
    }
    // The rest of a refused body is not read: the connection ends with the response.
    const answer = problemAnswer(thrown, request.complete ? headers : { ...headers, Connection: 'close' });
    this.send(request, response, answer);
    this.callLog.failed(this.loggedOf(request), answer.status, thrown);
  }

  private loggedOf(request: IncomingMessage): LoggedCall {
    const { method, url = '' } = request;
    const { remoteAddress: from } = this.connections.of(request);
    return { method, url, from, by: this.callers.get(request)?.by };
  }

  private beginStream(
    request: IncomingMessage,
    response: ServerResponse,
    start: NonNullable<AdminAnswer['stream']>,
  ): void {
    if (response.destroyed) return;
    if (!this.server.listening) throw new WeldrError('OVERLOADED', 'the admin API is closing');
    this.streams.begin(response, this.commonHeaders, start, () => this.isStillIn(request));
    // While it lasts, the connection is not idle, and is not closed to make room.
    this.connections.of(request).streams();
  }

  /** Returns whether the session of a stream is still valid. An open page counts as use. */
  private isStillIn(request: IncomingMessage): boolean {
    const session = this.sessions.get(request);
    return session === undefined || this.options.pageDoor.sessionOf(request.headers) === session;
  }

  private get commonHeaders(): Record<string, string> {
    return {
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      ...(this.options.stale() ? { 'Weldr-Stale': 'true' } : {}),
    };
  }

  private send(request: IncomingMessage, response: ServerResponse, answer: AdminAnswer): void {
    if (response.headersSent || response.destroyed) return;
    const content = contentOf(answer);
    const bytes = content === undefined ? 0 : Buffer.byteLength(content);
    if (bytes > smallAnswer) {
      const held = this.hold(bytes);
      response.once('close', () => this.budget.release(held));
    }
    response.writeHead(answer.status, {
      ...(content === undefined
        ? {}
        : {
            'Content-Type': answer.contentType ?? 'application/json',
            'Content-Length': bytes,
          }),
      ...this.commonHeaders,
      ...(this.server.listening ? {} : { Connection: 'close' }),
      ...answer.headers,
    });
    response.end(content);
    this.connections.of(request).answered(bytes);
  }
}

/** Undefined: the caller does not want a stream. */
function wishOf({ method, headers }: IncomingMessage): StreamWish | undefined {
  if (method !== 'GET' || !/(^|,)\s*text\/event-stream\s*(;|,|$)/i.test(headers.accept ?? ''))
    return undefined;
  const lastEventId = headers['last-event-id'];
  return { lastEventId: Array.isArray(lastEventId) ? undefined : lastEventId };
}

async function finish(response: ServerResponse): Promise<void> {
  if (!response.closed) await once(response, 'close');
}

function contentOf({ body, contentType }: AdminAnswer): string | Uint8Array | undefined {
  if (body === undefined || body instanceof Uint8Array) return body;
  return contentType === undefined ? `${JSON.stringify(body)}\n` : String(body);
}
