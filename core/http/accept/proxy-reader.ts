// ProxyReader: reads the PROXY header from an accepted socket, and leaves what follows in the socket.
import type { Socket } from 'node:net';
import { type ProxyHeader, ProxyHeaderError, readProxyHeader } from './proxy-header.ts';

/** Receives the outcome. Exactly one of its methods is called. */
export interface ProxyHeaderReceiver {
  /** The header was read. The socket is paused, and holds the bytes after it. */
  onHeader(header: ProxyHeader): void;
  /** There will be no header, and the socket is closed. `reason`: undefined if it was closed before its first byte. */
  onNone(reason: string | undefined): void;
}

/** Reads one header. The receiver must limit the time. */
export class ProxyReader {
  private readonly socket: Socket;
  private readonly receiver: ProxyHeaderReceiver;
  /** What has arrived so far, in pieces, which are joined only when the header can be complete. */
  private pieces: Buffer[] = [];
  private size = 0;
  private wanted = 1;

  constructor(socket: Socket, receiver: ProxyHeaderReceiver) {
    this.socket = socket;
    this.receiver = receiver;
    socket.on('readable', this.onReadable);
    socket.on('end', this.onReadable);
    socket.on('close', this.onClose);
    socket.on('error', ignore);
  }

  private readonly onReadable = (): void => {
    const bytes: Buffer | null = this.socket.read();
    if (bytes === null) {
      if (this.socket.readableEnded) this.socket.destroy();
      return;
    }
    this.pieces.push(bytes);
    this.size += bytes.length;
    if (this.size >= this.wanted) this.tryRead();
  };

  private tryRead(): void {
    const { receiver, socket } = this;
    const [first = noBytes, ...more] = this.pieces;
    const bytes = more.length === 0 ? first : Buffer.concat(this.pieces);
    let header: ProxyHeader | number;
    try {
      header = readProxyHeader(bytes);
    } catch (thrown) {
      if (!(thrown instanceof ProxyHeaderError)) throw thrown;
      this.stop();
      socket.destroy();
      receiver.onNone(thrown.message);
      return;
    }
    if (typeof header === 'number') {
      this.pieces = [bytes];
      this.wanted = header;
      return;
    }
    this.stop();
    if (header.length < bytes.length) socket.unshift(bytes.subarray(header.length));
    receiver.onHeader(header);
  }

  private readonly onClose = (): void => {
    this.stop();
    this.receiver.onNone(this.size === 0 ? undefined : 'the connection was closed within a PROXY header');
  };

  private stop(): void {
    const { socket } = this;
    socket.off('readable', this.onReadable);
    socket.off('end', this.onReadable);
    socket.off('close', this.onClose);
  }
}

const noBytes = Buffer.alloc(0);

const ignore = (): void => {};
