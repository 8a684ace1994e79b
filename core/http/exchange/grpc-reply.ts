// gRPC replies: what Weldr's own responses say to clients of gRPC
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
import type { ErrorCode } from '../../errors.ts';
import type { HeaderList } from '../../request/headers.ts';
import type { RequestState } from '../../request/request-state.ts';
import { isGrpcType } from './grpc-request.ts';

// https://github.com/grpc/grpc/blob/master/doc/statuscodes.md
const cancelled = 1;
const unknown = 2;
const deadlineExceeded = 4;
const permissionDenied = 7;
const resourceExhausted = 8;
const unimplemented = 12;
const internal = 13;
const unavailable = 14;
const unauthenticated = 16;

/**
 * What clients make of a status of HTTP by themselves
 * (https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md), and of more of them what says more.
 */
const byStatus: Readonly<Record<number, number>> = {
  400: internal,
  401: unauthenticated,
  403: permissionDenied,
  404: unimplemented,
  408: deadlineExceeded,
  413: resourceExhausted,
  414: resourceExhausted,
  429: unavailable,
  431: resourceExhausted,
  499: cancelled,
  500: internal,
  501: unimplemented,
  502: unavailable,
  503: unavailable,
  504: unavailable,
  508: internal,
};

/** Clients are told to try again on UNAVAILABLE: these are no better the next time, or may have had an effect. */
const byCode: Partial<Readonly<Record<ErrorCode, number>>> = {
  BAD_RESPONSE: internal,
  BODY_CUT: internal,
  BODY_TIMEOUT: deadlineExceeded,
  DEADLINE_EXCEEDED: deadlineExceeded,
  RESPONSE_TIMEOUT: deadlineExceeded,
};

/** The most bytes of a message: what is percent-encoded of it can be three times as much. */
const maxMessage = 1000;

/**
 * The fields of a response without a body (Trailers-Only) that says to a client of gRPC what a response of Weldr's own,
 * an error or a reply, says in HTTP; its status is 200. Undefined: a plugin made one of gRPC already.
 */
export function grpcFields(state: RequestState, headers: HeaderList): HeaderList | undefined {
  const contentType = headers.get('content-type') ?? '';
  if (isGrpcType(contentType)) return undefined;
  const fields = headers.clone();
  // They tell of a body that is not sent.
  for (const key of headers.keys) if (key.startsWith('content-')) fields.delete(key);
  fields.set('Content-Type', 'application/grpc');
  fields.set('Grpc-Status', String(grpcStatus(state)));
  fields.set('Grpc-Message', encodeMessage(messageOf(state, contentType)));
  return fields;
}

function grpcStatus({ error, status, responseSource }: RequestState): number {
  // Whose status a plugin has changed is not that error any more.
  const isError = responseSource === 'weldr' && error?.status === status;
  return (isError ? byCode[error.code] : undefined) ?? byStatus[status] ?? unknown;
}

/** The first line of a text, such as `no upstream is available` of `503 no upstream is available`. */
function messageOf({ replyBody, status }: RequestState, contentType: string): string {
  const isText = typeof replyBody === 'string' && contentType.startsWith('text/plain');
  const line = isText ? replyBody.trimStart().split(/\r|\n/, 1)[0] : undefined;
  return line?.replace(/^\d{3} /, '').trim() || `HTTP status ${status}`;
}

/** Percent-encoded are all bytes of UTF-8 but blanks and visible characters of ASCII without `%`. */
function encodeMessage(message: string): string {
  let text = '';
  for (const byte of Buffer.from(message.slice(0, maxMessage)).subarray(0, maxMessage)) {
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    text += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return text.trimEnd();
}
