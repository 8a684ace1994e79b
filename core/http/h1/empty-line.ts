// The end of a field section that comes in pieces: reading all of it again for each piece would have quadratic cost.

/**
 * Is a section worth reading again that was incomplete when it had `seen` bytes? It is if an empty line has come, with or
 * without its CR, or if it has become twice as long.
 */
export function worthReading(section: Buffer | string, seen: number): boolean {
  if (section.length >= seen * 2) return true;
  const from = Math.max(0, seen - 2);
  return section.indexOf('\n\r\n', from) >= 0 || section.indexOf('\n\n', from) >= 0;
}
