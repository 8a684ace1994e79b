// gRPC by grpc-js: a server and a client of one service whose messages are plain bytes.
import {
  Client,
  type ClientDuplexStream,
  type ClientOptions,
  type ClientReadableStream,
  credentials,
  Metadata,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServiceError,
  type StatusObject,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { certificate, privateKey } from './certificate.ts';

const asItIs = (bytes: Buffer): Buffer => bytes;

function method(
  path: string,
  streams: { request?: true; response?: true } = {},
): MethodDefinition<Buffer, Buffer> {
  return {
    path,
    requestStream: streams.request === true,
    responseStream: streams.response === true,
    requestSerialize: asItIs,
    requestDeserialize: asItIs,
    responseSerialize: asItIs,
    responseDeserialize: asItIs,
  };
}

/** The methods of the service `test.Shop`. */
export const shop = {
  unary: method('/test.Shop/Unary'),
  download: method('/test.Shop/Download', { response: true }),
  upload: method('/test.Shop/Upload', { request: true }),
  chat: method('/test.Shop/Chat', { request: true, response: true }),
};

/** The service for health checks. */
export const healthService = { check: method('/grpc.health.v1.Health/Check') };

/** A running gRPC server. */
export interface GrpcServer {
  readonly port: number;
  /** Its URL, with the scheme that it speaks. */
  readonly url: string;
  close(): void;
}

/** Starts a server of these methods of {@link shop}, or of another service; over TLS with the certificate of tests. */
export async function startGrpcServer(
  methods: UntypedServiceImplementation,
  { tls = false, service = shop }: { readonly tls?: boolean; readonly service?: object } = {},
): Promise<GrpcServer> {
  const server = new Server();
  server.addService({ ...service }, methods);
  const pair = { private_key: Buffer.from(privateKey), cert_chain: Buffer.from(certificate) };
  const how = tls ? ServerCredentials.createSsl(null, [pair]) : ServerCredentials.createInsecure();
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', how, (error, bound) => (error === null ? resolve(bound) : reject(error)));
  });
  return { port, url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`, close: () => server.forceShutdown() };
}

/** Connects a client to a port; over TLS it trusts the certificate of tests. */
export function grpcClient(port: number, { tls = false }: { readonly tls?: boolean } = {}): Client {
  const options: ClientOptions = {
    // Tests need to see each failure, and must not share channels.
    'grpc.enable_retries': 0,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.max_receive_message_length': -1,
    // TLS does not accept an address as a server name.
    ...(tls && { 'grpc.ssl_target_name_override': 'origin.test' }),
  };
  const how = tls ? credentials.createSsl(Buffer.from(certificate)) : credentials.createInsecure();
  return new Client(`127.0.0.1:${port}`, how, options);
}

/** The outcome of a call: its messages, and its status with trailers. */
export interface Outcome {
  readonly head: Metadata | undefined;
  readonly messages: readonly Buffer[];
  readonly status: StatusObject;
}

/** Resolves once a call with streamed responses has ended, successfully or not. */
export async function outcomeOf(
  call: ClientReadableStream<Buffer> | ClientDuplexStream<Buffer, Buffer>,
): Promise<Outcome> {
  const messages: Buffer[] = [];
  let head: Metadata | undefined;
  call.on('metadata', metadata => {
    head = metadata;
  });
  call.on('data', message => messages.push(message));
  call.on('error', () => {});
  const status = await new Promise<StatusObject>(resolve => call.on('status', resolve));
  return { head, messages, status };
}

/** Calls the method with one message in each direction. */
export async function unary(
  client: Client,
  message: Buffer,
  { metadata, deadline }: { readonly metadata?: Metadata; readonly deadline?: number } = {},
): Promise<Outcome> {
  let head: Metadata | undefined;
  let status: StatusObject | undefined;
  const messages: Buffer[] = [];
  await new Promise<void>(resolve => {
    const { path, requestSerialize, responseDeserialize } = shop.unary;
    const done = (_: ServiceError | null, answer?: Buffer): void => {
      if (answer !== undefined) messages.push(answer);
    };
    const call = client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      message,
      metadata ?? new Metadata(),
      deadline === undefined ? {} : { deadline: Date.now() + deadline },
      done,
    );
    call.on('metadata', given => {
      head = given;
    });
    call.on('status', given => {
      status = given;
      resolve();
    });
  });
  if (status === undefined) throw new Error('a call ended without a status');
  return { head, messages, status };
}
