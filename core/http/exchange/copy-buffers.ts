// Copy buffers: reused buffers for large pieces of a body that wait to be written. A new buffer for each piece would cost more
// than the copy: memory from the system, page faults and garbage collection.

/** The size of one, bytes: as much as one read returns. */
export const copyBufferSize = 64 * 1024;
/** How many unused ones are kept. */
const maxSpare = 32;

const spare: Buffer[] = [];

/** Returns a buffer with arbitrary content. Give it back once it has been written. */
export function takeCopyBuffer(): Buffer {
  return spare.pop() ?? Buffer.allocUnsafeSlow(copyBufferSize);
}

/** Takes back a buffer that is no longer being written. */
export function giveBackCopyBuffer(buffer: Buffer): void {
  if (spare.length < maxSpare) spare.push(buffer);
}
