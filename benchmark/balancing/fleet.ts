// Fleet: simulated servers with service times and a bounded number of requests at once.
import type { Chance } from '../event-queue.ts';

/** The properties of one server. */
export interface ServerModel {
  /** The number of requests that it handles at once; others wait in its queue. */
  readonly slots: number;
  /** Returns how long a request that begins at `now` takes, ms. */
  serviceTime(chance: Chance, now: number): number;
  /** Whether it fails a request at once. */
  fails(now: number): boolean;
}

/** A simulated server. */
export class Server {
  requests = 0;
  private readonly model: ServerModel;
  private readonly chance: Chance;
  /** When each slot becomes free, ms. */
  private readonly free: number[];

  constructor(model: ServerModel, chance: Chance) {
    this.model = model;
    this.chance = chance;
    this.free = Array.from({ length: model.slots }, () => 0);
  }

  /** Takes a request. Returns when it is answered, and with which status. */
  take(now: number): { readonly at: number; readonly status: number } {
    this.requests++;
    if (this.model.fails(now)) return { at: now + failureTime, status: 503 };
    let slot = 0;
    for (const [n, time] of this.free.entries()) if (time < (this.free[slot] ?? 0)) slot = n;
    const begins = Math.max(now, this.free[slot] ?? 0);
    const at = begins + this.model.serviceTime(this.chance, begins);
    this.free[slot] = at;
    return { at, status: 200 };
  }
}

/** How long a failure takes, ms. */
const failureTime = 1;

/** Returns a time from the exponential distribution with this mean. */
export const exponential = (chance: Chance, mean: number): number => -mean * Math.log(1 - chance.next());

/** Returns a time of which a few are very long: from a Pareto distribution of shape 1.5, cut at 100 times its least value. */
export function heavyTailed(chance: Chance, mean: number): number {
  const shape = 1.5;
  const least = (mean * (shape - 1)) / shape;
  return Math.min(least * 100, least / (1 - chance.next()) ** (1 / shape));
}
