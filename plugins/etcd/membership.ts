// Membership: a key for each node, held by a lease, which shows that the node runs and what its checks find.
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { ManagerPools } from '../../core/pool/manager-pools.ts';
import type { CancelTimer, Clock } from '../../core/time/clock.ts';
import { type EtcdClient, plainReason, revisionOf } from './client.ts';
import { afterPrefix, type ClusterKeys } from './keys.ts';
import { grantLease, hasKey, keepAliveOnce, revokeLease } from './leases.ts';

/** The number of unavailable servers that one node names; it only counts the rest. */
const maxListed = 1000;
/** A node that has been silent for this long has left, ms. */
const nodeLease = 10_000;
/** A node reports changes at least this often, ms. */
export const reportInterval = 3000;
/** Changes within this time are reported together, ms. */
const publishDelay = 1000;

const unavailableServer = z.object({
  pool: z.string(),
  url: z.string(),
  state: z.string(),
  reason: z.string(),
});

/** What a node reports besides its servers; an earlier version reports none of it. */
const nodeFacts = z.object({
  /** Why it should not lead. */
  unfit: z.string().max(1000).optional().catch(undefined),
  /** Whether it holds the service addresses that it keeps, and why not. */
  address: z
    .object({ held: z.boolean(), reason: z.string().max(1000).optional() })
    .optional()
    .catch(undefined),
  /** The revision of etcd up to which it has operators' changes. */
  revision: z.number().optional().catch(undefined),
  /** The revision of the newest change that it knows of. */
  newest: z.number().optional().catch(undefined),
});

const nodeReport = nodeFacts.extend({
  node: z.string(),
  session: z.string(),
  version: z.string(),
  startedAt: z.number(),
  servers: z.object({ total: z.number(), available: z.number() }),
  unavailable: z.array(unavailableServer),
});

/** A server that a node does not use, and why. */
export type UnavailableServer = z.output<typeof unavailableServer>;

/** What a node reports besides its servers. */
export type NodeFacts = z.output<typeof nodeFacts>;

/** One node's report on itself and on the servers as it sees them. */
export type NodeReport = Omit<z.output<typeof nodeReport>, 'session'>;

/** The pools that a node reports on. */
export type ReportedPools = Pick<ManagerPools, 'names' | 'list' | 'counts' | 'observe'>;

/** What a {@link Membership} is made of. */
export interface MembershipOptions {
  readonly client: EtcdClient;
  readonly keys: ClusterKeys;
  readonly nodeName: string;
  readonly version: string;
  readonly startedAt: number;
  readonly pools: ReportedPools;
  readonly log: Logger;
  readonly clock: Clock;
  /** Returns what this node reports now. */
  facts(): NodeFacts;
}

/** One node's membership. */
export class Membership {
  private readonly options: MembershipOptions;
  private readonly session = randomUUID();
  private pools: ReportedPools;
  private stopObserving: () => void = () => {};
  private readonly stopKeeping: CancelTimer;
  private lease: string | undefined;
  private due = true;
  /** The facts as they were written. */
  private published = '';
  private publishing: CancelTimer | undefined;
  private busy = false;
  /** Keys that hold no report. Each is logged once, because they are read every second while no node leads. */
  private readonly ignored = new Set<string>();
  private closed = false;
  private lastKnown: NodeReport[] = [];

  constructor(options: MembershipOptions) {
    this.options = options;
    this.pools = options.pools;
    this.follow(options.pools);
    this.stopKeeping = options.clock.every(reportInterval, () => void this.keep());
    void this.keep();
  }

  /** Reports on these pools from now on; the previous ones ended with a reload. */
  follow(pools: ReportedPools): void {
    this.stopObserving();
    const changed = () => this.changed();
    this.pools = pools;
    this.stopObserving = pools.observe({ upstreamChanged: changed, removed: changed });
    changed();
  }

