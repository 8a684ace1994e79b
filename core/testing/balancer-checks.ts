// The conformance kit for balancers: what every balancer has to hold, each as a check with a name.

import type { Plugin } from '../plugin/plugin.ts';
import { type Pool, Upstream } from '../pool/pool.ts';
import type { ProxyContext } from '../request/context.ts';
import { context } from './context.ts';
import { type UpstreamInput, upstreamRecord } from './pool.ts';
import { type TestWorkerSide, workerSide } from './worker-side.ts';

/** One check; throws an Error that says what was wrong. */
export interface BalancerCheck {
  readonly name: string;
  run(): Promise<void>;
}

/** What a balancer promises beyond what all of them do. */
export interface BalancerCheckOptions {
  /**
   * How near its shares come to the weights. `smooth` (default): within one request over each round. A number from 0
   * to 1: within this part of its share over 20,000 requests, for random ones. `none`: it goes by something else.
   */
  readonly distribution?: 'smooth' | 'none' | number;
  /** Does it mind weights? Default true; false: the shares are to be equal. */
  readonly weights?: boolean;
}

/**
 * The checks of a balancer, for any test runner: `for (const check of balancerChecks(mine())) test(check.name,
 * check.run)`. Every request of a check ends before the next one begins.
 */
export function balancerChecks(balancer: Plugin, options: BalancerCheckOptions = {}): BalancerCheck[] {
  const checks = new BalancerChecks(balancer, options);
  const check = (name: string, run: () => Promise<void>): BalancerCheck => ({ name, run });
  return [
    check('chooses nothing from an empty pool', () => checks.emptyPool()),
    check('chooses nothing when nobody is available', () => checks.nobodyAvailable()),
    check('never chooses an unavailable upstream', () => checks.onlyAvailable()),
    check('shares requests by weight', () => checks.distribution()),
    check('tries another upstream on a retry while there is one', () => checks.retries()),
    check('follows upstreams that come, go and change', () => checks.changes()),
    check('chooses from the pool of the request', () => checks.pools()),
  ];
}

/** Runs all checks of a balancer; throws an Error with the name of the check that failed. */
export async function testBalancer(balancer: Plugin, options: BalancerCheckOptions = {}): Promise<void> {
  for (const { name, run } of balancerChecks(balancer, options)) {
    try {
      await run();
    } catch (thrown) {
      const why = thrown instanceof Error ? thrown.message : String(thrown);
      throw new Error(`${balancer.name}: ${name}: ${why}`, { cause: thrown });
    }
  }
}

const urlOf = (n: number): string => `http://10.0.${n >> 8}.${n & 255}:8080`;
const weights = [1, 2, 3, 5, 1];

class BalancerChecks {
  private readonly balancer: Plugin;
  private readonly options: BalancerCheckOptions;

  constructor(balancer: Plugin, options: BalancerCheckOptions) {
    this.balancer = balancer;
    this.options = options;
  }

  async emptyPool(): Promise<void> {
    await this.with([], async side => {
      await expectNothing(side, side.pools.default);
      side.pools.default.set(upstreamRecord(urlOf(1)));
      await expectChoice(side, side.pools.default);
      side.pools.default.delete(urlOf(1));
      await expectNothing(side, side.pools.default);
    });
  }

  async nobodyAvailable(): Promise<void> {
    const upstreams: UpstreamInput[] = [
      { url: urlOf(1), state: 'down' },
      { url: urlOf(2), state: 'draining' },
      { url: urlOf(3), state: 'disabled' },
    ];
    await this.with(upstreams, async side => {
      await expectNothing(side, side.pools.default);
      side.pools.default.set(upstreamRecord(urlOf(2)));
      await expectChoice(side, side.pools.default);
      side.pools.default.set(upstreamRecord({ url: urlOf(2), state: 'down' }));
      await expectNothing(side, side.pools.default);
    });
  }

  async onlyAvailable(): Promise<void> {
    const states = ['active', 'down', 'active', 'draining', 'disabled', 'active'] as const;
    const upstreams = states.map((state, n): UpstreamInput => ({ url: urlOf(n), state }));
    await this.with(upstreams, async side => {
      const counts = await countChoices(side, 600);
      for (const [n, state] of states.entries()) {
        const count = counts.get(urlOf(n)) ?? 0;
        if (state !== 'active' && count > 0) throw new Error(`an upstream that is ${state} was chosen`);
        if (state === 'active' && count === 0) throw new Error('an active upstream was never chosen');
      }
    });
  }

  async distribution(): Promise<void> {
    const { distribution = 'smooth' } = this.options;
    if (distribution === 'none') return;
    const upstreams = weights.map((weight, n): UpstreamInput => ({ url: urlOf(n), weight }));
    await this.with(upstreams, async side => {
      if (distribution === 'smooth') {
        const round = this.options.weights === false ? weights.length : sum(weights);
        const counts = new Map<string, number>();
        // A round may begin anywhere: workers do not all begin at the same upstream.
        await countChoices(side, Math.floor(round / 2));
        for (let n = 1; n <= 40; n++) {
          await countChoices(side, round, counts);
          this.expectShares(counts, n * round, () => 1);
        }
      } else {
        const counts = await countChoices(side, 20_000);
        this.expectShares(counts, 20_000, share => share * distribution);
      }
    });
  }

