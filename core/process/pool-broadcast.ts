// Gathers the changes of the pools, so that a thousand made at once are one message to each worker.
import type { ManagedPools } from '../pool/managed-pools.ts';
import type { PoolChange } from '../pool/pool.ts';

/** Takes the changes that lead from revision `after` to `revision`. */
export type ChangesReceiver = (after: number, revision: number, changes: readonly PoolChange[]) => void;

/** What the workers have not been told yet. */
export class PoolBroadcast {
  private readonly pools: ManagedPools;
  private readonly send: ChangesReceiver;
  private waiting: PoolChange[] = [];
  private sent: number;

  constructor(pools: ManagedPools, send: ChangesReceiver) {
    this.pools = pools;
    this.send = send;
    this.sent = pools.revision;
    pools.observe({
      changes: changes => {
        if (this.waiting.length === 0) queueMicrotask(() => this.flush());
        this.waiting.push(...changes);
      },
    });
  }

  /** Sends what waits. Call it before a snapshot is taken, so that nobody gets a change twice. */
  flush(): void {
    if (this.waiting.length === 0) return;
    const changes = this.waiting;
    const after = this.sent;
    this.waiting = [];
    this.sent = this.pools.revision;
    this.send(after, this.sent, changes);
  }
}
