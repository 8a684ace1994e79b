// Names of fields that control the wire, recognized without creating a string for the name.

/** What a field means to the wire; `plain` fields just pass through. */
export const field = {
  plain: 0,
  connection: 1,
  contentLength: 2,
  transferEncoding: 3,
  host: 4,
  expect: 5,
  upgrade: 6,
  /** Hop-by-hop and not used by Weldr: dropped. */
  dropped: 7,
  /** Describes the client; believed only from trusted proxies. */
  forwarding: 8,
  date: 9,
  via: 10,
  maxForwards: 11,
  keepAlive: 12,
  te: 13,
} as const;

/** One of {@link field}. */
export type FieldKind = (typeof field)[keyof typeof field];

/** The name of such a field in its two usual spellings. */
interface SteeringName {
  readonly key: string;
  readonly title: string;
  readonly kind: FieldKind;
}

const steering: Readonly<Record<string, FieldKind>> = {
  connection: field.connection,
  'content-length': field.contentLength,
  'transfer-encoding': field.transferEncoding,
  host: field.host,
  expect: field.expect,
  upgrade: field.upgrade,
  'keep-alive': field.keepAlive,
  'proxy-connection': field.dropped,
  te: field.te,
  'http2-settings': field.dropped,
  'x-forwarded-for': field.forwarding,
  'x-forwarded-proto': field.forwarding,
  'x-forwarded-host': field.forwarding,
  'x-forwarded-port': field.forwarding,
  forwarded: field.forwarding,
  date: field.date,
  via: field.via,
  'max-forwards': field.maxForwards,
};

/** Buckets of the hash table; a power of two. */
const nameBuckets = 256;

const buckets: (readonly SteeringName[])[] = Array.from({ length: nameBuckets }, () => []);

for (const [key, kind] of Object.entries(steering)) {
  const title = key.replace(/(^|-)[a-z]/g, start => start.toUpperCase());
  const slot = hashName(key) & (nameBuckets - 1);
  buckets[slot] = [...(buckets[slot] ?? []), { key, title, kind }];
}

/** The hash that the parser computes character by character, ignoring case. */
function hashName(key: string): number {
  let hash = 0;
  for (let i = 0; i < key.length; i++) hash = (hash * 31 + (key.charCodeAt(i) | 0x20)) | 0;
  return hash;
}

/** Returns what the field named `text[start, end)`, with this hash, means to the wire. */
export function fieldKind(text: string, start: number, end: number, hash: number): FieldKind {
  const bucket = buckets[hash & (nameBuckets - 1)];
  if (bucket === undefined) return field.plain;
  for (let i = 0; i < bucket.length; i++) {
    const name = bucket[i];
    if (name === undefined || name.key.length !== end - start) continue;
    if (text.startsWith(name.title, start) || text.startsWith(name.key, start)) return name.kind;
    if (text.slice(start, end).toLowerCase() === name.key) return name.kind;
  }
  return field.plain;
}
