// A 32-bit hash of a text, spread evenly: FNV-1a with the finalizer of MurmurHash3. The same on all machines.

/** The hash of a text, 0 to 2^32-1. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let n = 0; n < text.length; n++) hash = Math.imul(hash ^ text.charCodeAt(n), 0x01000193);
  return spread(hash);
}

/** Mixes the bits of a number until each of them depends on all. */
export function spread(bits: number): number {
  let hash = bits ^ (bits >>> 16);
  hash = Math.imul(hash, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
