// Outgoing heads: what is written to an upstream and to a client, framing made anew on each side.
import type { RequestState } from '../../request/request-state.ts';
import { chunked } from './message-framing.ts';

/** The head of the request to `state.upstream` (HTTP/1.1, as RFC 9110 section 2.5 wants of an intermediary). */
export function requestHead(state: RequestState): string {
  const { upstream, bodyLength, edited, upgrade } = state;
  const method = edited === undefined ? state.method : edited.method;
  const target = edited === undefined ? state.target : edited.target;
  const wantsOwn = upstream?.record.mapHost === true && edited?.hasOwnHost !== true;
  const own = upstream !== undefined && (wantsOwn || (edited?.host ?? state.host) === '');
  const host = own ? `Host: ${upstream.authority}\r\n` : '';
  const except = own ? 'host' : '';
  const lines = edited?.lines(except) ?? state.outgoingLines(except);
  const text = `${method} ${target} HTTP/1.1\r\n${host}${lines}`;
  if (upgrade !== undefined) return `${text}Connection: upgrade\r\nUpgrade: ${upgrade}\r\n\r\n`;
  if (bodyLength === chunked) return `${text}Transfer-Encoding: chunked\r\n\r\n`;
  if (bodyLength > 0 || mayAnnounceNothing(method)) return `${text}Content-Length: ${bodyLength}\r\n\r\n`;
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
