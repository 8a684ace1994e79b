// Dial: the one place that makes a socket to an upstream, plain or TLS.
import { connect, type Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import type { Upstream, UpstreamTls } from '../../pool/pool.ts';
import { copyBufferSize } from '../exchange/copy-buffers.ts';

/** Who reads from a socket that was dialled. */
export interface SocketReader {
  /** The connection stands; over TLS, the handshake is done. */
  onConnected(): void;
  /** Bytes came; `buffer` is used again after the call, so what is kept of it is copied. */
  onBytes(buffer: Buffer, start: number, end: number): void;
}

// Where all plain connections of the process read into.
const readBuffer = Buffer.allocUnsafeSlow(copyBufferSize);

/**
 * Begins to connect to an upstream. `use`: one for an upgrade reads through events, as a tunnel takes it over, which a
 * socket with a read buffer of its own does not allow.
 */
export function dial(upstream: Upstream, use: 'requests' | 'upgrade', reader: SocketReader): Socket {
  const { endpoint, protocol, record } = upstream;
  const onChunk = (chunk: string | Buffer): void => {
    if (typeof chunk !== 'string') reader.onBytes(chunk, 0, chunk.length);
  };
  const onConnected = (): void => reader.onConnected();
  if (protocol === 'https:' && endpoint.kind === 'tcp') {
    // Loaded at the first use: it costs more start-up time than the rest of the wire.
    const tls = process.getBuiltinModule('node:tls');
    const socket = tls.connect(tlsOptions(endpoint.hostname, endpoint.port, record.tls));
    socket.on('data', onChunk);
    return socket.once('secureConnect', onConnected);
  }
  const base =
    endpoint.kind === 'unix'
      ? { path: endpoint.path, allowHalfOpen: true }
      : { host: endpoint.hostname, port: endpoint.port, noDelay: true, allowHalfOpen: true };
  if (use === 'upgrade') return connect(base).on('data', onChunk).once('connect', onConnected);
  const onread = {
    buffer: readBuffer,
    callback: (length: number) => {
      reader.onBytes(readBuffer, 0, length);
      return true;
    },
  };
  return connect({ ...base, onread }).once('connect', onConnected);
}

function tlsOptions(hostname: string, port: number, given: UpstreamTls | undefined): ConnectionOptions {
  const { ca, cert, key, servername, verify } = given ?? {};
  const isAddress = /^[\d.]+$|:/.test(hostname);
  return {
    host: hostname,
    port,
    ALPNProtocols: ['http/1.1'],
    rejectUnauthorized: verify ?? true,
    ...(isAddress && servername === undefined ? {} : { servername: servername ?? hostname }),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}
