// The messages of gRPC's health protocol (https://github.com/grpc/grpc/blob/master/doc/health-checking.md), in the bytes
// of Protocol Buffers and the frames of gRPC: each message has a flag and four bytes of length before it.

/** Names of `HealthCheckResponse.ServingStatus`, by number. */
const servingStatuses = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'] as const;

/** What a server says about a service. */
export type ServingStatus = (typeof servingStatuses)[number];

/** The prefix of a message: a compression flag and the length. */
const prefixLength = 5;

// Protocol Buffers: the low three bits of a tag.
const varint = 0;
const fixed64 = 1;
const delimited = 2;
const fixed32 = 5;

/** Returns a framed HealthCheckRequest; `service`: '' for the server as a whole. */
export function healthRequest(service: string): Buffer {
  const name = Buffer.from(service);
  const message =
    name.length === 0 ? name : Buffer.concat([Buffer.from([tagOf(1, delimited), ...sizeOf(name)]), name]);
  const prefix = Buffer.alloc(prefixLength);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** Returns the status in a framed HealthCheckResponse; undefined: the bytes are not one. */
export function servingStatus(bytes: Buffer): ServingStatus | undefined {
  if (bytes.length < prefixLength || bytes[0] !== 0) return undefined;
  const message = bytes.subarray(prefixLength);
  return bytes.readUInt32BE(1) === message.length ? statusIn(message) : undefined;
}

function statusIn(message: Buffer): ServingStatus | undefined {
  const reader = new FieldReader(message);
  // On the wire, a value of 0 is omitted.
  let status = 0;
  while (!reader.done) {
    const tag = reader.varint();
    if (tag === tagOf(1, varint)) status = reader.varint();
    else reader.skip(tag & 7);
  }
  return reader.failed ? undefined : servingStatuses[status];
}

/** Reads numbers, and skips fields that later versions of the message may add. */
class FieldReader {
  private readonly bytes: Buffer;
  private at = 0;
  /** The bytes are not a message. */
  failed = false;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  get done(): boolean {
    return this.failed || this.at >= this.bytes.length;
  }

  varint(): number {
    let value = 0;
    // Tags, lengths and statuses have at most five bytes.
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.bytes[this.at++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    this.failed = true;
    return 0;
  }

  skip(type: number): void {
    if (type === varint) this.varint();
    else if (type === fixed64) this.at += 8;
    else if (type === fixed32) this.at += 4;
    else if (type === delimited) {
      const length = this.varint();
      this.at += length;
    } else this.failed = true;
    if (this.at > this.bytes.length) this.failed = true;
  }
}

const tagOf = (field: number, type: number): number => (field << 3) | type;

/** The bytes of a length as a varint. */
function sizeOf({ length }: Buffer): number[] {
  return length < 0x80 ? [length] : [(length & 0x7f) | 0x80, length >> 7];
}
