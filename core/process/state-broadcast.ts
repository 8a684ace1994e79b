// Gathers changes of pools, rows, lists and holds, so that a thousand changes made at once are one message to each worker.
import { certificateKindName } from '../certificates/certificate-kind.ts';
import type { HoldChange, ListChange, RunTimePlugins } from '../plugin/run-time-plugins.ts';
import type { ManagedPools } from '../pool/managed-pools.ts';
import type { PoolChange } from '../pool/pool-change.ts';
import { poolKindName } from '../pool/pool-settings.ts';
import { serverKindName } from '../pool/server-kind.ts';
import type { Row, RowChange } from '../state/row.ts';
import { settingKindName } from '../state/settings.ts';

/** The changes of the pools from revision `after` to `revision`, and of rows of kinds that plugins own, all made together. */
export interface StateChanges {
  readonly after: number;
  readonly revision: number;
  readonly changes: readonly PoolChange[];
  readonly rows: readonly RowChange[];
  /** The lists of plugins that operators set for pools and routes. */
  readonly lists: readonly ListChange[];
  /** What the manager holds, or no longer holds, with these lists; undefined: nothing has changed. */
  readonly holds?: readonly HoldChange[] | undefined;
}

/** Kinds that workers receive in another form, or not at all. */
const ownKinds: ReadonlySet<string> = new Set([
  serverKindName,
  poolKindName,
  certificateKindName,
  settingKindName,
]);

/** Returns the rows of kinds that plugins own. */
export function ofPlugins<T extends Row | RowChange>(rows: readonly T[]): T[] {
  return rows.filter(({ kind }) => !ownKinds.has(kind));
}

/** The changes that the workers have not received yet. */
export class StateBroadcast {
  private readonly pools: ManagedPools;
  private readonly send: (changes: StateChanges) => void;
  private waiting: PoolChange[] = [];
  private waitingRows: RowChange[] = [];
  private waitingLists: ListChange[] = [];
  private waitingHolds: HoldChange[] = [];
  private sent: number;

  constructor(pools: ManagedPools, runTime: RunTimePlugins, send: (changes: StateChanges) => void) {
    this.pools = pools;
    this.send = send;
    this.sent = pools.revision;
    pools.observe({
      changes: changes => {
        this.schedule();
        this.waiting.push(...changes);
      },
    });
    pools.state.observe(changes => {
      const rows = ofPlugins(changes);
      if (rows.length === 0) return;
      this.schedule();
      this.waitingRows.push(...rows);
    });
    runTime.observe({
      list: change => {
        this.schedule();
        this.waitingLists.push(change);
      },
      hold: change => {
        this.schedule();
        this.waitingHolds.push(change);
      },
    });
  }

  /** All rows of kinds that plugins own, for the snapshot of a new worker. */
  get rows(): readonly Row[] {
    return ofPlugins([...this.pools.state.all]);
  }

  /** Sends what waits. Call it before a snapshot is taken, so that no worker gets a change twice. */
  flush(): void {
    if (!this.waits) return;
    const { waiting, waitingRows, waitingLists, waitingHolds } = this;
    const after = this.sent;
    this.waiting = [];
    this.waitingRows = [];
    this.waitingLists = [];
    this.waitingHolds = [];
    this.sent = this.pools.revision;
    this.send({
      after,
      revision: this.sent,
      changes: waiting,
      rows: waitingRows,
      lists: waitingLists,
      holds: waitingHolds.length > 0 ? waitingHolds : undefined,
    });
  }

  private get waits(): boolean {
    const { waiting, waitingRows, waitingLists, waitingHolds } = this;
    return waiting.length + waitingRows.length + waitingLists.length + waitingHolds.length > 0;
  }

  private schedule(): void {
    if (!this.waits) queueMicrotask(() => this.flush());
  }
}
