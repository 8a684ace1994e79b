// Membership: a key for each node, held by a lease, that says that the node is there and what its checks find.
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { ManagerPools } from '../../core/pool/manager-pools.ts';
import type { CancelTimer, Clock } from '../../core/time/clock.ts';
import { type EtcdClient, plainReason, revisionOf } from './client.ts';
import { afterPrefix, type ClusterKeys } from './keys.ts';
import { grantLease, keepAliveOnce, revokeLease } from './leases.ts';

/** How many unavailable servers one node names; the rest is only counted. */
const maxListed = 1000;
/** A node that is silent for this long has left, ms. */
const nodeLease = 10_000;
const keepEvery = 3000;
/** Health changes within this time are told together, ms. */
const publishDelay = 1000;

const unavailableServer = z.object({
  pool: z.string(),
  url: z.string(),
  state: z.string(),
  reason: z.string(),
});

/** What a node says of itself beside its servers; one of an earlier version says nothing. */
const nodeFacts = z.object({
  /** Why it should not lead. */
  unfit: z.string().max(1000).optional().catch(undefined),
  /** The service addresses that it keeps: does it hold them now, and why not? */
  address: z
    .object({ held: z.boolean(), reason: z.string().max(1000).optional() })
    .optional()
    .catch(undefined),
  /** Up to which revision of etcd it has what operators changed. */
  revision: z.number().optional().catch(undefined),
  /** The newest change that it knows of. */
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

/** What a node says of itself beside its servers. */
export type NodeFacts = z.output<typeof nodeFacts>;

/** What one node says of itself and of the servers, as it sees them. */
export type NodeReport = Omit<z.output<typeof nodeReport>, 'session'>;

/** What a node looks at to report on its servers. */
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
  /** What this node says of itself now. */
  facts(): NodeFacts;
}

/** This node among the others. */
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
  /** Keys that hold no report; each is said once, as they are read each second while nobody leads. */
  private readonly ignored = new Set<string>();
  private closed = false;
  private lastKnown: NodeReport[] = [];

  constructor(options: MembershipOptions) {
    this.options = options;
    this.pools = options.pools;
    this.follow(options.pools);
    this.stopKeeping = options.clock.every(keepEvery, () => void this.keep());
    void this.keep();
  }

  /** Reports on these pools from now on: those that were followed before end with a reload. */
  follow(pools: ReportedPools): void {
    this.stopObserving();
    const changed = () => this.changed();
    this.pools = pools;
    this.stopObserving = pools.observe({ upstreamChanged: changed, removed: changed });
    changed();
  }

  /** All nodes that are there; while etcd is away, those that were there last. */
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
        log.error({ key }, 'ignoring a key of etcd: no report of a node');
      }
      return report === undefined ? [] : [withoutSession(report)];
    });
    return this.lastKnown;
  }

  get lastNodes(): readonly NodeReport[] {
    return this.lastKnown;
  }

  /** Leaves: the key goes at once. */
  async close(): Promise<void> {
    this.closed = true;
    this.stopObserving();
    this.stopKeeping();
    this.publishing?.();
    if (this.lease === undefined) return;
    await revokeLease(this.options.client, this.lease, { totalMs: 500, attemptMs: 250 }).catch(() => {});
  }

  /** What this node says of itself may have changed: tells it soon. */
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
    const { client } = this.options;
    const { lease } = this;
    if (lease !== undefined) {
      const kept = await client.call(async (etcd, options) => await keepAliveOnce(etcd, lease, options));
      if (kept.ttl > 0) return;
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
