// Fitness: why this node should not lead, as far as it can tell by itself.

import type { ManagerStatus } from '../../core/plugin/plugin.ts';
import type { Clock } from '../../core/time/clock.ts';

/** No worker for this long, and a leader hands over, ms: all of them that died at once are replaced in less. */
export const workerGrace = 1000;

/** What a {@link Fitness} looks at. */
export interface FitnessSource {
  readonly clock: Clock;
  /** May this node lead at all? */
  readonly candidate: boolean;
  readonly status: Pick<ManagerStatus, 'readyWorkers' | 'silentWorkers'>;
  /** Does an operator want it to rest? */
  resting(): boolean;
  /** What other plugins say against it. */
  objections(): readonly string[];
}

/** Asked often: by a leader at each renewal, by others before they take part. */
export class Fitness {
  private source: FitnessSource;
  private lastReady: number;

  constructor(source: FitnessSource) {
    this.source = source;
    this.lastReady = source.clock.monotonic();
  }

  /** Goes on in a reloaded Weldr. */
  follow(source: FitnessSource): void {
    this.source = source;
  }

  /** Why it should not lead; undefined: it may. A leader is given a moment to replace workers that died. */
  against({ leading }: { readonly leading: boolean }): string | undefined {
    const { source } = this;
    if (!source.candidate) return 'it is no candidate';
    if (source.resting()) return 'it is in maintenance';
    return this.againstWorkers(leading) ?? source.objections()[0];
  }

  private againstWorkers(leading: boolean): string | undefined {
    const { readyWorkers, silentWorkers } = this.source.status;
    const now = this.source.clock.monotonic();
    if (readyWorkers > 0) this.lastReady = now;
    // One that is silent for so long that it does not count has had its moment.
    else if (silentWorkers > 0) return 'no worker reacts';
    if (now - this.lastReady <= (leading ? workerGrace : 0)) return undefined;
    return 'no worker accepts connections';
  }
}
