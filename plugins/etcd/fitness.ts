// Fitness: why this node should not lead, judged by its own state and by other plugins.
import type { ManagerStatus } from '../../core/plugin/plugin.ts';
import type { Clock } from '../../core/time/clock.ts';

/** A leader without a worker for this long hands over, ms. Workers that all died at once are replaced in less. */
export const workerGrace = 1000;

/** What a {@link Fitness} is judged by. */
export interface FitnessSource {
  readonly clock: Clock;
  /** Whether this node may ever lead. */
  readonly candidate: boolean;
  readonly status: Pick<ManagerStatus, 'readyWorkers' | 'silentWorkers'>;
  /** Returns whether this node is in maintenance. */
  resting(): boolean;
  /** Returns the objections of other plugins. */
  objections(): readonly string[];
}

/** The fitness of one node: a leader checks it with each renewal, other nodes before they campaign. */
export class Fitness {
  private source: FitnessSource;
  private lastReady: number;

  constructor(source: FitnessSource) {
    this.source = source;
    this.lastReady = source.clock.monotonic();
  }

  /** Continues in a reloaded Weldr. */
  follow(source: FitnessSource): void {
    this.source = source;
  }

  /** Returns why it should not lead; undefined: it may. A leader has a moment to replace workers that died. */
  against({ leading }: { readonly leading: boolean }): string | undefined {
    const { source } = this;
    if (!source.candidate) return 'it is not a candidate';
    if (source.resting()) return 'it is in maintenance';
    return this.againstWorkers(leading) ?? source.objections()[0];
  }

  private againstWorkers(leading: boolean): string | undefined {
    const { readyWorkers, silentWorkers } = this.source.status;
    const now = this.source.clock.monotonic();
    if (readyWorkers > 0) this.lastReady = now;
    // A worker counts as silent only after a while, so its moment is over.
    else if (silentWorkers > 0) return 'no worker responds';
    if (now - this.lastReady <= (leading ? workerGrace : 0)) return undefined;
    return 'no worker accepts connections';
  }
}
