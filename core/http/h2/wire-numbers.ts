// Numbers as frames carry them, in network byte order.

/** A number of 32 bits. */
export function wholeNumber(buffer: Buffer, at: number): number {
  return streamNumber(buffer, at) + ((buffer[at] ?? 0) >= 0x80 ? 0x80000000 : 0);
}

/** A number of 31 bits, as of a stream or a window; the reserved bit before it is ignored. */
export function streamNumber(buffer: Buffer, at: number): number {
  return (
    (((buffer[at] ?? 0) & 0x7f) << 24) |
    ((buffer[at + 1] ?? 0) << 16) |
    ((buffer[at + 2] ?? 0) << 8) |
    (buffer[at + 3] ?? 0)
  );
}
