// Random numbers that a seed reproduces (mulberry32), so that a failure can be repeated.

/** Whole numbers from 0 to 2^32-1, the same ones for the same seed. */
export function seededBits(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

/** Numbers from 0 to below 1, the same ones for the same seed. */
export function seeded(seed: number): () => number {
  const bits = seededBits(seed);
  return () => bits() / 2 ** 32;
}
