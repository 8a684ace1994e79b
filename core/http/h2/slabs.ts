// Slabs: memory for outgoing batches. A slab holds the batches of many connections, one after another, and is reused once they
// have been sent: a batch costs no allocation, and an idle connection no memory.

/** A piece of memory. The bytes before `used` belong to batches, and do not change until these have been sent. */
export interface Slab {
  readonly bytes: Buffer;
  used: number;
  /** How many batches in it have been taken and not sent yet. */
  batches: number;
  /** What may write to it: its writer; the next writer that needs a slab; nothing until its batches have been sent. */
  state: 'writer' | 'spare' | 'full';
}

/** Enough for one read of a body and the headers of its frames. */
const slabBytes = 128 * 1024;
/** A slab with less room than this is not used until its batches have been sent. */
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

/** Takes back a slab from its writer. */
export function giveBackSlab(slab: Slab): void {
  if (slab.batches === 0) slab.used = 0;
  slab.state = 'full';
  if (slab.bytes.length - slab.used >= leastRoom) keep(slab);
}

/** Called when a batch in the slab has been sent. */
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
