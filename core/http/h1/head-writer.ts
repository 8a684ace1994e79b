// Head writer: all HTTP/1.1 text that Weldr sends (RFC 9112): heads in both directions, their framing, the parts of a
// chunked body, and the response to a connection that is turned away.
import type { HeaderList } from '../../request/headers.ts';
import { announcesEmptyBody } from '../exchange/empty-body.ts';
import { httpDate } from '../exchange/http-date.ts';
import type { OutboundRequest, OutboundResponse } from '../exchange/streams.ts';
import { reasonPhrase } from './reason-phrases.ts';

/** What a response head says about the connection; `default` says nothing. */
export type Persistence = 'default' | 'keep-alive' | 'close';

const persistenceLines: Readonly<Record<Persistence, string>> = {
  default: '',
  'keep-alive': 'Connection: keep-alive\r\n',
  close: 'Connection: close\r\n',
};

/** The line that frames a chunked body. */
export const chunkedLine = 'Transfer-Encoding: chunked\r\n';

/** The line that frames a body of this many bytes. */
export function lengthLine(bytes: number): string {
  return `Content-Length: ${bytes}\r\n`;
}

/** The head of a request (HTTP/1.1, as RFC 9110 section 2.5 requires of an intermediary). */
export function requestHead(request: OutboundRequest): string {
  const { host, headers, length, method, upgrade } = request;
  const lines = host === undefined ? headers.toLines() : `Host: ${host}\r\n${headers.toLines('host')}`;
  const text = `${method} ${request.target} HTTP/1.1\r\n${lines}${request.addedLines}`;
  const end = upgrade === undefined ? '\r\n' : `Connection: upgrade\r\nUpgrade: ${upgrade}\r\n\r\n`;
  if (length < 0) return `${text}Transfer-Encoding: chunked\r\n${end}`;
  if (length > 0 || announcesEmptyBody(method)) return `${text}Content-Length: ${length}\r\n${end}`;
  return text + end;
}

/** The head of a final response; `framing`: a {@link lengthLine}, {@link chunkedLine}, or '' for neither. */
export function responseHead(response: OutboundResponse, framing: string, persistence: Persistence): string {
  const { status, headers } = response;
  const reason = response.reason ?? reasonPhrase(status);
  const date = response.hasDate ? '' : dateLine();
  const connection = status === 426 ? upgradeLines(headers, persistence) : persistenceLines[persistence];
  return `HTTP/1.1 ${status} ${reason}\r\n${headers.toLines()}${date}${framing}${connection}\r\n`;
}

/** The Connection line of a 426, which must also name the protocols (RFC 9110 section 15.5.22). */
function upgradeLines(headers: HeaderList, persistence: Persistence): string {
  const protocols = headers.getAll('upgrade').join(', ');
  if (protocols === '') return persistenceLines[persistence];
  const option = persistence === 'default' ? '' : `, ${persistence}`;
  return `Connection: upgrade${option}\r\nUpgrade: ${protocols}\r\n`;
}

/** The head of a 1xx response other than 101. */
export function interimHead(status: number, reason: string | undefined, headers: HeaderList): string {
  return `HTTP/1.1 ${status} ${reason ?? reasonPhrase(status)}\r\n${headers.toLines()}\r\n`;
}

/** The head of a 101. */
export function switchingHead(reason: string, headers: HeaderList, protocol: string): string {
  return `HTTP/1.1 101 ${reason}\r\n${headers.toLines()}Connection: upgrade\r\nUpgrade: ${protocol}\r\n\r\n`;
}

/** The whole response to a connection over the limit. It has no body: the request, which is not read, may be a HEAD. */
export function turnedAway(status: number): string {
  return (
    `HTTP/1.1 ${status} ${reasonPhrase(status)}\r\n${dateLine()}Retry-After: 5\r\n` +
    'Content-Length: 0\r\nConnection: close\r\n\r\n'
  );
}

/** The whole response to a client that speaks plain HTTP to a TLS listener. */
export function plainHttpResponse(): string {
  const text = 'this port speaks TLS; use an https:// URL\n';
  return (
    `HTTP/1.1 400 ${reasonPhrase(400)}\r\n${dateLine()}Content-Type: text/plain; charset=utf-8\r\n` +
    `${lengthLine(text.length)}Connection: close\r\n\r\n${text}`
  );
}

/** A request as `message/http`, without sensitive fields (RFC 9110 section 9.3.8). */
export function requestEcho(method: string, target: string, host: string): string {
  return `${method} ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
}

/** The line before the payload of a chunk. */
export function chunkStart(bytes: number): string {
  return `${bytes.toString(16)}\r\n`;
}

/** The text after the payload of a chunk. */
export const chunkEnd = '\r\n';

/** The text after the last chunk that has a payload. */
export function bodyEnd(trailers: HeaderList | undefined): string {
  return trailers === undefined ? '0\r\n\r\n' : `0\r\n${trailers.toLines()}\r\n`;
}

function dateLine(): string {
  return `Date: ${httpDate()}\r\n`;
}
