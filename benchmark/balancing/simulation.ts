// Simulation: runs one balancer, in several workers that share nothing, in front of one fleet, without sockets or waiting.
import type { Plugin } from '../../core/plugin/plugin.ts';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { seeded } from '../../core/testing/seeded.ts';
import { type TestWorkerSide, workerSide } from '../../core/testing/worker-side.ts';
import { quantile } from '../report.ts';
import { type Chance, exponential, type Fleet, Server } from './fleets.ts';

const workers = 4;
const clients = 10_000;
/** The simulated time, and the warm-up in it, which does not count: balancers have not learnt anything yet; ms. */
const duration = 8_000;
const warmUp = 1_000;

/** The figures of one run. */
export interface BalancingResult {
  /** Of successful requests, ms. */
  readonly p50: number;
  readonly p99: number;
  /** The share of all requests, 0 to 1. */
  readonly failed: number;
  /** The requests of the busiest server over the mean. */
  readonly busiest: number;
}

/** Runs a simulation. The same `seed` gives the same result. */
export async function simulate(balancer: Plugin, fleet: Fleet, seed: number): Promise<BalancingResult> {
  const random = Math.random;
  Math.random = seeded(seed + 1);
  try {
    return await new Simulation(fleet, seeded(seed)).run(balancer);
  } finally {
    Math.random = random;
  }
}

class Simulation {
  private readonly fleet: Fleet;
  private readonly chance: Chance;
  private readonly clock = new FakeClock();
  private readonly servers: ReadonlyMap<string, Server>;
  private readonly sides: TestWorkerSide[] = [];
  private readonly latencies: number[] = [];
  private total = 0;
  private failed = 0;
  private now = 0;
  /** The first event last. */
  private readonly events: { readonly at: number; readonly happen: () => void }[] = [];
  /** The server chosen for the current request. */
  private chosen: string | undefined = undefined;

  constructor(fleet: Fleet, chance: Chance) {
    this.fleet = fleet;
    this.chance = chance;
    this.servers = new Map(
      fleet.servers.map((model, n) => [`http://10.0.0.${n}:8080`, new Server(model, chance)]),
    );
  }

  async run(balancer: Plugin): Promise<BalancingResult> {
    for (let id = 1; id <= workers; id++) {
      const side = await workerSide(balancer, { upstreams: [...this.servers.keys()], id, clock: this.clock });
      side.hooks.preProxy.tap('simulation', ({ upstream }) => {
        this.chosen = upstream?.id;
        return undefined;
      });
      this.sides.push(side);
    }
    this.arrive();
    for (let event = this.events.pop(); event !== undefined; event = this.events.pop()) {
      const passed = event.at - this.now;
      this.now = event.at;
      event.happen();
      // Lets requests that were just answered end before the next event.
      for (let turn = 0; turn < 4; turn++) await undefined;
      this.clock.advance(passed);
    }
    for (const side of this.sides) await side.close();
    const counts = [...this.servers.values()].map(({ requests }) => requests);
    const sorted = this.latencies.toSorted((a, b) => a - b);
    return {
      p50: quantile(sorted, 0.5),
      p99: quantile(sorted, 0.99),
      failed: this.failed / this.total,
      busiest: (Math.max(...counts) * counts.length) / counts.reduce((sum, count) => sum + count, 0),
    };
  }

  private schedule(at: number, happen: () => void): void {
    this.events.splice(this.events.findLastIndex(event => event.at > at) + 1, 0, { at, happen });
  }

  /** Sends a request and schedules the next one: arrivals are a Poisson process. */
  private arrive(): void {
    if (this.now >= duration) return;
    const side = this.sides[Math.floor(this.chance() * this.sides.length)];
    const { load, capacity } = this.fleet;
    if (side !== undefined) void this.request(side, this.now);
    this.schedule(this.now + exponential(this.chance, 1000 / (load * capacity)), () => this.arrive());
  }

  private async request(side: TestWorkerSide, began: number): Promise<void> {
    const client = Math.floor(this.chance() * clients);
    const answer = Promise.withResolvers<number>();
    this.chosen = undefined;
    const running = side.run({ clientIp: `10.${client >> 8}.${client & 255}.1`, answers: [answer.promise] });
    // Taps are synchronous, so the upstream is already chosen.
    const server = this.servers.get(this.chosen ?? '');
    if (server === undefined) throw new Error(`no server was chosen at ${began} ms`);
    const { at, status } = server.take(began);
    this.schedule(at, () => answer.resolve(status));
    await running;
    if (began < warmUp) return;
    this.total++;
    if (status === 200) this.latencies.push(at - began);
    else this.failed++;
  }
}
