// RowWriter: writes rows to etcd in one transaction, which succeeds only if etcd still holds what this node has seen.
import type { IKeyValue, ITxnResponse } from 'etcd3';
import { WeldrError } from '../../core/errors.ts';
import type { Batch, RowChange } from '../../core/state/row.ts';
import { type CallLimits, type EtcdClient, plainReason, revisionOf } from './client.ts';
import type { EtcdContact } from './etcd-contact.ts';
import { refusalError, refusalOf } from './etcd-failure.ts';
import { afterPrefix, type ClusterKeys, lifetimeOf, rowValue } from './keys.ts';
import { grantLease, keepAliveOnce, revokeLease } from './leases.ts';
import type { RowReplica, SeenKey, WrittenKey } from './row-replica.ts';

/** A key to write, and what this node has seen of it. */
interface Pending extends WrittenKey {
  readonly known: SeenKey | undefined;
}

/** What a {@link RowWriter} is made of. */
export interface RowWriterOptions {
  readonly client: EtcdClient;
  readonly keys: ClusterKeys;
  readonly replica: RowReplica;
  readonly contact: EtcdContact;
  /** How long a write may take before it fails with STORE_UNAVAILABLE, ms. */
  readonly timeout: number;
}

/** Writes the rows of one node. */
export class RowWriter {
  private readonly options: RowWriterOptions;
  private readonly limits: CallLimits;

  constructor(options: RowWriterOptions) {
    this.options = options;
    const { timeout } = options;
    this.limits = { totalMs: timeout, attemptMs: Math.max(100, Math.min(1000, timeout / 2)) };
  }

  /**
   * Writes a batch; resolves with what other nodes have written over it since. Rejects with CONFLICT when another node was
   * faster, with STORE_UNAVAILABLE when etcd did not confirm it.
   */
  async write(batch: Batch): Promise<Batch | undefined> {
    this.expectContact();
    const { replica } = this.options;
    let newer: readonly RowChange[];
    try {
      if (batch.reset === true) await this.reset();
      newer = await this.writeRows(batch.changes);
    } catch (thrown) {
      if (thrown instanceof WeldrError && thrown.code !== 'STORE_UNAVAILABLE') throw thrown;
      const refusal = refusalOf(thrown);
      if (refusal?.mayBeDone === false) {
        // Trying again would not help.
        const code = refusal.kind === 'too-large' ? 'INPUT_INVALID' : 'STORE_UNAVAILABLE';
        throw new WeldrError(code, `nothing was changed: ${refusal.text}`, { cause: thrown });
      }
      throw new WeldrError(
        'STORE_UNAVAILABLE',
        `etcd did not confirm the change; check whether it was made before trying again (${plainReason(thrown)})`,
        { cause: thrown },
      );
    }
    replica.save();
    return replica.batchOf(newer);
  }

  /** Has etcd's majority confirm that these rows are as this node has seen them. Rejects with CONFLICT when they are not. */
  async confirm(rows: readonly Pick<RowChange, 'kind' | 'key'>[]): Promise<void> {
    this.expectContact();
    const { client, keys, replica, contact } = this.options;
    const asked = rows.map(({ kind, key: name }) => {
      const key = keys.row(kind, name);
      return { key, known: replica.get(key) };
    });
    // A transaction that writes nothing still asks etcd's majority.
    const request = { compare: asked.map(isAsSeen), failure: asked.map(rangeOf) };
    const answer = await client.call(
      async (etcd, options) => await etcd.kv.txn(request, options),
      this.limits,
    );
    contact.confirmed();
    if (!answer.succeeded) this.refuseOvertaken(asked, answer);
  }

  private expectContact(): void {
    const { stale, awayBecause } = this.options.contact;
    if (!stale) return;
    throw new WeldrError(
      'STORE_UNAVAILABLE',
      `etcd is away, nothing was changed${awayBecause === '' ? '' : ` (${awayBecause})`}`,
    );
  }

  /** Resolves with what other nodes have written over these rows since. */
  private async writeRows(changes: readonly RowChange[]): Promise<readonly RowChange[]> {
    const { replica, contact } = this.options;
    const prepared = await Promise.all(changes.map(change => this.prepare(change)));
    const same = changes.filter((_, index) => prepared[index] === undefined);
    const pending = prepared.flatMap(one => one ?? []);
    if (same.length > 0) await this.confirm(same);
    if (pending.length === 0) return [];
    const { answer, attempts } = await this.exchange(pending);
    const revision = revisionOf(answer.header);
    contact.confirmed();
    if (answer.succeeded) {
      return pending.flatMap(one => replica.wrote(one, revision));
    }
    const now = pending.map((_, index) => answer.responses[index]?.response_range.kvs[0]);
    // After several attempts it may be an earlier one whose answer was lost. After a single one it was another node's write: of
    // two nodes that write the same at once, one must learn of the other.
    if (attempts > 1 && pending.every(({ value }, index) => now[index]?.value.toString() === value)) {
      await Promise.all(pending.map((one, index) => this.renewWritten(one, now[index])));
      return pending.flatMap((one, index) => {
        const kv = now[index];
        if (kv === undefined) return replica.wrote(one, revision);
        return replica.wrote({ ...one, lease: kv.lease }, Number(kv.mod_revision));
      });
    }
    for (const { lease } of pending) this.letGo(lease);
    return this.refuseOvertaken(pending, answer);
  }

