// Builds pools from the parts that a test sets.
import { Pool, type UpstreamRecord } from '../pool/pool.ts';
import { parseServerAddress } from '../pool/server-address.ts';

/** An upstream by its URL, or with the parts of its record that matter. */
export type UpstreamInput = string | ({ readonly url: string } & Partial<Omit<UpstreamRecord, 'id'>>);

/** The full record of an upstream: weight 1, always active, from the config. Throws INPUT_INVALID for a bad URL. */
export function upstreamRecord(input: UpstreamInput): UpstreamRecord {
  const { url, ...rest } = typeof input === 'string' ? { url: input } : input;
  return {
    id: parseServerAddress(url).id,
    weight: 1,
    host: 'client',
    state: 'active',
    reason: 'new',
    layer: 'config',
    activeSince: 0,
    ...rest,
  };
}

/** A pool that holds these upstreams: `pool(['http://a:1', { url: 'http://b:1', weight: 2, state: 'down' }])`. */
export function pool(upstreams: readonly UpstreamInput[] = [], name = 'default'): Pool {
  const made = new Pool(name);
  for (const upstream of upstreams) made.set(upstreamRecord(upstream));
  return made;
}
