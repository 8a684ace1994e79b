// The two steps to a path's normal form (RFC 3986 section 6.2.2).

/** `%7e`, in each spelling, and its decoded form. */
const normalTriplets: ReadonlyMap<string, string> = new Map(allTriplets());

function* allTriplets(): Generator<[string, string]> {
  const digits = [...'0123456789abcdefABCDEF'];
  for (const high of digits) {
    for (const low of digits) {
      const char = String.fromCharCode(Number.parseInt(high + low, 16));
      const triplet = `%${high}${low}`;
      yield [triplet, /[A-Za-z0-9\-._~]/.test(char) ? char : triplet.toUpperCase()];
    }
  }
}

/** Decodes what never needs encoding, and writes the rest in upper case (RFC 3986 sections 6.2.2.1 and 6.2.2.2). */
export function decodeUnreserved(path: string): string {
  return path.includes('%') ? path.replace(/%[0-9a-f]{2}/gi, decodeIfUnreserved) : path;
}

function decodeIfUnreserved(triplet: string): string {
  return normalTriplets.get(triplet) ?? triplet;
}

/** RFC 3986 section 5.2.4. */
export function removeDotSegments(path: string): string {
  if (!/(?:^|\/)\.\.?(?:\/|$)/.test(path)) return path;
  const kept: string[] = [];
  const segments = path.split('/');
  // The text before the first slash; dots at the end leave a slash behind.
  const last = segments.length - 1;
  for (let i = 1; i <= last; i++) {
    const segment = segments[i] ?? '';
    if (segment === '..') kept.pop();
    if (segment !== '.' && segment !== '..') kept.push(segment);
    else if (i === last) kept.push('');
  }
  return `/${kept.join('/')}`;
}
