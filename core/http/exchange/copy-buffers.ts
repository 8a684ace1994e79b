// Copy buffers: reused buffers in which large pieces of a body wait to be written. A fresh buffer for each piece costs more
// than the copy: memory from the system, page faults, and the collector's work.

/** The size of one, bytes: as much as one read brings. */
export const copyBufferSize = 64 * 1024;
/** How many are kept while they are not in use. */
const maxSpare = 32;

const spare: Buffer[] = [];

/** Returns a buffer of arbitrary content; give it back once it was written. */
export function takeCopyBuffer(): Buffer {
  return spare.pop() ?? Buffer.allocUnsafeSlow(copyBufferSize);
}

/** Takes back a buffer from which nothing is being written. */
export function giveBackCopyBuffer(buffer: Buffer): void {
  if (spare.length < maxSpare) spare.push(buffer);
}
