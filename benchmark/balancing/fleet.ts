// Fleet: servers that take time and have room for some requests at once, in simulated time.
import type { Chance } from '../event-queue.ts';

/** How one server is. */
export interface ServerModel {
  /** Requests that it works on at once; others wait in its queue. */
  readonly slots: number;
  /** How long a request takes that begins at `now`, ms. */
  serviceTime(chance: Chance, now: number): number;
  /** Does it answer at once, and wrongly? */
  fails(now: number): boolean;
}

/** A server at work. */
export class Server {
  requests = 0;
  private readonly model: ServerModel;
  private readonly chance: Chance;
  /** When each slot is free, ms. */
  private readonly free: number[];

  constructor(model: ServerModel, chance: Chance) {
    this.model = model;
    this.chance = chance;
    this.free = Array.from({ length: model.slots }, () => 0);
  }

  /** Takes a request; when it is answered, and how. */
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

/** ms. */
const failureTime = 1;

/** Times around a mean that follow one upon another without memory. */
export const exponential = (chance: Chance, mean: number): number => -mean * Math.log(1 - chance.next());

/** A few take very long: the mean is that of a Pareto distribution of shape 1.5, cut at 100 times its least value. */
export function heavyTailed(chance: Chance, mean: number): number {
  const shape = 1.5;
  const least = (mean * (shape - 1)) / shape;
  return Math.min(least * 100, least / (1 - chance.next()) ** (1 / shape));
}
