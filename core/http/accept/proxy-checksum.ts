// The checksum of a PROXY header: CRC32c (RFC 9260 appendix A), which Node does not have.

/** Castagnoli's polynomial, reversed. */
const polynomial = 0x82f63b78;
const length = 4;

const table = Uint32Array.from({ length: 256 }, (_, n) => {
  let value = n;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ polynomial : value >>> 1;
  return value;
});

/** Returns whether the checksum at `at` matches its header. Its own four bytes count as zeros. */
export function hasRightChecksum(header: Buffer, at: number): boolean {
  let state = 0xffff_ffff;
  for (let i = 0; i < header.length; i++) {
    const byte = i >= at && i < at + length ? 0 : (header[i] ?? 0);
    state = (state >>> 8) ^ (table[(state ^ byte) & 0xff] ?? 0);
  }
  return (state ^ 0xffff_ffff) >>> 0 === header.readUInt32BE(at);
}
