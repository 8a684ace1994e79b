// RequestEdits: a route's edits of a request before it is sent: path, Host, fields and timeouts.
import type { ProxyContext } from '../../core/request/context.ts';
import { deleteField } from '../../core/request/field-aliases.ts';
import type { HeaderList } from '../../core/request/headers.ts';
import { RequestPath } from '../../core/request/path.ts';
import { RequestFacts } from '../../core/request/request-facts.ts';
import { capture } from './captures.ts';
import { changedPath } from './changed-path.ts';
import { withoutPrefix } from './prefix.ts';
import type { RouteEntry } from './route-entry.ts';
import type { HeaderEdits, RouteOptions } from './route-options.ts';
import { fillPath, fillQuery, parseTemplate } from './template.ts';

/** Edits `ctx.outgoing` for the chosen host and path of a route. */
export type RequestEdit = (ctx: ProxyContext, entry: RouteEntry) => void;

/** Returns the edits of a route's options, in order. */
export function requestEdits(route: RouteOptions): RequestEdit[] {
  const { stripPrefix, rewrite, upstreamHost, requestHeaders, timeouts, bodyLimit } = route;
  const edits: RequestEdit[] = [];
  if (bodyLimit !== undefined) {
    edits.push(ctx => {
      try {
        ctx.bodyLimit = bodyLimit;
      } catch (thrown) {
        // The request fails before it has its route.
        ctx.note(`routes: over the bodyLimit of route ${route.name}`);
        throw thrown;
      }
    });
  }
  if (stripPrefix !== undefined) edits.push(ctx => strip(ctx, stripPrefix));
  if (rewrite !== undefined) edits.push(rewriting(rewrite));
  if (upstreamHost !== undefined) {
    edits.push(({ outgoing }) => {
      outgoing.host = upstreamHost;
    });
  }
  if (requestHeaders !== undefined) edits.push(editing(requestHeaders));
  if (timeouts !== undefined) edits.push(ctx => setTimeouts(ctx, timeouts));
  return edits;
}

/** Removes all spellings of a field that is removed or set, because servers could confuse them. */
function editing(edits: HeaderEdits): RequestEdit {
  const settled = [...(edits.remove ?? []), ...Object.keys(edits.set ?? {})];
  return ({ outgoing: { headers } }) => {
    for (const name of settled) deleteField(headers, name);
    editHeaders(headers, edits);
  };
}

/** Removes, then sets, then adds. */
export function editHeaders(headers: HeaderList, { remove = [], set = {}, add = {} }: HeaderEdits): void {
  for (const name of remove) headers.delete(name);
  for (const name of Object.keys(set)) headers.set(name, set[name] ?? '');
  for (const name of Object.keys(add)) headers.append(name, add[name] ?? '');
}

function strip(ctx: ProxyContext, prefix: string): void {
  const { outgoing } = ctx;
  const { target } = outgoing;
  const isUnchanged = target === ctx.request.target;
  const path = isUnchanged ? RequestFacts.of(ctx).path : new RequestPath(target);
  // A plugin may have changed the path so that it does not have the prefix.
  if (!isUnchanged && withoutPrefix(path.normal, prefix) === undefined) return;
  const changed = changedPath(path, text => withoutPrefix(text, prefix));
  outgoing.target = `${changed}${queryOf(target)}`;
  outgoing.headers.set('X-Forwarded-Prefix', prefix);
}

function rewriting(text: string): RequestEdit {
  const template = parseTemplate(text);
  return (ctx, entry) => {
    const { path } = RequestFacts.of(ctx);
    // OPTIONS * is about the server as a whole.
    if (path.text === '*') return;
    const query = queryOf(ctx.outgoing.target).slice(1);
    const changed = changedPath(path, reading => {
      const captures = capture(entry.path, reading);
      return captures === undefined ? undefined : fillPath(template, captures);
    });
    const captures = capture(entry.path, path.normal) ?? {};
    ctx.outgoing.target = `${changed}${fillQuery(template, captures, query)}`;
  };
}

function queryOf(target: string): string {
  const at = target.indexOf('?');
  return at < 0 ? '' : target.slice(at);
}

function setTimeouts(
  ctx: ProxyContext,
  { connect, response, body }: NonNullable<RouteOptions['timeouts']>,
): void {
  const times = ctx.timeouts;
  if (connect !== undefined) times.connect = connect;
  if (response !== undefined) times.response = response;
  if (body !== undefined) times.body = body;
}
