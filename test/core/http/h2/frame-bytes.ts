// Frames as bytes, built without the FrameWriter.

/** A frame; the payload is latin1. */
export function frame(type: number, flags: number, streamId: number, payload = ''): string {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(streamId, 5);
  return header.toString('latin1') + payload;
}

/** A 4-byte number. */
export function uint32(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes.toString('latin1');
}

/** One setting. */
export function setting(id: number, value: number): string {
  return String.fromCharCode(id >> 8, id & 0xff) + uint32(value);
}

export const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
export const emptySettings: string = frame(4, 0, 0);
