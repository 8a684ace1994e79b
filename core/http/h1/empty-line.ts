// The end of a section of fields that comes in pieces: reading all of it again for each piece would have square cost.

/**
 * Is a section that was found incomplete when `seen` of it were there worth reading again? When an empty line has come,
 * with or without its CR, or there is twice as much of it.
 */
export function worthReading(section: Buffer | string, seen: number): boolean {
  if (section.length >= seen * 2) return true;
  const from = Math.max(0, seen - 2);
  return section.indexOf('\n\r\n', from) >= 0 || section.indexOf('\n\n', from) >= 0;
}
