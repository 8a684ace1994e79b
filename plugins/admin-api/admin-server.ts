// AdminServer: the HTTP server of the admin API. Lets in who may, finds the route, answers its JSON.

import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import polka, { type Polka, type Request } from 'polka';
import { adoptError, describeError, type ErrorCode, WeldrError } from '../../core/errors.ts';
import { RefusalLog } from '../../core/log/refusal-log.ts';
import { hostAndPort } from '../../core/network/host-text.ts';
import type { AdminAnswer, AdminRoute, AdminRoutes, StreamWish } from '../../core/plugin/admin.ts';
import { Precondition } from '../../core/plugin/precondition.ts';
import type { Clock } from '../../core/time/clock.ts';
import { absentKind } from './absent-kinds.ts';
import type { AccessGuard, Call, Caller } from './access-guard.ts';
import type { AdminConnection } from './admin-connection.ts';
import { AdminConnections } from './admin-connections.ts';
import { ByteBudget } from './byte-budget.ts';
import { EventStreams } from './event-streams.ts';
import type { PageDoor } from './page-door.ts';
import { problemAnswer } from './problem.ts';
import { readBody } from './request-body.ts';
import type { Session } from './sessions.ts';
import type { TlsDoor } from './tls-door.ts';

// What else only a manager loads, in the same file of the bundle.
export { addEventRoutes } from './event-routes.ts';
export { OverviewMemory } from './overviews.ts';
export { PageDoor } from './page-door.ts';
export { Sessions } from './sessions.ts';

const defaultMaxBody = 64 * 1024;
/** How long answers that are under way may take when the server closes, ms. */
const closeWithin = 1000;

/** Errors of those who may not, or not now; other errors are the business of who asked. */
const refusals: ReadonlySet<ErrorCode> = new Set(['UNAUTHORIZED', 'FORBIDDEN', 'OVERLOADED']);

const limits = {
  maxHeaderSize: 16 * 1024,
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
};
/** Bytes that bodies and answers may hold together. */
const maxHeld = 4 * 1024 * 1024;
/** An answer up to here does not count: each connection has one at most. Bytes. */
const smallAnswer = 16 * 1024;
const busy = 'the admin API is at its limit of bytes under way; try again in a moment';

export interface AdminServerOptions {
  readonly routes: AdminRoutes;
  readonly guard: AccessGuard;
  readonly pageDoor: PageDoor;
  readonly log: Logger;
  readonly clock: Clock;
  /** Undefined: callers speak plain HTTP. */
  readonly door: TlsDoor | undefined;
  /** Is what is answered possibly out of date? */
  stale(): boolean;
}

/** The server; `listen`, then `close`. */
export class AdminServer {
  private readonly options: AdminServerOptions;
  private readonly server: Server;
  private readonly connections: AdminConnections;
  private readonly refusals: RefusalLog;
  private readonly budget = new ByteBudget(maxHeld);
  private readonly answering = new Map<ServerResponse, AdminConnection>();
  /** Of those, the ones that are answered after the close. */
  private readonly outliving = new WeakSet<ServerResponse>();
  private readonly streams: EventStreams;
  /** Calls of the page for browsers. */
  private readonly ofPage = new WeakSet<IncomingMessage>();
  /** Who made a call, as far as it was let in. */
  private readonly callers = new WeakMap<IncomingMessage, Caller>();
  private readonly sessions = new WeakMap<IncomingMessage, Session>();
  private readonly router: Polka;
  /** Of the routes, how many the router has. */
  private routed = 0;
  private hasSessions = false;

  constructor(options: AdminServerOptions) {
    this.options = options;
    this.server = createServer(limits);
    this.refusals = new RefusalLog(options.log, options.clock);
    const { door, clock, log } = options;
    this.connections = new AdminConnections(this.server, { refusals: this.refusals, door, clock, log });
    this.streams = new EventStreams(clock);
    this.router = polka({
      server: this.server,
      onNoMatch: (request, response) => this.refuseUnrouted(request, response),
      onError: (error, request, response) => this.refuse(request, response, error),
    });
  }

