// gRPC replies: Weldr's own responses, in the form that gRPC clients understand
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
 * The codes that clients derive from HTTP statuses
 * (https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md), and more precise codes for other statuses.
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

/** Errors that must not become UNAVAILABLE, which clients retry: they would recur, or the request may have had an effect. */
const byCode: Partial<Readonly<Record<ErrorCode, number>>> = {
  BAD_RESPONSE: internal,
  BODY_CUT: internal,
  BODY_TIMEOUT: deadlineExceeded,
  DEADLINE_EXCEEDED: deadlineExceeded,
  RESPONSE_TIMEOUT: deadlineExceeded,
};

/** The most bytes of a message, before percent-encoding, which can triple them. */
const maxMessage = 1000;

/**
 * Returns the fields of a response without a body (Trailers-Only), status 200, that says in gRPC what an error or a reply
 * says in HTTP. Returns undefined if a plugin has already made a gRPC response.
 */
export function grpcFields(state: RequestState, headers: HeaderList): HeaderList | undefined {
  const contentType = headers.get('content-type') ?? '';
  if (isGrpcType(contentType)) return undefined;
  const fields = headers.clone();
  // These describe a body that is not sent.
  for (const key of headers.keys) if (key.startsWith('content-')) fields.delete(key);
  fields.set('Content-Type', 'application/grpc');
  fields.set('Grpc-Status', String(grpcStatus(state)));
  fields.set('Grpc-Message', encodeMessage(messageOf(state, contentType)));
  return fields;
}

function grpcStatus({ error, status, responseSource }: RequestState): number {
  // If a plugin has set another status, it is no longer that error.
  const isError = responseSource === 'weldr' && error?.status === status;
  return (isError ? byCode[error.code] : undefined) ?? byStatus[status] ?? unknown;
}

/** The first line of a text body without its status: `no upstream is available` from `503 no upstream is available`. */
function messageOf({ replyBody, status }: RequestState, contentType: string): string {
  const isText = typeof replyBody === 'string' && contentType.startsWith('text/plain');
  const line = isText ? replyBody.trimStart().split(/\r|\n/, 1)[0] : undefined;
  return line?.replace(/^\d{3} /, '').trim() || `HTTP status ${status}`;
}

/** Percent-encodes UTF-8, except for blanks and visible ASCII characters other than `%`. */
function encodeMessage(message: string): string {
  let text = '';
  for (const byte of Buffer.from(message.slice(0, maxMessage)).subarray(0, maxMessage)) {
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    text += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return text.trimEnd();
}
