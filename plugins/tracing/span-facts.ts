// What spans say of a request and its attempts, by OpenTelemetry's semantic conventions for HTTP; `weldr.*` is Weldr's own.
import type { Attributes } from '@opentelemetry/api';
import { describeError, type WeldrError } from '../../core/errors.ts';
import { unixPeer, unknownClient } from '../../core/network.ts';
import type { Attempt } from '../../core/request/attempt.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import type { Redaction } from '../../core/request/redaction.ts';
import type { SentAttempt } from './request-trace.ts';

/** The methods that a span names; any other one is `_OTHER`. */
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

const maxMessage = 1024;

/** How the query of URLs is told; undefined: not at all. */
export type QueryText = Redaction | undefined;

/** A request, or an attempt, as its span has it. */
export interface SpanFacts {
  readonly name: string;
  readonly attributes: Attributes;
  /** Why it is an error; undefined: it is none. */
  readonly failure: string | undefined;
}

/** Of a request that is over. */
export function requestFacts(ctx: ProxyContext, query: QueryText): SpanFacts {
  const { request, route, error, response, status } = ctx;
  const pattern = route?.pattern;
  const { address, port } = serverOf(request.host, ctx.scheme);
  const { path, search } = partsOf(request.target, query);
  const attributes = defined({
    ...methodFacts(request.method),
    'url.scheme': ctx.scheme,
    'url.path': path === '' ? undefined : path,
    'url.query': search === '' ? undefined : search,
    'http.route': pattern,
    'http.response.status_code': response === undefined ? undefined : status,
    'error.type': error?.code ?? (status >= 500 ? String(status) : undefined),
    'server.address': address,
    'server.port': port,
    'client.address': addressOf(ctx.clientIp),
    'network.peer.address': addressOf(ctx.peerIp),
    'network.peer.port': addressOf(ctx.peerIp) === undefined ? undefined : ctx.clientPort,
    'network.protocol.version': request.version === '2.0' ? '2' : request.version,
    'user_agent.original': request.headers.get('user-agent'),
    'weldr.listener': ctx.listener === '' ? undefined : ctx.listener,
    'weldr.pool': ctx.pool.name,
    'weldr.route': route?.name,
    'weldr.request.id': ctx.id,
    'weldr.response.source': response?.source,
    'weldr.plugin': response?.plugin ?? error?.plugin,
  });
  // What a client has done wrong is no error of the server, says the convention.
  const isFailure = error === undefined ? status >= 500 : error.blame !== 'client' || error.status >= 500;
  const name = nameOf(request.method, pattern);
  return { name, attributes, failure: isFailure ? messageOf(error) : undefined };
}

/** Of an attempt that is over; `before`: how many there were before it. */
export function attemptFacts(
  attempt: Attempt,
  { method, target }: Pick<SentAttempt, 'method' | 'target'>,
  before: number,
  query: QueryText,
): SpanFacts {
  const { upstream, status, error, startedAt, connectingAt, sentAt, respondedAt, finishedAt } = attempt;
  const { endpoint, protocol, authority } = upstream;
  const { path, search } = partsOf(target, query);
  const url = `${protocol}//${authority}${path}${search === '' ? '' : `?${search}`}`;
  const attributes = defined({
    ...methodFacts(method),
    'url.full': url,
    'server.address': endpoint.kind === 'unix' ? endpoint.path : endpoint.hostname,
    'server.port': endpoint.kind === 'unix' ? undefined : endpoint.port,
    'http.response.status_code': status === 0 ? undefined : status,
    'http.request.resend_count': before === 0 ? undefined : before,
    'error.type': error?.code ?? (status >= 400 ? String(status) : undefined),
    'weldr.pool': upstream.pool,
    'weldr.upstream': upstream.id,
    'weldr.connection.reused': attempt.reusedConnection,
    'weldr.queue_ms': rounded((connectingAt || sentAt || finishedAt) - startedAt),
    'weldr.connect_ms': connectingAt === 0 ? undefined : rounded((sentAt || finishedAt) - connectingAt),
    'weldr.first_byte_ms': respondedAt === 0 ? undefined : rounded(respondedAt - sentAt),
  });
  const isFailure = error === undefined ? status >= 400 : error.code !== 'CLIENT_CLOSED';
  return { name: nameOf(method, undefined), attributes, failure: isFailure ? messageOf(error) : undefined };
}

function methodFacts(method: string): Attributes {
  if (knownMethods.has(method)) return { 'http.request.method': method };
  const original = method === '' ? {} : { 'http.request.method_original': method };
  return { 'http.request.method': '_OTHER', ...original };
}

/** Names are few: a path that a client chose is in none. */
function nameOf(method: string, pattern: string | undefined): string {
  const what = knownMethods.has(method) ? method : 'HTTP';
  return pattern === undefined ? what : `${what} ${pattern}`;
}

function partsOf(target: string, query: QueryText): { path: string; search: string } {
  const at = target.indexOf('?');
  if (at < 0) return { path: target, search: '' };
  return { path: target.slice(0, at), search: query === undefined ? '' : query.of(target).slice(at + 1) };
}

/** Host and port that the client asked for. */
function serverOf(host: string, scheme: string): { address?: string; port?: number } {
  if (host === '') return {};
  const [, address = host, port] = /^(.*?)(?::(\d{1,5}))?$/.exec(host) ?? [];
  const bare = address.startsWith('[') ? address.slice(1, -1) : address;
  return { address: bare, port: port === undefined ? (scheme === 'https' ? 443 : 80) : Number(port) };
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

function defined(attributes: Attributes): Attributes {
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined));
}
