// One health check by gRPC's health protocol: a new connection, one call of grpc.health.v1.Health/Check.
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
} from 'node:http2';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Upstream } from '../../core/pool/pool.ts';
import type { CheckSettings } from './check-settings.ts';
import { healthRequest, servingStatus } from './grpc-health.ts';
import type { CheckOutcome } from './health-count.ts';
import { type CheckMeans, connectTo, lowerCased, originOf, withinTime, writtenHost } from './server-check.ts';

/** The most of a response that is read, bytes: a valid one has seven. */
const maxBody = 1024;

/** The gRPC status of a successful call. */
const ok = '0';

/** Names of the gRPC statuses that servers return for a health check; others are shown as numbers. */
const statusNames: Readonly<Record<string, string>> = {
  '4': 'DEADLINE_EXCEEDED',
  '5': 'NOT_FOUND',
  '7': 'PERMISSION_DENIED',
  '8': 'RESOURCE_EXHAUSTED',
  '12': 'UNIMPLEMENTED',
  '13': 'INTERNAL',
  '14': 'UNAVAILABLE',
  '16': 'UNAUTHENTICATED',
};

/** Checks a server once, over h2c or HTTP/2 over TLS, according to its scheme. Never rejects. */
export async function grpcCheck(
  upstream: Upstream,
  settings: CheckSettings,
  means: CheckMeans,
): Promise<CheckOutcome> {
  return await withinTime(settings, means, async signal => {
    const socket = await connectTo(upstream, settings.port, ['h2'], signal);
    // Errors reach the session, too, and another one may follow after the end.
    socket.on('error', () => {});
    try {
      return await call(socket, upstream, settings, means, signal);
    } finally {
      socket.destroy();
    }
  });
}

async function call(
  socket: Socket,
  upstream: Upstream,
  settings: CheckSettings,
  { userAgent }: CheckMeans,
  signal: AbortSignal,
): Promise<CheckOutcome> {
  if (socket instanceof TLSSocket && socket.alpnProtocol !== 'h2')
    return failed('the server does not offer HTTP/2');
  const session = connect(originOf(upstream, settings.port), { createConnection: () => socket });
  const service = typeof settings.grpc === 'object' ? settings.grpc.service : '';
  const { host = writtenHost(upstream), ...metadata } = lowerCased(settings.headers);
  try {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/grpc.health.v1.Health/Check',
      ...(host !== undefined && { ':authority': host }),
      'user-agent': userAgent,
      ...metadata,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.end(healthRequest(service));
    return await answerTo(stream, session, service, signal);
  } finally {
    session.destroy();
  }
}

/** Resolves with the outcome of the call. */
function answerTo(
  stream: ClientHttp2Stream,
  session: ClientHttp2Session,
  service: string,
  signal: AbortSignal,
): Promise<CheckOutcome> {
  return new Promise((resolve, reject) => {
    let fields: IncomingHttpHeaders & IncomingHttpStatusHeader = {};
    let bytes = Buffer.alloc(0);
    const fail = (error: Error): void => reject(withoutHttp2(error) ?? error);
    const take = (more: IncomingHttpHeaders & IncomingHttpStatusHeader): void => {
      fields = { ...fields, ...more };
    };
    stream
      .on('response', take)
      .on('trailers', take)
      .on('data', (chunk: Buffer) => {
        if (bytes.length <= maxBody) bytes = Buffer.concat([bytes, chunk]);
        else stream.close();
      })
      .on('error', fail)
      .on('close', () => resolve(outcomeOf(fields, bytes, service)));
    session.on('error', fail);
    signal.addEventListener('abort', () => reject(signal.reason));
  });
}

/** Returns the error for bytes that are not HTTP/2 frames. */
function withoutHttp2(error: Error): Error | undefined {
  const isProtocolError = 'code' in error && error.code === 'ERR_HTTP2_ERROR';
  return isProtocolError ? new Error('the server does not speak HTTP/2', { cause: error }) : undefined;
}

function outcomeOf(
  fields: IncomingHttpHeaders & IncomingHttpStatusHeader,
  bytes: Buffer,
  service: string,
): CheckOutcome {
  const { ':status': httpStatus, 'grpc-status': code, 'grpc-message': message } = fields;
  if (httpStatus === undefined) return failed('the connection ended without a response');
  if (httpStatus !== 200) return failed(`status ${httpStatus} without a gRPC response`);
  if (code === undefined) return failed('a response without grpc-status');
  if (code !== ok) return failed(reasonOf(String(code), String(message ?? ''), service));
  const status = bytes.length > maxBody ? undefined : servingStatus(bytes);
  if (status === undefined) return failed('the response is not a HealthCheckResponse');
  return { passed: status === 'SERVING', detail: status };
}

function reasonOf(code: string, message: string, service: string): string {
  const name = statusNames[code] ?? `grpc-status ${code}`;
  if (name === 'UNIMPLEMENTED') return `${name}: the server has no grpc.health.v1.Health`;
  if (name === 'NOT_FOUND') return `${name}: the server's health service knows no service '${service}'`;
  return message === '' ? name : `${name}: ${decoded(message)}`.slice(0, 300);
}

/** Decodes a percent-encoded message and removes control characters, which could affect a terminal. */
function decoded(message: string): string {
  try {
    return decodeURIComponent(message).replace(/\p{Cc}/gu, ' ');
  } catch {
    return message;
  }
}

const failed = (detail: string): CheckOutcome => ({ passed: false, detail });
