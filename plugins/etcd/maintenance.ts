// Maintenance: keeps a node from leading, across restarts, until an operator takes it back. It is a key in etcd, so any node can
// set it.
import { nearest } from '../../core/errors/nearest.ts';
import { WeldrError } from '../../core/errors.ts';
import type { Candidate } from './candidate.ts';
import type { EtcdClient } from './client.ts';
import type { ClusterKeys } from './keys.ts';

/** What {@link Maintenance} works with. */
export interface MaintenanceOptions {
  readonly client: EtcdClient;
  readonly keys: ClusterKeys;
  readonly candidate: Candidate;
  /** Returns the current leader. */
  leader(): string | undefined;
  now(): number;
}

/** Begins and ends the maintenance of nodes. */
export class Maintenance {
  private readonly options: MaintenanceOptions;

  constructor(options: MaintenanceOptions) {
    this.options = options;
  }

  /**
   * Puts a node in maintenance; a leader hands over first. Resolves with the node that leads instead. Rejects with NOT_FOUND when
   * there is no such node, with CONFLICT when it leads and no other node can.
   */
  async begin(node: string, by: string): Promise<{ readonly handedOverTo: string | undefined }> {
    const { client, keys, candidate, leader, now } = this.options;
    this.expectKnown(node);
    const why = `${node} goes into maintenance`;
    const handedOver = leader() === node ? await candidate.handOver.ask({ by, why }) : undefined;
    const put = {
      key: Buffer.from(keys.maintenance(node)),
      value: Buffer.from(JSON.stringify({ schema: 1, by, at: now() })),
    };
    await client.call(async (etcd, options) => await etcd.kv.put(put, options));
    return { handedOverTo: handedOver?.to };
  }

  /** Ends the maintenance of a node. It does not take the leadership back. */
  async end(node: string): Promise<void> {
    const { client, keys } = this.options;
    this.expectKnown(node);
    const key = Buffer.from(keys.maintenance(node));
    await client.call(async (etcd, options) => await etcd.kv.deleteRange({ key }, options));
  }

  private expectKnown(node: string): void {
    const { candidacies, resting } = this.options.candidate.board;
    if (candidacies.has(node) || resting.has(node)) return;
    const names = [...candidacies.keys(), ...resting.keys()];
    const near = nearest(node, names);
    const hint = near === undefined ? `nodes are ${names.join(', ')}` : `did you mean ${near}?`;
    throw new WeldrError('NOT_FOUND', `there is no node ${JSON.stringify(node)}; ${hint}`);
  }
}
