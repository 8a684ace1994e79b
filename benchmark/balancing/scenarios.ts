// The fleets that balancers are compared with.
import { exponential, heavyTailed, type ServerModel } from './fleet.ts';

/** A fleet and its load. */
export interface FleetScenario {
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

const never = (): boolean => false;

function fleet(
  name: string,
  title: string,
  load: number,
  make: (n: number) => Partial<ServerModel> & { readonly factor?: number },
): FleetScenario {
  let capacity = 0;
  const models = Array.from({ length: servers }, (_, n) => {
    const { factor = 1, ...rest } = make(n);
    if (rest.fails === undefined) capacity += (slots * 1000) / (mean * factor);
    return {
      slots,
      fails: never,
      serviceTime: (chance, _now) => exponential(chance, mean * factor),
      ...rest,
    } satisfies ServerModel;
  });
  return { name, title, servers: models, load, capacity };
}

/** Each server pauses for 200 ms every 2 s, at different moments, as garbage collection does. */
const pausing = (n: number): Partial<ServerModel> => ({
  serviceTime(chance, now) {
    const phase = (now + n * 200) % 2_000;
    return exponential(chance, mean) + (phase < 200 ? 200 - phase : 0);
  },
});

export const fleets: readonly FleetScenario[] = [
  fleet('alike', 'all alike, 70 % load', 0.7, () => ({})),
  fleet('tail', 'all alike, few requests take very long, 70 % load', 0.7, () => ({
    serviceTime: chance => heavyTailed(chance, mean),
  })),
  fleet('uneven', 'half twice as slow, weights do not tell, 70 % load', 0.7, n => ({
    factor: n < 5 ? 1 : 2,
  })),
  fleet('slow', 'one takes ten times as long, 60 % load', 0.6, n => ({ factor: n === 0 ? 10 : 1 })),
  fleet('pauses', 'each stops for 200 ms every 2 s, 60 % load', 0.6, pausing),
  fleet('failing', 'one fails at once, 60 % load', 0.6, n => (n === 0 ? { fails: () => true } : {})),
];
