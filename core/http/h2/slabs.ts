// Slabs: memory for what is written in small pieces. Batches of many connections lie in one, one behind the other, so that
// a batch costs no allocation and a connection without traffic no memory.

/** A piece of memory; what is before `used` belongs to batches that were taken, and is not written again. */
export interface Slab {
  readonly bytes: Buffer;
  used: number;
}

/** Small enough not to matter where one slow peer holds on to it. */
const slabBytes = 32 * 1024;
/** A slab with less room than this is let go, and lives as long as the batches in it. */
const leastRoom = 512;
const maxSpare = 16;

const spare: Slab[] = [];

/** A slab with room, for one batch at a time. */
export function takeSlab(): Slab {
  return spare.pop() ?? { bytes: Buffer.allocUnsafeSlow(slabBytes), used: 0 };
}

/** Takes a slab back behind whose `used` nothing is written. */
export function giveBackSlab(slab: Slab): void {
  if (spare.length < maxSpare && slab.bytes.length - slab.used >= leastRoom) spare.push(slab);
}
