// Maintenance: a node that an operator wants to rest does not lead, over restarts, until it is taken back. It is a key
// in etcd, so that it can be set on any node.

import { nearest } from '../../core/errors/nearest.ts';
import { WeldrError } from '../../core/errors.ts';
import type { Candidate } from './candidate.ts';
import type { EtcdClient } from './client.ts';
import type { ClusterKeys } from './keys.ts';

/** What it works with. */
export interface MaintenanceOptions {
  readonly client: EtcdClient;
  readonly keys: ClusterKeys;
  readonly candidate: Candidate;
  /** Who leads now. */
  leader(): string | undefined;
  now(): number;
}

/** Sets and clears it. */
export class Maintenance {
  private readonly options: MaintenanceOptions;

  constructor(options: MaintenanceOptions) {
    this.options = options;
  }

  /**
   * Has a node rest; one that leads hands over first. Resolves with who leads in its place. Rejects with NOT_FOUND where
   * there is no such node, with CONFLICT where it leads and no other can.
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

  /** Has it take part again. Takes no leadership back. */
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
