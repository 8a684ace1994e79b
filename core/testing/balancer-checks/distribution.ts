// Checks of how a balancer distributes requests.
import { type UpstreamInput, upstreamRecord } from '../pool.ts';
import type { BalancerCheckOptions, CheckDefinition } from './balancer-check.ts';
import { Shares } from './shares.ts';
import { alike, client, type Trial, trial, urlOf } from './trial.ts';

const weights = [1, 2, 3, 5, 1];
const equal = [1, 1, 1, 1, 1];

/** Upstreams of these weights. */
const weighing = (list: readonly number[]): UpstreamInput[] =>
  list.map((weight, n) => ({ url: urlOf(n), weight }));

const expectedWeights = (options: BalancerCheckOptions): readonly number[] =>
  options.weights === false ? equal : weights;

export const sharesByWeight: CheckDefinition = {
  name: 'shares requests by weight',
  appliesTo: ({ distribution }) => distribution !== 'none',
  run: ({ balancer, options }) =>
    trial(balancer, { upstreams: weighing(weights) }, async started => {
      const { distribution = 'smooth' } = options;
      const expected = expectedWeights(options);
      if (distribution === 'none') return;
      if (distribution === 'smooth') {
        const round = sum(expected);
        const shares = new Shares();
        // A round may begin anywhere: workers do not all start at the same upstream.
        await started.count(Math.floor(round / 2));
        for (let n = 1; n <= 40; n++) {
          await started.count(round, shares);
          expectShares(shares, expected, () => 1);
        }
      } else {
        const shares = await started.count(20_000);
        expectShares(shares, expected, share => share * distribution + byChance(share));
      }
      if (options.weights !== false) await expectNewShares(started, distribution);
    }),
};

/** Has the weights change places: from then on the new ones count, whatever lead or lag an upstream had. */
async function expectNewShares(started: Trial, distribution: 'smooth' | number): Promise<void> {
  const changed = weights.toReversed();
  for (const upstream of weighing(changed)) started.pool.set(upstreamRecord(upstream));
  const round = sum(changed);
  if (distribution === 'smooth') {
    await started.count(2 * round);
    expectShares(await started.count(20 * round), changed, () => 2);
  } else {
    const shares = await started.count(10_000);
    expectShares(shares, changed, share => share * distribution + byChance(share));
  }
}

/** What chance adds or takes, except once in many thousands of runs: over four standard deviations. */
const byChance = (share: number): number => 4.5 * Math.sqrt(share);

function expectShares(shares: Shares, expected: readonly number[], allowed: (share: number) => number): void {
  for (const [n, weight] of expected.entries()) {
    const share = (shares.total * weight) / sum(expected);
    if (Math.abs(shares.of(urlOf(n)) - share) <= allowed(share) + 1e-9) continue;
    const got = shares.describe(urlOf(n));
    throw new Error(`an upstream of weight ${weight} got ${got} instead of ${share.toFixed(1)}`);
  }
}

export const noBursts: CheckDefinition = {
  name: 'spreads the requests of a round evenly',
  appliesTo: ({ distribution = 'smooth' }) => distribution !== 'none',
  async run({ balancer, options }) {
    await trial(balancer, { upstreams: weighing(weights) }, async started => {
      const expected = expectedWeights(options);
      if (typeof options.distribution === 'number') await expectFewRepeats(started, expected);
      else await expectNoBurst(started, expected);
    });
    await trial(balancer, { upstreams: weighing(equal) }, async started => {
      if (typeof options.distribution === 'number') await expectFewRepeats(started, equal);
      else await expectTurns(started);
    });
  },
};

// Chance alone never gives this to an upstream with less than half of the requests.
const longestRun = 40;

