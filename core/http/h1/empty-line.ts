// The end of a field section that arrives in pieces: reading it again from the start for each piece would cost quadratic time.

/**
 * Returns whether a section that was incomplete at `seen` bytes is worth reading again. It is if an empty line has arrived,
 * with or without its CR, or if it has doubled in length.
 */
export function worthReading(section: Buffer | string, seen: number): boolean {
  if (section.length >= seen * 2) return true;
  const from = Math.max(0, seen - 2);
  return section.indexOf('\n\r\n', from) >= 0 || section.indexOf('\n\n', from) >= 0;
}
