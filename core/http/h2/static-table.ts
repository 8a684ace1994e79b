// The static table of HPACK (RFC 7541 appendix A), by index and by name.

const entries: readonly (readonly [name: string, value: string])[] = [
  [':authority', ''],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  [':status', '200'],
  [':status', '204'],
  [':status', '206'],
  [':status', '304'],
  [':status', '400'],
  [':status', '404'],
  [':status', '500'],
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
  ['accept-language', ''],
  ['accept-ranges', ''],
  ['accept', ''],
  ['access-control-allow-origin', ''],
  ['age', ''],
  ['allow', ''],
  ['authorization', ''],
  ['cache-control', ''],
  ['content-disposition', ''],
  ['content-encoding', ''],
  ['content-language', ''],
  ['content-length', ''],
  ['content-location', ''],
  ['content-range', ''],
  ['content-type', ''],
  ['cookie', ''],
  ['date', ''],
  ['etag', ''],
  ['expect', ''],
  ['expires', ''],
  ['from', ''],
  ['host', ''],
  ['if-match', ''],
  ['if-modified-since', ''],
  ['if-none-match', ''],
  ['if-range', ''],
  ['if-unmodified-since', ''],
  ['last-modified', ''],
  ['link', ''],
  ['location', ''],
  ['max-forwards', ''],
  ['proxy-authenticate', ''],
  ['proxy-authorization', ''],
  ['range', ''],
  ['referer', ''],
  ['refresh', ''],
  ['retry-after', ''],
  ['server', ''],
  ['set-cookie', ''],
  ['strict-transport-security', ''],
  ['transfer-encoding', ''],
  ['user-agent', ''],
  ['vary', ''],
  ['via', ''],
  ['www-authenticate', ''],
];

/** The last index of the static table. The dynamic table begins after it. */
export const staticCount = entries.length;

/** Names by index. Index 0 is unused. */
export const staticNames: readonly string[] = ['', ...entries.map(([name]) => name)];

/** Values by index; '' if there is none. */
export const staticValues: readonly string[] = ['', ...entries.map(([, value]) => value)];

/** The number of possible hashes. */
export const nameHashes = 256;

/** Returns the hash of a name, at the same cost for any length. Other names may share it. */
export function nameHash(name: string): number {
  const { length } = name;
  const middle = name.charCodeAt(length >>> 1);
  return (length * 7 + name.charCodeAt(0) * 31 + middle * 5 + name.charCodeAt(length - 1) * 11) & 0xff;
}

/** Open addressing: the first index of a name is at its hash, or at one of the following places before a free one. */
const indexes = new Uint8Array(nameHashes);

for (let index = 1; index <= staticCount; index++) {
  const name = staticNames[index] ?? '';
  if (name === staticNames[index - 1]) continue;
  let place = nameHash(name);
  while (indexes[place] !== 0) place = (place + 1) % nameHashes;
  indexes[place] = index;
}

/** Returns the first index of a name with this {@link nameHash}; 0 if there is none. */
export function findStaticName(name: string, hash: number): number {
  for (let place = hash; ; place = (place + 1) % nameHashes) {
    const index = indexes[place] ?? 0;
    if (index === 0 || staticNames[index] === name) return index;
  }
}

/** Returns the index of a name with this value; 0 if there is none. `first`: the first index of the name. */
export function findStaticField(first: number, name: string, value: string): number {
  if (value === '') return 0;
  for (let index = first; ; index++) {
    if (staticValues[index] === value) return index;
    if (staticNames[index + 1] !== name) return 0;
  }
}
