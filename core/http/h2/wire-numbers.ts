// Numbers in frames, in network byte order.

/** Reads a 32-bit number. */
export function wholeNumber(buffer: Buffer, at: number): number {
  return streamNumber(buffer, at) + ((buffer[at] ?? 0) >= 0x80 ? 0x80000000 : 0);
}

/** Reads a 31-bit number, such as a stream identifier or a window. The reserved bit before it is ignored. */
export function streamNumber(buffer: Buffer, at: number): number {
  return (
    (((buffer[at] ?? 0) & 0x7f) << 24) |
    ((buffer[at + 1] ?? 0) << 16) |
    ((buffer[at + 2] ?? 0) << 8) |
    (buffer[at + 3] ?? 0)
  );
}
