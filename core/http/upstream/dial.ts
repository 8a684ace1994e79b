// Dial: the one place that opens a socket to an upstream, plain or TLS.
import { connect, type LookupFunction, Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { toError } from '../../errors.ts';
import type { Upstream } from '../../pool/pool.ts';
import { copyBufferSize } from '../exchange/copy-buffers.ts';
import type { Peer } from '../exchange/streams.ts';
import { hearOut } from './last-words.ts';
import { OwnAddressError, type OwnAddresses } from './own-addresses.ts';
import type { Protocol } from './protocols.ts';
import { proxyHeader } from './proxy-header.ts';
import type { Use } from './stream-queue.ts';
import { tlsConnectionOptions } from './tls-options.ts';

/** Receives the events of a dialled socket. */
export interface SocketReader {
  /** The connection is open; over TLS, the handshake is done. */
  onConnected(): void;
  /** Takes bytes that arrived; `buffer` is reused after the call, so copy what you keep. */
  onBytes(buffer: Buffer, start: number, end: number): void;
  /** A write failed because the upstream had closed. Return true to read what it sent before that. */
  onWriteError(error: Error): boolean;
}

// All plain connections of the process read into this buffer.
const readBuffer = Buffer.allocUnsafeSlow(copyBufferSize);

/** What all connections of a worker share. */
export interface Dialling {
  /** Finds the addresses of names. */
  readonly lookup: LookupFunction;
  /** Addresses that must not be dialled. */
  readonly own: OwnAddresses;
}

/** What a connection is made for. */
export interface DialPurpose {
  /**
   * An upgrade's connection is read through events, because a tunnel cannot take over a socket with its own read buffer.
   */
  readonly use: Use;
  /** The protocols to offer over TLS. */
  readonly protocols: readonly Protocol[];
  /** The client to name in a PROXY header; undefined if none is sent. */
  readonly client: Peer | undefined;
}

/** Starts connecting to an upstream. */
export function dial(
  upstream: Upstream,
  purpose: DialPurpose,
  { lookup, own }: Dialling,
  reader: SocketReader,
): Socket {
  const { endpoint } = upstream;
  if (endpoint.kind === 'unix') {
    return own.hasPath(endpoint.path)
      ? new Socket().destroy(new OwnAddressError())
      : begin(upstream, purpose, lookup, reader);
  }
  const socket = begin(upstream, purpose, lookup, reader);
  if (!own.hasPort(endpoint.port)) return socket;
  return socket.prependOnceListener('connect', () => {
    if (own.hasPeerOf(socket)) socket.destroy(new OwnAddressError());
  });
}

function begin(
  upstream: Upstream,
  { use, protocols, client }: DialPurpose,
  lookup: LookupFunction,
  reader: SocketReader,
): Socket {
  const { endpoint, protocol, record } = upstream;
  const { proxyProtocol } = record;
  const header =
    client === undefined || proxyProtocol === undefined ? undefined : proxyHeader(proxyProtocol, client);
  const onChunk = (chunk: string | Buffer): void => {
    if (typeof chunk !== 'string') reader.onBytes(chunk, 0, chunk.length);
  };
  const onConnected = (): void => reader.onConnected();
  const onWriteError = (error: Error): boolean => reader.onWriteError(error);
  if (protocol === 'https:' && endpoint.kind === 'tcp') {
    const options = { ...tlsConnectionOptions(endpoint, record.tls, protocols), lookup };
    const socket = dialTls(options, header);
    return hearOut(socket, onWriteError).on('data', onChunk).once('secureConnect', onConnected);
  }
  const base =
    endpoint.kind === 'unix'
      ? { path: endpoint.path, allowHalfOpen: true }
      : { host: endpoint.hostname, port: endpoint.port, lookup, noDelay: true, allowHalfOpen: true };
  if (use === 'upgrade') {
    return beginWith(header, hearOut(connect(base), onWriteError))
      .on('data', onChunk)
      .once('connect', onConnected);
  }
  const onread = {
    buffer: readBuffer,
    callback: (length: number) => {
      reader.onBytes(readBuffer, 0, length);
      return true;
    },
  };
  return beginWith(header, hearOut(connect({ ...base, onread }), onWriteError)).once('connect', onConnected);
}

/** Makes a socket send these bytes before any others. */
function beginWith(header: Buffer | undefined, socket: Socket): Socket {
  if (header !== undefined) socket.write(header);
  return socket;
}

/** Returns a socket, already destroyed with an error if OpenSSL rejects the options. `header`: sent before TLS. */
function dialTls(options: ConnectionOptions, header: Buffer | undefined): Socket {
  const under = header === undefined ? undefined : beginWith(header, dialUnder(options));
  try {
    // Loaded on first use: it takes longer to load than the rest of the wire.
    const { connect: connectTls } = process.getBuiltinModule('node:tls');
    const socket = connectTls(under === undefined ? options : { ...options, socket: under });
    // The noDelay option only works for sockets without TLS.
    return socket.setNoDelay(true);
  } catch (thrown) {
    under?.destroy();
    return new Socket().destroy(toError(thrown));
  }
}

function dialUnder({ host = '', port = 0, lookup }: ConnectionOptions): Socket {
  return connect({ host, port, noDelay: true, ...(lookup && { lookup }) });
}
