// Copy buffers: where large pieces of a body wait to be written, used again and again. Making a fresh buffer for each
// piece costs more than copying it: memory from the system, page faults, and the collector's work.

/** Bytes of one: as much as one read brings. */
export const copyBufferSize = 64 * 1024;
/** How many are kept while they are not in use. */
const maxSpare = 32;

const spare: Buffer[] = [];

/** A buffer whose content is anybody's; give it back when it was written. */
export function takeCopyBuffer(): Buffer {
  return spare.pop() ?? Buffer.allocUnsafeSlow(copyBufferSize);
}

/** Takes back a buffer that nothing is written from any more. */
export function giveBackCopyBuffer(buffer: Buffer): void {
  if (spare.length < maxSpare) spare.push(buffer);
}