  /** Resolves with the reports of all nodes. Rejects while etcd is away; `lastNodes` then has the last ones. */
  async nodes(): Promise<readonly NodeReport[]> {
    const { client, keys, log } = this.options;
    const answer = await client.call(
      async (etcd, options) =>
        await etcd.kv.range({ key: Buffer.from(keys.nodes), range_end: afterPrefix(keys.nodes) }, options),
      { totalMs: 1500, attemptMs: 700 },
    );
    this.lastKnown = answer.kvs.flatMap(kv => {
      const report = parseReport(kv.value);
      const key = kv.key.toString();
      if (report === undefined && !this.ignored.has(key) && this.ignored.size < maxListed) {
        this.ignored.add(key);
        log.error({ key }, 'ignoring a key of etcd: it is not the report of a node');
      }
      return report === undefined ? [] : [withoutSession(report)];
    });
    return this.lastKnown;
  }

  get lastNodes(): readonly NodeReport[] {
    return this.lastKnown;
  }

  /** Leaves: removes the key at once. */
  async close(): Promise<void> {
    this.closed = true;
    this.stopObserving();
    this.stopKeeping();
    this.publishing?.();
    if (this.lease === undefined) return;
    await revokeLease(this.options.client, this.lease, { totalMs: 500, attemptMs: 250 }).catch(() => {});
  }

  /** Reports soon if the facts have changed. */
  look(): void {
    if (this.published !== JSON.stringify(this.options.facts())) this.changed();
  }

  private changed(): void {
    this.due = true;
    this.publishing ??= this.options.clock.after(publishDelay, () => {
      this.publishing = undefined;
      void this.keep();
    });
  }

  /** Keeps the lease, and writes the report when it is due. */
  private async keep(): Promise<void> {
    if (this.busy || this.closed) return;
    this.busy = true;
    try {
      await this.keepLease();
      if (this.published !== JSON.stringify(this.options.facts())) this.due = true;
      if (this.due && this.lease !== undefined) await this.publish(this.lease);
    } catch (thrown) {
      this.options.log.debug({ reason: plainReason(thrown) }, 'the report of this node could not be written');
      this.due = true;
    } finally {
      this.busy = false;
    }
  }

  private async keepLease(): Promise<void> {
    const { client, keys, nodeName } = this.options;
    const { lease } = this;
    if (lease !== undefined) {
      const kept = await client.call(async (etcd, options) => await keepAliveOnce(etcd, lease, options));
      if (kept.ttl > 0) {
        if (!this.due && !(await hasKey(client, keys.node(nodeName)))) this.due = true;
        return;
      }
    }
    this.lease = (await grantLease(client, nodeLease)).id;
    this.due = true;
  }

  private async publish(lease: string): Promise<void> {
    const { client, keys, nodeName, log } = this.options;
    this.due = false;
    const key = Buffer.from(keys.node(nodeName));
    const facts = this.options.facts();
    this.published = JSON.stringify(facts);
    const value = Buffer.from(
      JSON.stringify({ schema: 1, session: this.session, ...this.report(), ...facts }),
    );
    const answer = await client.call(
      async (etcd, options) =>
        await etcd.kv.txn(
          { success: [{ request_range: { key } }, { request_put: { key, value, lease } }] },
          options,
        ),
    );
    const before = parseReport(answer.responses[0]?.response_range.kvs[0]?.value);
    if (
      before !== undefined &&
      before.session !== this.session &&
      before.startedAt > this.options.startedAt
    ) {
      log.error({ node: nodeName }, 'another Weldr has the name of this node; give each its own nodeName');
    }
    log.trace({ revision: revisionOf(answer.header) }, 'reported');
  }

  private report(): NodeReport {
    const { nodeName, version, startedAt } = this.options;
    const unavailable: UnavailableServer[] = [];
    let total = 0;
    let available = 0;
    for (const pool of this.pools.names) {
      for (const { upstream } of this.pools.list(pool)) {
        total++;
        if (upstream.available) available++;
        else if (unavailable.length < maxListed) {
          const { state, reason } = upstream.record;
          unavailable.push({ pool, url: upstream.id, state, reason: reason.slice(0, 200) });
        }
      }
    }
    return { node: nodeName, version, startedAt, servers: { total, available }, unavailable };
  }
}

function parseReport(value: Buffer | undefined): z.output<typeof nodeReport> | undefined {
  try {
    return nodeReport.safeParse(JSON.parse(value?.toString() ?? 'null')).data;
  } catch {
    return undefined;
  }
}

function withoutSession({ session: _, ...report }: z.output<typeof nodeReport>): NodeReport {
  return report;
}
