// ClientHello: reads the name (SNI) that a client asks for, before the handshake. Needed where the name decides which TLS
// server does the handshake.
import type { Socket } from 'node:net';

/** The most bytes that are read. A longer hello is left to OpenSSL. */
const maxBytes = 32 * 1024;
const firstSize = 2 * 1024;

const recordHeaderLength = 5;
const handshakeHeaderLength = 4;
/** RFC 8446 section 5.1. */
const handshakeRecord = 22;
const maxRecordLength = 16 * 1024;
/** RFC 8446 section 4. */
const clientHello = 1;
/** RFC 6066 section 3: the extension, and its only type of name. */
const serverNameExtension = 0;
const hostName = 0;

/**
 * Reads the name (SNI) that a client asks for, before its handshake. The name is undefined if there is none, or if the hello is
 * malformed, which OpenSSL will report. What was read goes back into the socket. If the client leaves first, its socket is
 * destroyed. The caller must limit the time.
 */
export function readServerName(socket: Socket, done: (name: string | undefined) => void): void {
  const hello = new ClientHello();
  const read = (): void => {
    const bytes: Buffer | null = socket.read();
    if (bytes === null) {
      if (socket.readableEnded) socket.destroy();
      return;
    }
    if (!hello.push(bytes)) return;
    socket.off('readable', read);
    socket.off('end', read);
    socket.unshift(hello.received);
    done(hello.serverName);
  };
  socket.on('readable', read);
  socket.on('end', read);
  // Errors are handled on close.
  socket.on('error', ignore);
  // Bytes that were read and put back cause no event.
  if (socket.readableLength > 0) read();
}

const ignore = (): void => {};

/** Reads a hello that arrives in records and pieces of any size. Each byte is read once. */
export class ClientHello {
  /** The name that the client asks for, once the whole hello has arrived. */
  serverName: string | undefined = undefined;
  private readonly all = new Bytes();
  private readonly message = new Bytes();
  private readonly header = Buffer.alloc(recordHeaderLength);
  private headerLength = 0;
  /** Bytes of the record that are still to come. */
  private left = 0;

  /** All bytes that have arrived. */
  get received(): Buffer {
    return this.all.view;
  }

  /** Takes more bytes. Returns true if no more are needed. */
  push(bytes: Buffer): boolean {
    this.all.add(bytes);
    let at = 0;
    while (at < bytes.length) {
      if (this.left === 0) {
        this.header[this.headerLength++] = bytes[at++] ?? 0;
        if (!this.beginsRecord()) return true;
      } else {
        const end = Math.min(bytes.length, at + this.left);
        this.message.add(bytes.subarray(at, end));
        this.left -= end - at;
        at = end;
        if (this.isOver()) return true;
      }
    }
    return this.all.length >= maxBytes;
  }

  /** Returns false if it is not a handshake record. */
  private beginsRecord(): boolean {
    const { header } = this;
    if (header[0] !== handshakeRecord) return false;
    if (this.headerLength < recordHeaderLength) return true;
    this.headerLength = 0;
    this.left = header.readUInt16BE(3);
    return header[1] === 3 && this.left > 0 && this.left <= maxRecordLength;
  }

  /** Returns whether the whole hello has arrived, or certainly never will. */
  private isOver(): boolean {
    const { view } = this.message;
    if (view.length < handshakeHeaderLength) return false;
    const length = handshakeHeaderLength + view.readUIntBE(1, 3);
    if (view[0] !== clientHello || length > maxBytes) return true;
    if (view.length < length) return false;
    this.serverName = serverNameIn(view.subarray(handshakeHeaderLength, length));
    return true;
  }
}

/** A buffer that grows. */
class Bytes {
  length = 0;
  private room = Buffer.allocUnsafe(firstSize);

  get view(): Buffer {
    return this.room.subarray(0, this.length);
  }

  add(bytes: Buffer): void {
    const needed = this.length + bytes.length;
    if (needed > this.room.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, this.room.length * 2));
      this.room.copy(larger, 0, 0, this.length);
      this.room = larger;
    }
    bytes.copy(this.room, this.length);
    this.length = needed;
  }
}

/** The name in a hello (RFC 8446 section 4.1.2); undefined if there is none, or it is malformed. */
function serverNameIn(hello: Buffer): string | undefined {
  const parts = new Parts(hello);
  // Version and random; session id; cipher suites; compression methods.
  parts.skip(34);
  parts.vector(1);
  parts.vector(2);
  parts.vector(1);
  const extensions = new Parts(parts.vector(2));
  while (extensions.left > 0) {
    const type = extensions.number(2);
    const content = extensions.vector(2);
    if (type === serverNameExtension) return hostNameIn(content);
  }
  return undefined;
}

function hostNameIn(extension: Buffer): string | undefined {
  const list = new Parts(new Parts(extension).vector(2));
  while (list.left > 0) {
    const kind = list.number(1);
    const name = list.vector(2);
    if (kind === hostName) return name.length === 0 ? undefined : name.toString('latin1');
  }
  return undefined;
}

/** Reads the parts of a message. Beyond its end, numbers are 0 and vectors empty. */
class Parts {
  private readonly bytes: Buffer;
  private at = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  skip(count: number): void {
    this.at = Math.min(this.bytes.length, this.at + count);
  }

  /** Reads a big-endian number of this many bytes. */
  number(size: 1 | 2): number {
    const value = this.left < size ? 0 : this.bytes.readUIntBE(this.at, size);
    this.skip(size);
    return value;
  }

  /** Reads a part preceded by its length, in this many bytes; empty if it is cut short. */
  vector(size: 1 | 2): Buffer {
    const length = this.number(size);
    const start = this.at;
    if (length > this.left) {
      this.at = this.bytes.length;
      return nothing;
    }
    this.skip(length);
    return this.bytes.subarray(start, start + length);
  }
}

const nothing = Buffer.alloc(0);
