// Protocol buffers, decoded without a schema: the fields of a message, by number.

/** A field: an integer, or the bytes of a text or of a nested message. */
export interface Field {
  readonly number: number;
  readonly value: bigint | Buffer;
}

/** Returns the fields of a message in order. Throws a RangeError for an invalid message. */
export function readMessage(bytes: Buffer): Field[] {
  const fields: Field[] = [];
  let pos = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes.readUInt8(pos++);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (pos < bytes.length) {
    const key = Number(varint());
    const number = key >> 3;
    let value: bigint | Buffer;
    switch (key & 7) {
      case 0:
        value = varint();
        break;
      case 1:
        value = bytes.readBigUInt64LE(pos);
        pos += 8;
        break;
      case 2: {
        const length = Number(varint());
        value = bytes.subarray(pos, pos + length);
        pos += length;
        break;
      }
      case 5:
        value = BigInt(bytes.readUInt32LE(pos));
        pos += 4;
        break;
      default:
        throw new RangeError(`a field of the kind ${key & 7}`);
    }
    fields.push({ number, value });
  }
  return fields;
}
