// WorkerReplicas: the workers of a manager side in a test, each as its manager sees it.
import type { HoldChange, ListChange, ListingWorkers, RunTimePlugins } from '../plugin/run-time-plugins.ts';
import type { ManagedPools } from '../pool/managed-pools.ts';
import type { PoolChange } from '../pool/pool-change.ts';
import { ofPlugins } from '../process/state-broadcast.ts';
import type { Scope } from '../stages/scope.ts';
import type { ListedNames } from '../state/listed-names.ts';
import type { RowChange } from '../state/row.ts';
import { sendLater, throughJson } from './message-line.ts';

/** A worker as its manager sees it: its replica of the pools, and the worker sides of the plugins. */
export interface WorkerReplica {
  apply(change: PoolChange): void;
  /** Applies operators' rows of kinds that plugins own. */
  applyRows(changes: readonly RowChange[]): void;
  /** Applies operators' lists of plugins; default: they are ignored. */
  applyList?(change: ListChange): void;
  /** Applies what the manager holds; default: it is ignored. */
  applyHold?(change: HoldChange): void;
  /** Starts the plugins of a list; default: none. */
  prepare?(scope: Scope, names: ListedNames): Promise<void>;
  abandon?(scope: Scope): void;
  /** Resolves when all that was applied is active; default: at once. */
  settled?(): Promise<void>;
  receive(instance: string, message: unknown): void;
}

/** The workers of one manager. */
export class WorkerReplicas implements ListingWorkers {
  private readonly replicas = new Map<number, WorkerReplica>();

  get size(): number {
    return this.replicas.size;
  }

  ids(): number[] {
    return [...this.replicas.keys()];
  }

  send(worker: number, instance: string, message: unknown): void {
    const replica = this.replicas.get(worker);
    if (replica !== undefined) sendLater(message, copy => replica.receive(instance, copy));
  }

  async prepare(scope: Scope, names: ListedNames): Promise<void> {
    for (const replica of this.replicas.values()) await replica.prepare?.(scope, names);
  }

  abandon(scope: Scope): void {
    for (const replica of this.replicas.values()) replica.abandon?.(scope);
  }

  async settled(): Promise<void> {
    for (const replica of this.replicas.values()) await replica.settled?.();
  }

  admit(
    worker: number,
    replica: WorkerReplica,
    { pools, runTime }: { readonly pools: ManagedPools; readonly runTime: RunTimePlugins },
  ): () => void {
    if (this.replicas.has(worker))
      throw new Error(`worker ${worker} is already running; give this one another id`);
    this.replicas.set(worker, replica);
    for (const change of pools.snapshot()) replica.apply(change);
    for (const change of runTime.all) replica.applyList?.(change);
    for (const change of runTime.holds) replica.applyHold?.(change);
    const stopLists = runTime.observe({
      list: change => replica.applyList?.(change),
      hold: change => replica.applyHold?.(change),
    });
    replica.applyRows(ofPlugins([...pools.state.all]).map(row => ({ kind: row.kind, key: row.key, row })));
    const stopRows = pools.state.observe(changes => replica.applyRows(throughJson(ofPlugins(changes))));
    const stop = pools.observe({
      changes: changes => {
        for (const change of changes) replica.apply(change);
      },
    });
    return () => {
      stop();
      stopRows();
      stopLists();
      this.replicas.delete(worker);
    };
  }
}
