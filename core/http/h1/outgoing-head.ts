// Outgoing heads: what is written to an upstream and to a client, framing made anew on each side.
import type { ProxyContext } from '../../request/context.ts';
import { chunked } from './message-framing.ts';

/** The head of the request to `ctx.upstream` (HTTP/1.1, as RFC 9110 section 2.5 wants of an intermediary). */
export function requestHead(ctx: ProxyContext): string {
  const { upstream, headers, bodyLength } = ctx;
  const own = upstream !== undefined && (upstream.record.mapHost || ctx.host === '');
  const host = own ? `Host: ${upstream.authority}\r\n` : '';
  const lines = own ? headers.toLines('host') : headers.toLines();
  const text = `${ctx.method} ${ctx.target} HTTP/1.1\r\n${host}${lines}`;
  if (ctx.upgrade !== undefined) return `${text}Connection: upgrade\r\nUpgrade: ${ctx.upgrade}\r\n\r\n`;
  if (bodyLength === chunked) return `${text}Transfer-Encoding: chunked\r\n\r\n`;
  if (bodyLength > 0 || mayAnnounceNothing(ctx.method)) return `${text}Content-Length: ${bodyLength}\r\n\r\n`;
  return `${text}\r\n`;
}

/** Methods whose empty body is announced (RFC 9110 section 8.6). */
function mayAnnounceNothing(method: string): boolean {
  return method === 'POST' || method === 'PUT' || method === 'PATCH';
}

let dateSecond = 0;
let dateText = '';

/** The Date line of this second (RFC 9110 section 6.6.1). */
export function dateLine(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = `Date: ${new Date(second * 1000).toUTCString()}\r\n`;
  }
  return dateText;
}