/** By chance, a request goes where the previous one went as often as the squares of the shares add up to. */
async function expectFewRepeats(started: Trial, expected: readonly number[]): Promise<void> {
  const shares = await started.count(1000);
  if (shares.longestRun > longestRun)
    throw new Error(`${shares.longestRun} requests in a row got one upstream`);
  const usual = (shares.total * sum(expected.map(weight => weight ** 2))) / sum(expected) ** 2;
  // Over six standard deviations.
  if (shares.repeats <= usual + shares.total * 0.1) return;
  throw new Error(
    `requests come in bursts: ${shares.repeats} of ${shares.total} requests got the upstream of the one before, instead of ${usual.toFixed(1)}`,
  );
}

/**
 * A share that is never off by a whole request since the beginning is never off by two between any two moments; a burst
 * of all five requests for one of twelve is.
 */
async function expectNoBurst(started: Trial, expected: readonly number[]): Promise<void> {
  const ahead = expected.map(() => ({ least: 0, most: 0, leastAt: 0, mostAt: 0 }));
  const shares = new Shares();
  for (let n = 0; n < 40 * sum(expected); n++) {
    await started.count(1, shares);
    for (const [index, bounds] of ahead.entries()) {
      const weight = expected[index] ?? 0;
      const now = shares.of(urlOf(index)) - (shares.total * weight) / sum(expected);
      if (now < bounds.least) Object.assign(bounds, { least: now, leastAt: shares.total });
      if (now > bounds.most) Object.assign(bounds, { most: now, mostAt: shares.total });
      if (bounds.most - bounds.least <= 2 + 1e-9) continue;
      const within = Math.abs(bounds.mostAt - bounds.leastAt);
      const share = (within * weight) / sum(expected);
      const kind = bounds.mostAt > bounds.leastAt ? 'many' : 'few';
      const got = share + (kind === 'many' ? 1 : -1) * (bounds.most - bounds.least);
      throw new Error(
        `requests come in bursts: an upstream of weight ${weight} got ${Math.round(got)} of ${within} requests in a row, instead of ${share.toFixed(1)}`,
      );
    }
  }
}

/** Where all have the same weight, one that has just had a request is rarely the next. */
async function expectTurns(started: Trial): Promise<void> {
  const shares = await started.count(400);
  if (shares.repeats <= shares.total / equal.length) return;
  throw new Error(
    `requests come in bursts: ${shares.repeats} of ${shares.total} requests got the upstream of the one before, among ${equal.length} of equal weight`,
  );
}

export const atOnce: CheckDefinition = {
  name: 'spreads requests that come at once',
  run: ({ balancer }) => {
    const upstreams = alike(8);
    const requests = 1000;
    return trial(balancer, { upstreams }, async started => {
      const before = await started.count(requests);
      const shares = new Shares();
      started.onChosen = ({ id }) => {
        shares.add(id);
        return undefined;
      };
      const answer = Promise.withResolvers<number>();
      const running = Array.from({ length: requests }, (_, n) =>
        started.side.run({ ...client(n), answers: [answer.promise] }),
      );
      const all = Promise.all(running);
      await started.until(() => shares.total === requests);
      answer.resolve(200);
      await started.settled(all);
      for (const id of upstreams) {
        // Sampling five of the eight by latency gives the fastest one five of eight until it responds.
        if (shares.of(id) <= before.of(id) + requests * 0.65) continue;
        const got = `${shares.describe(id)}, and ${before.describe(id)} one after another`;
        throw new Error(`${id} got ${got}`);
      }
      if (shares.longestRun <= longestRun) return;
      throw new Error(`${shares.longestRun} requests in a row got one of ${upstreams.length} upstreams`);
    });
  },
};

export const busiest: CheckDefinition = {
  name: 'does not prefer an upstream that is busy',
  run: ({ balancer }) => {
    const requests = 1000;
    const busy = urlOf(0);
    return trial(balancer, { upstreams: alike(2) }, async started => {
      const before = await started.count(requests);
      const release = await started.hold(busy);
      const shares = await started.count(requests);
      await release();
      if (shares.of(busy) <= before.of(busy) + requests * 0.15) return;
      const got = `${shares.describe(busy)}, and ${before.describe(busy)} while it was idle`;
      throw new Error(`the busier one of two upstreams got ${got}`);
    });
  },
};

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}
