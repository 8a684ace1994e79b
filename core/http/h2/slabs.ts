// Slabs: memory for what is written. Batches of many connections lie in one, one behind the other, and it is used again
// when they have left: a batch costs no allocation, and a connection without traffic no memory.

/** A piece of memory; what is before `used` belongs to batches, and is not written again before they have left. */
export interface Slab {
  readonly bytes: Buffer;
  used: number;
  /** Batches in it that were taken and have not left. */
  batches: number;
  /** Who may write to it: a writer; the next one that asks; nobody, until its batches have left. */
  state: 'writer' | 'spare' | 'full';
}

/** What one read of a body brings leaves as one piece, with the headers of its frames. */
const slabBytes = 128 * 1024;
/** A slab with less room than this waits until the batches in it have left. */
const leastRoom = 512;
const maxSpare = 16;

const spare: Slab[] = [];

/** A slab with room, for one batch at a time. */
export function takeSlab(): Slab {
  const slab = spare.pop();
  if (slab === undefined) {
    return { bytes: Buffer.allocUnsafeSlow(slabBytes), used: 0, batches: 0, state: 'writer' };
  }
  slab.state = 'writer';
  return slab;
}

/** Takes a slab back behind whose `used` nothing is written. */
export function giveBackSlab(slab: Slab): void {
  if (slab.batches === 0) slab.used = 0;
  slab.state = 'full';
  if (slab.bytes.length - slab.used >= leastRoom) keep(slab);
}

/** A batch in it has left. */
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
