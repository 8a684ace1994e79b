// Outgoing heads: what is written to an upstream and to a client, framing made anew on each side.
import type { ProxyContext } from '../context.ts';
import type { HeaderList } from '../headers.ts';
import { hopByHop } from '../headers.ts';
import { chunked } from './message-framing.ts';

/** Written by the wire itself, whatever a header list says. */
const framing: ReadonlySet<string> = new Set([...hopByHop, 'content-length']);

/** The head of the request to `ctx.upstream` (HTTP/1.1, as RFC 9110 section 2.5 wants of an intermediary). */
export function requestHead(ctx: ProxyContext): string {
  const { upstream, headers, bodyLength } = ctx;
  let text = `${ctx.method} ${ctx.target} HTTP/1.1\r\n`;
  const own = upstream !== undefined && (upstream.record.mapHost || ctx.host === '');
  if (own) text += `Host: ${upstream.authority}\r\n`;
  const { keys, names, values } = headers;
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] ?? '';
    if (framing.has(key) || (own && key === 'host')) continue;
    text += `${names[i]}: ${values[i]}\r\n`;
  }
  if (ctx.upgrade !== undefined) return `${text}Connection: upgrade\r\nUpgrade: ${ctx.upgrade}\r\n\r\n`;
  if (bodyLength === chunked) return `${text}Transfer-Encoding: chunked\r\n\r\n`;
  if (bodyLength > 0 || mayAnnounceNothing(ctx.method)) return `${text}Content-Length: ${bodyLength}\r\n\r\n`;
  return `${text}\r\n`;
}

/** Methods whose empty body is announced (RFC 9110 section 8.6). */
function mayAnnounceNothing(method: string): boolean {
  return method === 'POST' || method === 'PUT' || method === 'PATCH';
}

/** Field lines of a response head, without the fields that the wire writes. */
export function fieldLines(headers: HeaderList): string {
  const { keys, names, values } = headers;
  let text = '';
  for (let i = 0; i < keys.length; i++) {
    if (framing.has(keys[i] ?? '')) continue;
    text += `${names[i]}: ${values[i]}\r\n`;
  }
  return text;
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