  /** Takes over what other nodes have changed; throws CONFLICT. */
  private refuseOvertaken(asked: readonly Pick<Pending, 'key'>[], answer: ITxnResponse): never {
    const { replica } = this.options;
    const revision = revisionOf(answer.header);
    const now = asked.map((_, index) => answer.responses[index]?.response_range.kvs[0]);
    replica.report(asked.flatMap(({ key }, index) => replica.overtake(key, now[index], revision)));
    throw new WeldrError(
      'CONFLICT',
      'another node of the cluster has changed this meanwhile; look at it and try again',
    );
  }

  /** Returns the write that a change needs; undefined: none, etcd already holds it. */
  private async prepare({ kind, key: name, row }: RowChange): Promise<Pending | undefined> {
    const key = this.options.keys.row(kind, name);
    const value = row === undefined ? undefined : rowValue(row);
    const known = this.options.replica.get(key);
    const ttl = lifetimeOf(row);
    if (value !== undefined && known?.value === value && (await this.refresh(known, ttl))) return undefined;
    if (value === undefined && known === undefined) return undefined;
    const lease = ttl === undefined ? undefined : await grantLease(this.options.client, ttl, this.limits);
    return { key, value, row, known, lease: lease?.id };
  }

  /** Writes or deletes keys if all are still as seen; otherwise reads what etcd holds. */
  private async exchange(pending: readonly Pending[]): Promise<{ answer: ITxnResponse; attempts: number }> {
    const compare = pending.map(isAsSeen);
    const success = pending.map(({ key, value, lease }) =>
      value === undefined
        ? { request_delete_range: { key: Buffer.from(key) } }
        : {
            request_put: {
              key: Buffer.from(key),
              value: Buffer.from(value),
              ...(lease !== undefined && { lease }),
            },
          },
    );
    const failure = pending.map(rangeOf);
    const { client } = this.options;
    let attempts = 0;
    try {
      const answer = await client.call(async (etcd, options) => {
        attempts++;
        return await etcd.kv.txn({ compare, success, failure }, options);
      }, this.limits);
      return { answer, attempts };
    } catch (thrown) {
      const refusal = refusalOf(thrown);
      if (refusal?.kind !== 'no-space') throw thrown;
      // etcd may report this for a write that it has done, but then raises its alarm before it writes anything else.
      const answer = await client.call(
        async (etcd, options) => await etcd.kv.txn({ success: failure }, options),
        this.limits,
      );
      const isUnchanged = pending.every(
        ({ known }, index) =>
          Number(answer.responses[index]?.response_range.kvs[0]?.mod_revision ?? 0) === (known?.mod ?? 0),
      );
      // An attempt without an answer may still be done later.
      if (isUnchanged) throw attempts > 1 ? thrown : refusalError({ ...refusal, mayBeDone: false });
      return { answer: { ...answer, succeeded: false }, attempts: 2 };
    }
  }

  /** Renews the lease of the key that was written, and revokes this write's if another node wrote the same with its own. */
  private async renewWritten(one: Pending, now: IKeyValue | undefined): Promise<void> {
    if (one.lease !== now?.lease) this.letGo(one.lease);
    if (now !== undefined) await this.refresh(now, lifetimeOf(one.row));
  }

  private letGo(lease: string | undefined): void {
    if (lease !== undefined) revokeLease(this.options.client, lease, this.limits).catch(() => {});
  }

  /** Prolongs a registration. False: it has no lease to renew, and must be written. */
  private async refresh(known: Pick<SeenKey, 'lease'>, ttl: number | undefined): Promise<boolean> {
    if (ttl === undefined) return known.lease === '0';
    if (known.lease === '0') return false;
    const kept = await this.options.client.call(
      async (etcd, options) => await keepAliveOnce(etcd, known.lease, options),
      this.limits,
    );
    return kept.ttl > 0;
  }

  private async reset(): Promise<void> {
    const { client, keys, replica } = this.options;
    const all = { request_delete_range: { key: Buffer.from(keys.rows), range_end: afterPrefix(keys.rows) } };
    const answer = await client.call(
      async (etcd, options) => await etcd.kv.txn({ success: [all] }, options),
      this.limits,
    );
    replica.reset(revisionOf(answer.header));
  }
}

/** The comparison that holds while the key is as this node has seen it. */
function isAsSeen({ key, known }: Pick<Pending, 'key' | 'known'>) {
  return {
    key: Buffer.from(key),
    target: 'Mod' as const,
    result: 'Equal' as const,
    mod_revision: known?.mod ?? 0,
  };
}

function rangeOf({ key }: Pick<Pending, 'key'>) {
  return { request_range: { key: Buffer.from(key) } };
}
