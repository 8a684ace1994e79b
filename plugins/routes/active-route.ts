// ActiveRoute: a route in a worker: where its requests go, and the edits of requests and responses.
import type { WorkerSide } from '../../core/plugin/plugin.ts';
import type { Pool } from '../../core/pool/pool.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import { contextSlot } from '../../core/request/context-slot.ts';
import { type Reply, reply } from '../../core/request/reply.ts';
import { RequestFacts } from '../../core/request/request-facts.ts';
import type { Route, RouteReply } from '../../core/request/route.ts';
import { capture } from './captures.ts';
import { putPrefix } from './prefix.ts';
import { locationOf, redirectTarget } from './redirect.ts';
import { editHeaders, type RequestEdit, requestEdits } from './request-edits.ts';
import { asList, compileConditions, conditionsOf } from './route-conditions.ts';
import type { IndexedRoute, RouteEntry } from './route-entry.ts';
import type { OtherwiseOptions, RedirectOptions, ReplyOptions, RouteOptions } from './route-options.ts';
import { Split } from './split.ts';

/** Edits `ctx.response`. */
type ResponseEdit = (ctx: ProxyContext) => void;

type Means = Pick<WorkerSide, 'pools' | 'route'>;

/** The host and path of the route that took a request, if its reply depends on them. */
const taken = contextSlot<RouteEntry>('routes.taken');

/** A route in a worker. */
export class ActiveRoute implements IndexedRoute {
  readonly name: string;
  readonly priority: number;
  readonly hosts: readonly (string | RegExp)[];
  readonly paths: readonly (string | RegExp)[];
  readonly conditions: number;
  readonly holds: ((ctx: ProxyContext) => boolean) | undefined;
  /** All destinations of its requests. */
  readonly routes: readonly Route[];
  readonly responseEdits: readonly ResponseEdit[];
  private readonly split: Split | undefined;
  private readonly edits: readonly RequestEdit[];
  private readonly remembersEntry: boolean;

  constructor(options: RouteOptions, where: string, side: Means) {
    const { name, priority, host, path, split, sticky } = options;
    this.name = name;
    this.priority = priority;
    this.hosts = host === undefined ? [] : asList(host);
    this.paths = path === undefined ? [] : asList(path);
    this.conditions = conditionsOf(options).size;
    this.holds = compileConditions(options, where);
    const ends = endsOf(options, side);
    const [pattern, ...more] = this.paths;
    const isOne = typeof pattern === 'string' && more.length === 0;
    this.routes = ends.map(end => side.route(name, end, isOne ? pattern : undefined));
    this.split = split === undefined ? undefined : new Split(this.routes, Object.values(split), sticky);
    this.edits = requestEdits(options);
    this.remembersEntry = options.redirect !== undefined;
    this.responseEdits = responseEdits(options, this.split);
  }

  /** Edits a request that this host and path of the route takes, and returns its destination. */
  take(ctx: ProxyContext, entry: RouteEntry): Route | undefined {
    for (let i = 0; i < this.edits.length; i++) this.edits[i]?.(ctx, entry);
    if (this.remembersEntry) ctx.set(taken, entry);
    return this.split === undefined ? this.routes[0] : this.split.choose(ctx);
  }
}

/** Returns the destination of requests that no route takes; undefined: it is not configured. */
export function otherwiseRoute(options: OtherwiseOptions | undefined, side: Means): Route | undefined {
  const [end] = options === undefined ? [] : endsOf(options, side);
  return end === undefined ? undefined : side.route('otherwise', end);
}

function endsOf(
  { pool, split, redirect, reply: replied }: Pick<RouteOptions, 'pool' | 'split' | 'redirect' | 'reply'>,
  { pools }: Means,
): (Pool | RouteReply)[] {
  if (pool !== undefined) return [pools.ensure(pool)];
  if (split !== undefined) return Object.keys(split).map(name => pools.ensure(name));
  if (redirect !== undefined) return [redirecting(redirect)];
  return replied === undefined ? [] : [always(replied)];
}

function redirecting({ to, status }: RedirectOptions): RouteReply {
  const target = redirectTarget(to);
  return ctx => {
    const { path } = RequestFacts.of(ctx);
    const captures = capture(ctx.get(taken)?.path ?? { kind: 'any' }, path.normal) ?? {};
    return reply(status, '', { Location: locationOf(target, captures, path) });
  };
}

function always({ status, headers = {}, body }: ReplyOptions): RouteReply {
  const made: Reply = reply(status, body, headers);
  return () => made;
}

function responseEdits(options: RouteOptions, split: Split | undefined): ResponseEdit[] {
  const { stripPrefix, upstreamHost, responseHeaders, sticky } = options;
  const edits: ResponseEdit[] = [];
  if (stripPrefix !== undefined || upstreamHost !== undefined) {
    edits.push(ctx => putRight(ctx, stripPrefix ?? ''));
  }
  if (responseHeaders !== undefined) {
    edits.push(({ response }) => {
      if (response !== undefined) editHeaders(response.headers, responseHeaders);
    });
  }
  if (split !== undefined && sticky !== undefined) edits.push(ctx => split.respond(ctx));
  return edits;
}

/** Replaces the upstream's own address in the response with the one that clients use. */
function putRight(ctx: ProxyContext, prefix: string): void {
  const { response, upstream, outgoing, request } = ctx;
  if (response?.source !== 'upstream' || upstream === undefined) return;
  const upstreamHosts = [outgoing.host, upstream.ownHost ?? '', upstream.authority];
  putPrefix(response, { prefix, target: outgoing.target, host: request.host, upstreamHosts });
}
