// Simulation: runs one balancer, in several workers that share nothing, in front of one fleet, without sockets or waiting.
import type { Plugin } from '../../core/plugin/plugin.ts';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { type TestWorkerSide, workerSide } from '../../core/testing/worker-side.ts';
import { Chance, EventQueue } from '../event-queue.ts';
import { quantile } from '../statistics.ts';
import { exponential, Server } from './fleet.ts';
import type { FleetScenario } from './scenarios.ts';

const workers = 4;
const clients = 10_000;
/** The simulated time, and its warm-up, which does not count, as balancers have not learnt anything yet; ms. */
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
export async function simulate(
  balancer: Plugin,
  scenario: FleetScenario,
  seed: number,
): Promise<BalancingResult> {
  const random = Math.random;
  const own = new Chance(seed + 1);
  Math.random = () => own.next();
  try {
    return await new Simulation(scenario, new Chance(seed)).run(balancer);
  } finally {
    Math.random = random;
  }
}

class Simulation {
  private readonly scenario: FleetScenario;
  private readonly chance: Chance;
  private readonly events = new EventQueue();
  private readonly clock = new FakeClock();
  private readonly servers = new Map<string, Server>();
  private readonly latencies: number[] = [];
  private total = 0;
  /** The server chosen for the current request. */
  private chosen: string | undefined = undefined;
  private failed = 0;

  constructor(scenario: FleetScenario, chance: Chance) {
    this.scenario = scenario;
    this.chance = chance;
    for (const [n, model] of scenario.servers.entries()) {
      this.servers.set(`http://10.0.0.${n}:8080`, new Server(model, chance));
    }
  }

  async run(balancer: Plugin): Promise<BalancingResult> {
    const upstreams = [...this.servers.keys()];
    const sides: TestWorkerSide[] = [];
    for (let id = 1; id <= workers; id++) {
      const side = await workerSide(balancer, { upstreams, id, clock: this.clock });
      side.hooks.preProxy.tap('simulation', ({ upstream }) => {
        this.chosen = upstream?.id;
        return undefined;
      });
      sides.push(side);
    }
    this.arrive(sides);
    let before = 0;
    while (this.events.runNext()) {
      // Lets requests that were just answered end before the next event.
      for (let turn = 0; turn < 4; turn++) await undefined;
      this.clock.advance(this.events.now - before);
      before = this.events.now;
    }
    for (const side of sides) await side.close();
    const counts = [...this.servers.values()].map(({ requests }) => requests);
    const sorted = this.latencies.toSorted((a, b) => a - b);
    return {
      p50: quantile(sorted, 0.5),
      p99: quantile(sorted, 0.99),
      failed: this.failed / this.total,
      busiest: (Math.max(...counts) * counts.length) / counts.reduce((sum, count) => sum + count, 0),
    };
  }

  /** Sends a request and schedules the next one: arrivals are a Poisson process. */
  private arrive(sides: readonly TestWorkerSide[]): void {
    const { now } = this.events;
    if (now >= duration) return;
    const side = sides[Math.floor(this.chance.next() * sides.length)];
    const { load, capacity } = this.scenario;
    if (side !== undefined) void this.request(side, now);
    const next = now + exponential(this.chance, 1000 / (load * capacity));
    this.events.at(next, () => this.arrive(sides));
  }

  private async request(side: TestWorkerSide, now: number): Promise<void> {
    const client = Math.floor(this.chance.next() * clients);
    const answer = Promise.withResolvers<number>();
    this.chosen = undefined;
    const running = side.run({ clientIp: `10.${client >> 8}.${client & 255}.1`, answers: [answer.promise] });
    // Taps are synchronous, so the upstream is already chosen.
    const server = this.servers.get(this.chosen ?? '');
    if (server === undefined) throw new Error(`no server was chosen at ${now} ms`);
    const { at, status } = server.take(now);
    this.events.at(at, () => answer.resolve(status));
    await running;
    if (now < warmUp) return;
    this.total++;
    if (status === 200) this.latencies.push(at - now);
    else this.failed++;
  }
}
