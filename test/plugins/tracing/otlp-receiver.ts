// A receiver of OTLP over HTTP in the test's process, which decodes spans from protobuf.
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { type Field, readMessage } from './protobuf.ts';

/** A received span. */
export interface ReceivedSpan {
  readonly name: string;
  readonly kind: 'server' | 'client' | 'other';
  readonly traceId: string;
  readonly spanId: string;
  /** Empty: it begins the trace. */
  readonly parentId: string;
  readonly traceState: string;
  /** Nanoseconds since the epoch. */
  readonly startedAt: bigint;
  readonly finishedAt: bigint;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly isError: boolean;
  readonly message: string;
  readonly resource: Readonly<Record<string, unknown>>;
}

/** A running receiver. */
export interface OtlpReceiver {
  /** Its URL, with the path for spans. */
  readonly url: string;
  readonly spans: readonly ReceivedSpan[];
  /** The headers of all requests. */
  readonly heads: readonly IncomingHttpHeaders[];
  /** The status of its answers from now on; 0: no answer at all. */
  status: number;
  /** Returns the server span of this trace with the client spans below it, in the order of their starts. */
  trace(traceId: string): { server: ReceivedSpan | undefined; clients: ReceivedSpan[] };
  close(): Promise<void>;
}

/** Starts a receiver on 127.0.0.1. */
export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = [];
  const heads: IncomingHttpHeaders[] = [];
  const server: Server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    heads.push(request.headers);
    if (receiver.status === 0) return;
    const body = Buffer.concat(chunks);
    const isTaken =
      request.url === '/v1/traces' && request.headers['content-type'] === 'application/x-protobuf';
    if (isTaken && receiver.status === 200) {
      spans.push(...readSpans(request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body));
    }
    response.writeHead(isTaken ? receiver.status : 404).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const receiver: OtlpReceiver = {
    url: `http://127.0.0.1:${port}/v1/traces`,
    spans,
    heads,
    status: 200,
    trace(traceId) {
      const own = spans.filter(span => span.traceId === traceId);
      const clients = own.filter(({ kind }) => kind === 'client');
      clients.sort((a, b) => Number(a.startedAt - b.startedAt));
      return { server: own.find(({ kind }) => kind === 'server'), clients };
    },
    async close() {
      server.close();
      server.closeAllConnections();
    },
  };
  return receiver;
}

/** Decodes the spans of an ExportTraceServiceRequest. */
function readSpans(body: Buffer): ReceivedSpan[] {
  return messages(readMessage(body), 1).flatMap(resourceSpans => {
    const [resource] = messages(resourceSpans, 1);
    const attributes = resource === undefined ? {} : readAttributes(resource, 1);
    return messages(resourceSpans, 2).flatMap(scopeSpans =>
      messages(scopeSpans, 2).map(span => readSpan(span, attributes)),
    );
  });
}

function readSpan(span: readonly Field[], resource: ReceivedSpan['resource']): ReceivedSpan {
  const bytes = (number: number): Buffer => {
    const value = span.find(field => field.number === number)?.value;
    return value instanceof Buffer ? value : Buffer.alloc(0);
  };
  const integer = (number: number): bigint => {
    const value = span.find(field => field.number === number)?.value;
    return typeof value === 'bigint' ? value : 0n;
  };
  const [status = []] = messages(span, 15);
  const kinds: Readonly<Record<string, ReceivedSpan['kind']>> = { 2: 'server', 3: 'client' };
  return {
    traceId: bytes(1).toString('hex'),
    spanId: bytes(2).toString('hex'),
    traceState: bytes(3).toString(),
    parentId: bytes(4).toString('hex'),
    name: bytes(5).toString(),
    kind: kinds[String(integer(6))] ?? 'other',
    startedAt: integer(7),
    finishedAt: integer(8),
    attributes: readAttributes(span, 9),
    isError: status.some(({ number, value }) => number === 3 && value === 2n),
    message: String(status.find(({ number }) => number === 2)?.value ?? ''),
    resource,
  };
}

function readAttributes(message: readonly Field[], number: number): Record<string, unknown> {
  return Object.fromEntries(
    messages(message, number).map(pair => {
      const [value = []] = messages(pair, 2);
      return [String(pair[0]?.value), readAny(value[0])];
    }),
  );
}

/** Decodes an AnyValue, except for lists. */
function readAny(field: Field | undefined): unknown {
  const value = field?.value;
  if (field?.number === 1 && value instanceof Buffer) return value.toString();
  if (field?.number === 2) return value === 1n;
  if (field?.number === 3 && typeof value === 'bigint') return Number(value);
  if (field?.number === 4 && typeof value === 'bigint') {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(value);
    return bytes.readDoubleLE();
  }
  return undefined;
}

function messages(message: readonly Field[], number: number): Field[][] {
  return message.flatMap(field =>
    field.number === number && field.value instanceof Buffer ? [readMessage(field.value)] : [],
  );
}
