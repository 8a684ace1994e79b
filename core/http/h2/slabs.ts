// Slabs: memory for what is written. Batches of many connections lie in one slab, one behind the other, and it is reused
// once they have left: a batch costs no allocation, and a connection without traffic no memory.

/** A piece of memory; the bytes before `used` belong to batches, and do not change before these have left. */
export interface Slab {
  readonly bytes: Buffer;
  used: number;
  /** How many batches in it were taken and have not left. */
  batches: number;
  /** What may write to it: its writer; the next writer that needs one; nothing, until its batches have left. */
  state: 'writer' | 'spare' | 'full';
}

/** Enough for what one read of a body brings, with the headers of its frames. */
const slabBytes = 128 * 1024;
/** A slab with less room than this is not used until its batches have left. */
const leastRoom = 512;
const maxSpare = 16;

const spare: Slab[] = [];

/** Returns a slab with room, for one batch at a time. */
export function takeSlab(): Slab {
  const slab = spare.pop();
  if (slab === undefined) {
    return { bytes: Buffer.allocUnsafeSlow(slabBytes), used: 0, batches: 0, state: 'writer' };
  }
  slab.state = 'writer';
  return slab;
}

/** Takes back a slab that its writer is done with. */
export function giveBackSlab(slab: Slab): void {
  if (slab.batches === 0) slab.used = 0;
  slab.state = 'full';
  if (slab.bytes.length - slab.used >= leastRoom) keep(slab);
}

/** A batch in the slab has left. */
export function releaseSlab(slab: Slab): void {
  slab.batches--;
  if (slab.batches > 0 || slab.state === 'writer') return;
  slab.used = 0;
  if (slab.state === 'full') keep(slab);
}

function keep(slab: Slab): void {
  if (spare.length >= maxSpare) return;
  slab.state = 'spare';
  spare.push(slab);
}
