// The fleets in which balancers are compared: simulated servers with service times and a bounded number of requests at once.

/** Returns a random number from 0 to below 1. */
export type Chance = () => number;

/** The properties of one server. */
export interface ServerModel {
  /** The number of requests that it handles at once; others wait in its queue. */
  readonly slots: number;
  /** Returns how long a request that begins at `now` takes, ms. */
  serviceTime(chance: Chance, now: number): number;
  /** Whether it fails a request at once. */
  readonly fails: boolean;
}

/** A fleet and its load. */
export interface Fleet {
  readonly name: string;
  readonly title: string;
  readonly servers: readonly ServerModel[];
  /** The share of its capacity, 0 to 1. */
  readonly load: number;
  /** Requests a second that the fleet can handle. */
  readonly capacity: number;
}

const servers = 10;
const slots = 8;
/** The mean service time, ms. */
const mean = 10;
/** How long a failure takes, ms. */
const failureTime = 1;

export const fleets: readonly Fleet[] = [
  fleet('alike', 'all alike, 70 % load', 0.7, () => ({})),
  fleet('tail', 'all alike, few requests take very long, 70 % load', 0.7, () => ({
    serviceTime: heavyTailed,
  })),
  fleet('uneven', 'half twice as slow with the same weights, 70 % load', 0.7, n => ({
    factor: n < 5 ? 1 : 2,
  })),
  fleet('slow', 'one takes ten times as long, 60 % load', 0.6, n => ({ factor: n === 0 ? 10 : 1 })),
  fleet('pauses', 'each stops for 200 ms every 2 s, 60 % load', 0.6, pausing),
  fleet('failing', 'one fails at once, 60 % load', 0.6, n => ({ fails: n === 0 })),
];

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
    if (this.model.fails) return { at: now + failureTime, status: 503 };
    const begins = Math.max(now, Math.min(...this.free));
    const at = begins + this.model.serviceTime(this.chance, begins);
    this.free[this.free.indexOf(Math.min(...this.free))] = at;
    return { at, status: 200 };
  }
}

/** Returns a time from the exponential distribution with this mean. */
export function exponential(chance: Chance, mean: number): number {
  return -mean * Math.log(1 - chance());
}

function fleet(
  name: string,
  title: string,
  load: number,
  make: (n: number) => Partial<ServerModel> & { readonly factor?: number },
): Fleet {
  let capacity = 0;
  const models = Array.from({ length: servers }, (_, n) => {
    const { factor = 1, ...rest } = make(n);
    const serviceTime = (chance: Chance): number => exponential(chance, mean * factor);
    const model = { slots, fails: false, serviceTime, ...rest };
    if (!model.fails) capacity += (slots * 1000) / (mean * factor);
    return model;
  });
  return { name, title, servers: models, load, capacity };
}

/** Each server pauses for 200 ms every 2 s, at different moments, as garbage collection does. */
function pausing(n: number): Partial<ServerModel> {
  return {
    serviceTime(chance, now) {
      const phase = (now + n * 200) % 2_000;
      return exponential(chance, mean) + (phase < 200 ? 200 - phase : 0);
    },
  };
}

/** Returns a time that is rarely very long: from a Pareto distribution of shape 1.5, cut at 100 times its least value. */
function heavyTailed(chance: Chance): number {
  const shape = 1.5;
  const least = (mean * (shape - 1)) / shape;
  return Math.min(least * 100, least / (1 - chance()) ** (1 / shape));
}
