// CandidacyNotice: keeps this node's candidacy on the board while the node runs.
import type { Logger } from 'pino';
import type { CancelTimer, Clock } from '../../core/time/clock.ts';
import type { Candidacy } from './board.ts';
import { type EtcdClient, plainReason } from './client.ts';
import type { ClusterKeys } from './keys.ts';
import { grantLease, hasKey, keepAliveOnce, revokeLease } from './leases.ts';

/** After this time without a renewal the others no longer see the candidacy, ms. */
const noticeLease = 5000;
const keepEvery = 1500;

/** What a {@link CandidacyNotice} is made of. */
export interface CandidacyNoticeOptions {
  readonly client: EtcdClient;
  readonly keys: ClusterKeys;
  readonly nodeName: string;
  readonly log: Logger;
  readonly clock: Clock;
  /** Returns the candidacy as it is now. */
  candidacy(): Candidacy;
}

/** The notice of one node. */
export class CandidacyNotice {
  private readonly options: CandidacyNoticeOptions;
  private readonly stopKeeping: CancelTimer;
  private lease: string | undefined;
  /** The candidacy in etcd, as JSON. */
  private written = '';
  private work: Promise<void> | undefined;
  private again = false;
  private closed = false;

  constructor(options: CandidacyNoticeOptions) {
    this.options = options;
    this.stopKeeping = options.clock.every(keepEvery, () => this.start(() => this.keep()));
    this.start(() => this.keep());
  }

  /** Writes the candidacy if it has changed. */
  update(): void {
    if (this.lease !== undefined && this.text !== this.written) this.start(() => this.write());
  }

  /** Removes the notice. */
  async close(): Promise<void> {
    this.closed = true;
    this.stopKeeping();
    await this.work;
    if (this.lease === undefined) return;
    const limits = { totalMs: 300, attemptMs: 150 };
    await revokeLease(this.options.client, this.lease, limits).catch(() => {});
  }

  private get text(): string {
    return JSON.stringify({ schema: 1, ...this.options.candidacy() });
  }

  private start(step: () => Promise<void>): void {
    if (this.closed) return;
    if (this.work !== undefined) {
      this.again = true;
      return;
    }
    this.work = step()
      .catch((thrown: unknown) => {
        this.options.log.debug({ reason: plainReason(thrown) }, 'the candidacy of this node was not written');
      })
      .finally(() => {
        this.work = undefined;
        if (!this.again) return;
        this.again = false;
        this.update();
      });
  }

  private async keep(): Promise<void> {
    const { client, keys, nodeName } = this.options;
    const { lease } = this;
    if (lease !== undefined) {
      const kept = await client.call(async (etcd, options) => await keepAliveOnce(etcd, lease, options));
      if (kept.ttl > 0) {
        if (!(await hasKey(client, keys.candidacy(nodeName)))) this.written = '';
        return await this.write();
      }
    }
    this.written = '';
    this.lease = (await grantLease(client, noticeLease)).id;
    await this.write();
  }

  private async write(): Promise<void> {
    const { client, keys, nodeName } = this.options;
    const { lease, text } = this;
    if (lease === undefined || text === this.written) return;
    const put = { key: Buffer.from(keys.candidacy(nodeName)), value: Buffer.from(text), lease };
    await client.call(async (etcd, options) => await etcd.kv.put(put, options));
    this.written = text;
  }
}
