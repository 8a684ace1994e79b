// Leases: grants, renews and revokes leases of etcd, and looks for the keys that they hold. etcd3's Lease class renews by
// itself and reports a loss only after twice its time; here each renewal is one request, sent at a known time.
import type { Etcd3 } from 'etcd3';
import { type AttemptOptions, type CallLimits, type EtcdClient, revisionOf } from './client.ts';

/** A lease as granted. */
export interface GrantedLease {
  readonly id: string;
  /** The lifetime that etcd granted, ms: whole seconds, and at least 1.5 of etcd's election timeouts. */
  readonly ttl: number;
  /** `performance.now()` before it was requested: it cannot end before this plus `ttl`. */
  readonly from: number;
}

/** Grants a lease of at least `ttl` ms. */
export async function grantLease(
  client: EtcdClient,
  ttl: number,
  limits?: CallLimits,
): Promise<GrantedLease> {
  return await client.call(async (etcd, options) => {
    const from = performance.now();
    const answer = await etcd.leaseClient.leaseGrant({ TTL: Math.ceil(ttl / 1000) }, options);
    return { id: answer.ID, ttl: Number(answer.TTL) * 1000, from };
  }, limits);
}

/** etcd's answer to a renewal. */
export interface KeptLease {
  /** The lifetime from now, ms; 0: the lease no longer exists. */
  readonly ttl: number;
  readonly raftTerm: string;
  readonly revision: number;
}

/** Renews a lease once, at the member of `etcd`. Rejects when there is no answer by `options.deadline`. */
export async function keepAliveOnce(etcd: Etcd3, id: string, options: AttemptOptions): Promise<KeptLease> {
  const stream = await etcd.leaseClient.leaseKeepAlive(options);
  const { promise, resolve, reject } = Promise.withResolvers<KeptLease>();
  stream.on('error', reject);
  stream.on('end', () => reject(new Error('the renewal ended without an answer')));
  stream.on('data', answer =>
    resolve({
      ttl: Number(answer.TTL) * 1000,
      raftTerm: answer.header.raft_term,
      revision: revisionOf(answer.header),
    }),
  );
  stream.write({ ID: id });
  try {
    return await promise;
  } finally {
    stream.cancel();
  }
}

/** Returns whether etcd still has this lease, and it has not expired. */
export async function leaseLives(client: EtcdClient, id: string): Promise<boolean> {
  const answer = await client.call(
    async (etcd, options) => await etcd.leaseClient.leaseTimeToLive({ ID: id }, options),
  );
  return Number(answer.TTL) > 0;
}

/** Returns whether a key exists. A lease lives on when somebody deletes a key that it holds. */
export async function hasKey(client: EtcdClient, key: string): Promise<boolean> {
  const answer = await client.call(
    async (etcd, options) => await etcd.kv.range({ key: Buffer.from(key), count_only: true }, options),
  );
  return Number(answer.count) > 0;
}

/** Ends a lease, and with it all keys that it holds. Does nothing when the lease no longer exists. */
export async function revokeLease(client: EtcdClient, id: string, limits?: CallLimits): Promise<void> {
  try {
    await client.call(
      async (etcd, options) => await etcd.leaseClient.leaseRevoke({ ID: id }, options),
      limits,
    );
  } catch (thrown) {
    if (!/requested lease not found/.test(String(thrown))) throw thrown;
  }
}