  async retries(): Promise<void> {
    const upstreams = weights.map((weight, n): UpstreamInput => ({ url: urlOf(n), weight }));
    await this.with(upstreams, async side => {
      for (let n = 0; n < 50; n++) {
        const pool = side.pools.default;
        const tried: Upstream[] = [];
        for (let attempt = 0; attempt < upstreams.length; attempt++) {
          const chosen = await expectChoice(side, pool, context({ ...client(n), pool, tried }));
          if (tried.includes(chosen)) {
            throw new Error(`retry ${attempt} got ${chosen.id} again though others were not tried`);
          }
          tried.push(chosen);
        }
        const again = await side.select(context({ ...client(n), pool, tried }));
        if (again !== undefined) expectAvailable(again, pool);
      }
    });
  }

  async changes(): Promise<void> {
    const random = seeded(20_250_101);
    await this.with([], async side => {
      const pool = side.pools.default;
      for (let n = 0; n < 3000; n++) {
        for (let changes = Math.floor(random() * 4); changes >= 0; changes--) changeSomething(pool, random);
        for (let i = 0; i < 3; i++) {
          const chosen = await side.select(context({ ...client(n * 3 + i), pool }));
          if (pool.available.length > 0) expectAvailable(chosen, pool);
          else if (chosen !== undefined) throw new Error('something was chosen though nobody was available');
        }
      }
      for (let n = 0; n < 20; n++) pool.set(upstreamRecord(urlOf(n)));
      const counts = await countChoices(side, 4000);
      if (counts.size !== pool.size)
        throw new Error(`only ${counts.size} of ${pool.size} upstreams were chosen`);
    });
  }

  async pools(): Promise<void> {
    await this.with([urlOf(1), urlOf(2)], async side => {
      const other = side.pools.ensure('other');
      await expectNothing(side, other);
      other.set(upstreamRecord(urlOf(3)));
      for (let n = 0; n < 20; n++) {
        await expectChoice(side, other);
        await expectChoice(side, side.pools.default);
      }
    });
  }

  private expectShares(counts: Map<string, number>, total: number, allowed: (share: number) => number): void {
    const all = this.options.weights === false ? weights.map(() => 1) : weights;
    for (const [n, weight] of all.entries()) {
      const share = (total * weight) / sum(all);
      const count = counts.get(urlOf(n)) ?? 0;
      if (Math.abs(count - share) <= allowed(share) + 1e-9) continue;
      throw new Error(
        `an upstream of weight ${weight} got ${count} of ${total} requests instead of ${share.toFixed(1)}`,
      );
    }
  }

  private async with(
    upstreams: readonly UpstreamInput[],
    body: (side: TestWorkerSide) => Promise<void>,
  ): Promise<void> {
    const side = await workerSide(this.balancer, { upstreams });
    try {
      await body(side);
    } finally {
      await side.close();
    }
    const [reported] = side.reported;
    if (reported !== undefined) throw reported;
    if (side.clock.pending > 0) throw new Error('a timer was left running after the clean-up');
  }
}

/** Requests differ in what a balancer may go by: the client and the target. */
function client(n: number) {
  return {
    clientIp: `192.0.${(n >> 8) & 255}.${n & 255}`,
    clientPort: 1024 + (n % 60_000),
    target: `/item/${n}`,
  };
}

async function countChoices(
  side: TestWorkerSide,
  requests: number,
  counts = new Map<string, number>(),
): Promise<Map<string, number>> {
  for (let n = 0; n < requests; n++) {
    const { upstream } = await side.run(client(n));
    if (upstream === undefined) throw new Error('nothing was chosen though upstreams were available');
    counts.set(upstream.id, (counts.get(upstream.id) ?? 0) + 1);
  }
  return counts;
}

async function expectChoice(side: TestWorkerSide, pool: Pool, ctx?: ProxyContext): Promise<Upstream> {
  return expectAvailable(await side.select(ctx ?? context({ pool })), pool);
}

async function expectNothing(side: TestWorkerSide, pool: Pool): Promise<void> {
  const chosen = await side.select(context({ pool }));
  if (chosen instanceof Upstream) throw new Error(`${chosen.id} was chosen though nobody was available`);
  if (chosen !== undefined)
    throw new Error('a reply was given; return undefined, so that the next tap is asked');
}

function expectAvailable(chosen: unknown, pool: Pool): Upstream {
  if (!(chosen instanceof Upstream)) throw new Error('nothing was chosen though upstreams were available');
  if (pool.get(chosen.id) !== chosen) throw new Error(`${chosen.id} was chosen, which is not in the pool`);
  if (!chosen.available) throw new Error(`${chosen.id} was chosen, which is ${chosen.state}`);
  return chosen;
}

function changeSomething(pool: Pool, random: () => number): void {
  const url = urlOf(Math.floor(random() * 20));
  const dice = random();
  if (dice < 0.25) pool.delete(url);
  else if (dice < 0.5) pool.set(upstreamRecord({ url, state: 'down' }));
  else pool.set(upstreamRecord({ url, weight: 1 + Math.floor(random() * 5) }));
}

/** The same numbers from 0 to 1 every time (mulberry32), so that a failure comes again. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}
