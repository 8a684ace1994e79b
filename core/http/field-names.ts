// Known field names, interned: the parser answers one shared string for each, and says which ones steer the wire.

/** What a field means to the wire; `plain` ones only pass through. */
export const field = {
  plain: 0,
  connection: 1,
  contentLength: 2,
  transferEncoding: 3,
  host: 4,
  expect: 5,
  upgrade: 6,
  /** Hop-by-hop, and of no use to this hop: dropped. */
  dropped: 7,
  /** Says who the client is; believed only of trusted proxies. */
  forwarding: 8,
  date: 9,
  via: 10,
  maxForwards: 11,
  keepAlive: 12,
} as const;

/** One of {@link field}. */
export type FieldKind = (typeof field)[keyof typeof field];

/** A known field name in its two usual spellings. */
export interface KnownName {
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
  te: field.dropped,
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

const passing = [
  'accept accept-charset accept-encoding accept-language accept-ranges age allow authorization cache-control',
  'content-disposition content-encoding content-language content-location content-range content-security-policy',
  'content-type cookie dnt etag expires from if-match if-modified-since if-none-match if-range',
  'if-unmodified-since last-modified link location origin pragma priority range referer referrer-policy',
  'retry-after sec-ch-ua sec-ch-ua-mobile sec-ch-ua-platform sec-fetch-dest sec-fetch-mode sec-fetch-site',
  'sec-fetch-user sec-websocket-accept sec-websocket-extensions sec-websocket-key sec-websocket-protocol',
  'sec-websocket-version server set-cookie strict-transport-security traceparent tracestate trailer',
  'upgrade-insecure-requests user-agent vary warning www-authenticate x-content-type-options x-frame-options',
  'x-powered-by x-real-ip x-request-id x-requested-with x-xss-protection',
];

/** Buckets of the hash table; a power of two. */
export const nameBuckets = 1024;

const buckets: (readonly KnownName[])[] = Array.from({ length: nameBuckets }, () => []);

for (const key of [...Object.keys(steering), ...passing.flatMap(line => line.split(' '))]) {
  const title = key.replace(/(^|-)[a-z]/g, start => start.toUpperCase());
  const slot = hashName(key) & (nameBuckets - 1);
  buckets[slot] = [...(buckets[slot] ?? []), { key, title, kind: steering[key] ?? field.plain }];
}

/** The hash that the parser builds character by character, case folded. */
function hashName(key: string): number {
  let hash = 0;
  for (let i = 0; i < key.length; i++) hash = (hash * 31 + (key.charCodeAt(i) | 0x20)) | 0;
  return hash;
}

/** The known name at `text[start, end)` with this hash, or undefined. */
export function knownName(text: string, start: number, end: number, hash: number): KnownName | undefined {
  const bucket = buckets[hash & (nameBuckets - 1)];
  if (bucket === undefined) return undefined;
  for (let i = 0; i < bucket.length; i++) {
    const name = bucket[i];
    if (name === undefined || name.key.length !== end - start) continue;
    if (text.startsWith(name.title, start) || text.startsWith(name.key, start)) return name;
    if (text.slice(start, end).toLowerCase() === name.key) return name;
  }
  return undefined;
}
