// Span facts: names and attributes of spans, by OpenTelemetry's semantic conventions for HTTP; `weldr.*` is Weldr's own.
import type { Attributes } from '@opentelemetry/api';
import { describeError, type WeldrError } from '../../core/errors.ts';
import { unixPeer, unknownClient } from '../../core/network/network.ts';
import type { Attempt } from '../../core/request/attempt.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import type { Redaction } from '../../core/request/redaction.ts';
import type { SentAttempt } from './request-trace.ts';

/** The methods that a span names; others become `_OTHER`. */
const knownMethods: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'CONNECT',
  'OPTIONS',
  'TRACE',
  'PATCH',
  'QUERY',
]);

/** The most characters of an attribute, and of the reason for a failure. */
const maxText = 4096;
const maxMessage = 1024;

/** How the query of URLs is shown; undefined: it is left out. */
export type QueryText = Redaction | undefined;

/** The facts of a span. */
export interface SpanFacts {
  readonly name: string;
  readonly attributes: Attributes;
  /** Why it is an error; undefined: it is not one. */
  readonly failure: string | undefined;
}

/** Returns the facts of a finished request. */
export function requestFacts(ctx: ProxyContext, query: QueryText): SpanFacts {
  const { request, route, error, response, status } = ctx;
  const pattern = route?.pattern;
  const { path, search } = partsOf(request.target, query);
  const peer = addressOf(ctx.peerIp);
  const attributes = methodFacts(request.method);
  put(attributes, 'url.scheme', ctx.scheme);
  if (path !== '') put(attributes, 'url.path', path);
  if (search !== '') put(attributes, 'url.query', search);
  put(attributes, 'http.route', pattern);
  if (response !== undefined) put(attributes, 'http.response.status_code', status);
  put(attributes, 'error.type', error?.code ?? (status >= 500 ? String(status) : undefined));
  putServer(attributes, request.host, ctx.scheme);
  put(attributes, 'client.address', addressOf(ctx.clientIp));
  put(attributes, 'network.peer.address', peer);
  if (peer !== undefined) put(attributes, 'network.peer.port', ctx.clientPort);
  put(attributes, 'network.protocol.version', request.version === '2.0' ? '2' : request.version);
  put(attributes, 'user_agent.original', request.headers.get('user-agent'));
  if (ctx.listener !== '') put(attributes, 'weldr.listener', ctx.listener);
  put(attributes, 'weldr.pool', ctx.pool.name);
  put(attributes, 'weldr.route', route?.name);
  put(attributes, 'weldr.request.id', ctx.id);
  put(attributes, 'weldr.response.source', response?.source);
  put(attributes, 'weldr.plugin', response?.plugin ?? error?.plugin);
  // By the conventions, a client's mistake is not an error of the server.
  const isFailure = error === undefined ? status >= 500 : error.blame !== 'client' || error.status >= 500;
  const name = nameOf(request.method, pattern);
  return { name, attributes, failure: isFailure ? messageOf(error) : undefined };
}

/** Returns the facts of a finished attempt; `before`: how many there were before it. */
export function attemptFacts(
  attempt: Attempt,
  { method, target }: Pick<SentAttempt, 'method' | 'target'>,
  before: number,
  query: QueryText,
): SpanFacts {
  const { upstream, status, error, startedAt, connectingAt, sentAt, respondedAt, finishedAt } = attempt;
  const { endpoint, protocol, authority } = upstream;
  const { path, search } = partsOf(target, query);
  const attributes = methodFacts(method);
  put(attributes, 'url.full', `${protocol}//${authority}${path}${search === '' ? '' : `?${search}`}`);
  put(attributes, 'server.address', endpoint.kind === 'unix' ? endpoint.path : endpoint.hostname);
  if (endpoint.kind === 'tcp') put(attributes, 'server.port', endpoint.port);
  if (status !== 0) put(attributes, 'http.response.status_code', status);
  if (before !== 0) put(attributes, 'http.request.resend_count', before);
  put(attributes, 'error.type', error?.code ?? (status >= 400 ? String(status) : undefined));
  put(attributes, 'weldr.pool', upstream.pool);
  put(attributes, 'weldr.upstream', upstream.id);
  put(attributes, 'weldr.connection.reused', attempt.reusedConnection);
  put(attributes, 'weldr.queue_ms', rounded((connectingAt || sentAt || finishedAt) - startedAt));
  if (connectingAt !== 0) put(attributes, 'weldr.connect_ms', rounded((sentAt || finishedAt) - connectingAt));
  if (respondedAt !== 0) put(attributes, 'weldr.first_byte_ms', rounded(respondedAt - sentAt));
  const isFailure = error === undefined ? status >= 400 : error.code !== 'CLIENT_CLOSED';
  return { name: nameOf(method, undefined), attributes, failure: isFailure ? messageOf(error) : undefined };
}

/** Adds an attribute; texts, which clients may have chosen, are cut. */
function put(attributes: Attributes, name: string, value: string | number | boolean | undefined): void {
  if (value === undefined) return;
  attributes[name] = typeof value === 'string' && value.length > maxText ? value.slice(0, maxText) : value;
}

function methodFacts(method: string): Attributes {
  if (knownMethods.has(method)) return { 'http.request.method': method };
  const attributes: Attributes = { 'http.request.method': '_OTHER' };
  if (method !== '') put(attributes, 'http.request.method_original', method);
  return attributes;
}

/** Returns a name out of a bounded set: never with a path that a client chose. */
function nameOf(method: string, pattern: string | undefined): string {
  const what = knownMethods.has(method) ? method : 'HTTP';
  return pattern === undefined ? what : `${what} ${pattern}`;
}

function partsOf(target: string, query: QueryText): { path: string; search: string } {
  const at = target.indexOf('?');
  if (at < 0) return { path: target, search: '' };
  return { path: target.slice(0, at), search: query === undefined ? '' : query.of(target).slice(at + 1) };
}

/** Adds the host and port that the client asked for. */
function putServer(attributes: Attributes, host: string, scheme: string): void {
  if (host === '') return;
  const colon = host.lastIndexOf(':');
  const hasPort = colon > host.lastIndexOf(']');
  const address = hasPort ? host.slice(0, colon) : host;
  put(attributes, 'server.address', address.startsWith('[') ? address.slice(1, -1) : address);
  const port = hasPort ? Number(host.slice(colon + 1)) : 0;
  put(attributes, 'server.port', port || (scheme === 'https' ? 443 : 80));
}

function addressOf(ip: string): string | undefined {
  return ip === unixPeer || ip === unknownClient || ip === '' ? undefined : ip;
}

function messageOf(error: WeldrError | undefined): string {
  return error === undefined ? '' : describeError(error).slice(0, maxMessage);
}

function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}
