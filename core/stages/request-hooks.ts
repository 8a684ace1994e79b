// The hooks of a request and of its connection, one documented line each: the table of contents of a request's life.
import { AsyncSeriesBailHook, SyncBailHook, SyncHook } from 'tapable';
import type { WeldrError } from '../errors.ts';
import { isPool, isUpstream, type Pool, type Upstream } from '../pool/pool.ts';
import { type ProxyContext, stateOf } from '../request/context.ts';
import { isReply, type Reply } from '../request/reply.ts';
import { Retry, retry } from '../request/retry.ts';
import { isRoute, type Route } from '../request/route.ts';
import type { ConnectionInfo } from './connection-info.ts';
import { guardConnection, guardListener, guardRespond, guardStage } from './tap-guard.ts';

/** The hooks of one plugin in a worker, in the order in which they run. */
export interface RequestHooks {
  /** A connection was accepted: look at the peer; `'refuse'` closes it. */
  readonly connection: SyncBailHook<[ConnectionInfo], 'refuse' | undefined>;
  /** Once per request, before anything is chosen: admit it or return a reply, edit `ctx.outgoing`. */
  readonly request: AsyncSeriesBailHook<[ProxyContext], Reply | undefined>;
  /** Once per request: return where it goes; the first tap that does wins. If none does: pool `default`. */
  readonly route: SyncBailHook<[ProxyContext], Pool | Route | Reply | undefined>;
  /** For each attempt: return an upstream of `ctx.pool`; the first tap that does wins. If none does: the pool's fallback, then 503. */
  readonly selectUpstream: AsyncSeriesBailHook<[ProxyContext], Upstream | undefined>;
  /** For each choice: return whether this upstream may be given this request; after `false`, another one is chosen. */
  readonly eligible: SyncBailHook<[ProxyContext, Upstream], boolean | undefined>;
  /** For each attempt, before anything is sent: edit this attempt's `ctx.outgoing`; a reply ends the request here. */
  readonly preProxy: AsyncSeriesBailHook<[ProxyContext], Reply | undefined>;
  /** The response head has arrived (`ctx.response`), or the attempt has failed (`ctx.error`): return `retry` for another attempt. */
  readonly judge: AsyncSeriesBailHook<[ProxyContext], Retry | typeof retry | undefined>;
  /** Once, on the outcome that is kept: edit `ctx.response`, or return a reply instead. */
  readonly postProxy: AsyncSeriesBailHook<[ProxyContext], Reply | undefined>;
  /** Once for each final response head that leaves, replies and errors included: edit it; a reply replaces a reply or an error. */
  // biome-ignore lint/suspicious/noConfusingVoidType: a tap that only edits returns nothing
  readonly respond: SyncHook<[ProxyContext], Reply | undefined | void>;
  /** Once per attempt, after its last byte, its failure or its abort: look, change nothing. */
  readonly attemptFinished: SyncHook<[ProxyContext]>;
  /** Once per request, refused ones included, after its last byte, its failure or its abort: look, change nothing. */
  readonly finished: SyncHook<[ProxyContext]>;
  /** Once per connection, turned-away ones included: look, change nothing. */
  readonly connectionFinished: SyncHook<[ConnectionInfo]>;
}

/** The names of hooks, in the order in which they run. */
export function keysOf<T extends object>(hooks: T): (keyof T)[] {
  return Object.keys(hooks) as (keyof T)[];
}

/** Receives what a plugin threw where no request can fail because of it; `requestId`: the request that it was about. */
export type ReportPluginError = (error: WeldrError, requestId?: string) => void;

/**
 * The hooks of one plugin, guarded so that its mistakes fail its request with a message that names it. `plugin` is the
 * name; undefined: what each tap calls itself.
 */
export function createHooks(report: ReportPluginError, plugin?: string): RequestHooks {
  const hooks: RequestHooks = {
    connection: new SyncBailHook(['connection'], 'connection'),
    request: new AsyncSeriesBailHook(['ctx'], 'request'),
    route: new SyncBailHook(['ctx'], 'route'),
    selectUpstream: new AsyncSeriesBailHook(['ctx'], 'selectUpstream'),
    eligible: new SyncBailHook(['ctx', 'upstream'], 'eligible'),
    preProxy: new AsyncSeriesBailHook(['ctx'], 'preProxy'),
    judge: new AsyncSeriesBailHook(['ctx'], 'judge'),
    postProxy: new AsyncSeriesBailHook(['ctx'], 'postProxy'),
    respond: new SyncHook(['ctx'], 'respond'),
    attemptFinished: new SyncHook(['ctx'], 'attemptFinished'),
    finished: new SyncHook(['ctx'], 'finished'),
    connectionFinished: new SyncHook(['connection'], 'connectionFinished'),
  };
  const guard = { report, plugin };
  guardConnection(hooks.connection, guard);
  guardStage(hooks.request, guard, 'a reply', isReply);
  guardStage(hooks.route, guard, 'a pool, a route, a reply', isDestination);
  guardStage(hooks.selectUpstream, guard, 'an upstream of ctx.pool', isOfPool);
  guardStage(hooks.eligible, guard, 'false', value => typeof value === 'boolean');
  guardStage(hooks.preProxy, guard, 'a reply', isReply);
  guardStage(hooks.judge, guard, 'retry', value => value === retry || value instanceof Retry);
  guardStage(hooks.postProxy, guard, 'a reply', isReply);
  guardRespond(hooks.respond, guard);
  guardListener(hooks.attemptFinished, guard);
  guardListener(hooks.finished, guard);
  guardListener(hooks.connectionFinished, guard);
  return Object.freeze(hooks);
}

function isDestination(value: unknown): boolean {
  return isPool(value) || isRoute(value) || isReply(value);
}

/** An upstream that has left every pool by then is not a mistake: another one is chosen. */
function isOfPool(value: unknown, ctx: ProxyContext): boolean {
  return isUpstream(value) && (value.home === stateOf(ctx).pool || value.home === undefined);
}