  /** Listens; the address with its port. Rejects with LISTEN_FAILED. */
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

  /** Lets a request come to the router when it is its turn. */
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
   * Stops listening at once; answers that are under way have a second. Those that wait for this very close, such as
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

  /** `route`: what the router does with a request. */
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
    // Plugins that come later in the config add their routes later.
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

  /** Lets a caller in, to what a route needs. Throws UNAUTHORIZED or FORBIDDEN. */
  private admit(route: AdminRoute, request: Request): Caller {
    const { method, access = method === 'GET' ? 'readers' : 'operators' } = route;
    const call = this.callOf(request);
    const caller: Caller =
      access === 'everybody'
        ? { role: 'reader', by: call.address ?? 'somebody' }
        : this.options.guard.admit(call);
    this.callers.set(request, caller);
    if (access !== 'operators' || caller.role === 'operator') return caller;
    throw new WeldrError('FORBIDDEN', 'the read-only token lets nobody change anything');
  }

  private async serve(route: AdminRoute, request: Request, response: ServerResponse): Promise<void> {
    try {
      const answer = await this.answerOf(route, request, response);
      if (answer.stream === undefined) this.send(request, response, answer);
      else this.beginStream(request, response, answer.stream);
      this.logCall(request, answer);
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
        query: new URLSearchParams(request.search),
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

  /** The bytes, which count from now on. Throws OVERLOADED. */
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
      const why = absent ?? `there is no ${path}; GET / lists what there is`;
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
    // What is left of a refused body is not read: the connection ends with the answer.
    const answer = problemAnswer(thrown, request.complete ? headers : { ...headers, Connection: 'close' });
    this.send(request, response, answer);
    if (thrown instanceof WeldrError && refusals.has(thrown.code)) this.noteRefusal(request, thrown);
    else this.logCall(request, answer);
  }

  private noteRefusal(request: IncomingMessage, { status, message }: WeldrError): void {
    const { method, url = '' } = request;
    // A query may have been meant to be secret.
    const path = (url.split('?')[0] ?? '').slice(0, 200);
    const from = this.connections.of(request).remoteAddress;
    this.refusals.note({ method, path, status, from }, `refused ${method} ${path}: ${message}`);
  }

  private logCall(request: IncomingMessage, { status }: AdminAnswer): void {
    const { method, url: path } = request;
    const level = method === 'GET' || method === 'HEAD' ? 'debug' : 'info';
    const from = this.connections.of(request).remoteAddress;
    const by = this.callers.get(request)?.by;
    this.options.log[level]({ method, path, status, from, by }, `${method} ${path} ${status}`);
  }

  private beginStream(
    request: IncomingMessage,
    response: ServerResponse,
    start: NonNullable<AdminAnswer['stream']>,
  ): void {
    if (response.destroyed) return;
    if (!this.server.listening) throw new WeldrError('OVERLOADED', 'the admin API is closing');
    this.streams.begin(response, this.commonHeaders, start, () => this.isStillIn(request));
    // As long as it goes on it is no idle connection, which would make room for others.
    this.connections.of(request).streams();
  }

  /** Does the session go on by which a stream was asked for? A page that is open is in use. */
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

/** Undefined: the caller does not ask for a stream. */
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

function listenProblem(thrown: unknown): string {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
  if (code === 'EADDRINUSE')
    return 'the port is taken by another process; stop that, or choose another with --admin-ip, WELDR_ADMIN_LISTEN or adminApi({ listen })';
  if (code === 'EACCES')
    return 'this user may not listen on that port; choose one from 1024 up with --admin-ip, WELDR_ADMIN_LISTEN or adminApi({ listen })';
  if (code === 'EADDRNOTAVAIL')
    return 'this machine has no such address; choose one that `ip address` lists with adminApi({ listen })';
  if (code === 'ENOTFOUND')
    return 'there is no such name; choose an address of this machine with adminApi({ listen })';
  return describeError(thrown);
}
