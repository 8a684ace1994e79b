// Checks of how a balancer handles requests that are retried, refused or aborted.

import type { Pool, Upstream } from '../../pool/pool.ts';
import { reply } from '../../request/reply.ts';
import { maxDraws } from '../../stages/eligibility.ts';
import { context } from '../context.ts';
import { type UpstreamInput, upstreamRecord } from '../pool.ts';
import type { UpstreamAnswer } from '../request-run.ts';
import { seeded } from '../seeded.ts';
import type { CheckDefinition } from './balancer-check.ts';
import { Shares } from './shares.ts';
import { alike, client, expectAvailable, type Trial, trial, urlOf } from './trial.ts';

const weights = [1, 2, 3, 5, 1];

export const retries: CheckDefinition = {
  name: 'tries another upstream on a retry while there is one',
  async run({ balancer }) {
    const upstreams = weights.map((weight, n): UpstreamInput => ({ url: urlOf(n), weight }));
    await trial(balancer, { upstreams }, async started => {
      for (let n = 0; n < 50; n++) await tryAll(started, n, () => 0);
      // Enough other requests in between to bring a balancer that takes turns back to the same upstream.
      for (let between = 1; between <= 12; between++) {
        for (let n = 0; n < 3; n++) await tryAll(started, n, () => between);
      }
      const random = seeded(20_260_101);
      for (let n = 0; n < 20; n++) await tryAll(started, n, () => Math.floor(random() * 12));
    });
    await trial(balancer, { upstreams }, async started => {
      started.retries = () => true;
      for (let n = 0; n < 50; n++) {
        const failures = weights.slice(1).map((): UpstreamAnswer => 'CONNECT_FAILED');
        const { attempts } = await started.run({ ...client(n), answers: [...failures, 200] });
        for (const [attempt, upstream] of attempts.entries()) expectFresh(attempts, attempt, upstream);
      }
    });
  },
};

/** Has one request sent to all upstreams, one after another, with others in between. */
async function tryAll(started: Trial, n: number, between: () => number): Promise<void> {
  const { pool } = started;
  const tried: Upstream[] = [];
  for (let attempt = 0; attempt < weights.length; attempt++) {
    const chosen = await started.expectChoice(pool, context({ ...client(n), pool, tried: [...tried] }));
    tried.push(chosen);
    expectFresh(tried, attempt, chosen);
    await started.count(between());
  }
  const again = await started.choose(context({ ...client(n), pool, tried }));
  if (again !== undefined) expectAvailable(again, pool);
}

function expectFresh(tried: readonly Upstream[], attempt: number, chosen: Upstream): void {
  if (tried.indexOf(chosen) >= attempt) return;
  throw new Error(`retry ${attempt} got ${chosen.id} again though others were not tried`);
}

export const untouched: CheckDefinition = {
  name: 'does not change what it chooses from',
  run: ({ balancer }) => {
    const upstreams = weights.map((weight, n): UpstreamInput => ({ url: urlOf(n), weight }));
    return trial(balancer, { upstreams }, async started => {
      const { pool } = started;
      for (let n = 0; n < 50; n++) {
        const available = [...pool.available];
        const tried = available.slice(0, n % (available.length + 1));
        const given = [...tried];
        const { version } = pool;
        const records = available.map(({ record }) => record);
        await started.choose(context({ ...client(n), pool, tried: given }));
        if (!isSame(tried, given)) throw new Error('ctx.tried was changed');
        if (pool.version !== version) throw new Error('the pool was changed');
        if (!isSame(available, pool.available)) {
          throw new Error('the array ctx.pool.available was changed');
        }
        for (const [index, upstream] of available.entries()) {
          if (upstream.inFlight !== 0) throw new Error(`inFlight of ${upstream.id} was changed`);
          if (upstream.record !== records[index]) throw new Error(`the record of ${upstream.id} was changed`);
        }
      }
    });
  },
};

function isSame(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}

export const eligible: CheckDefinition = {
  name: 'chooses another upstream when its choice is refused',
  run: ({ balancer, options }) => {
    const upstreams = alike(8);
    const refused = urlOf(1);
    const requests = 1600;
    return trial(balancer, { upstreams }, async started => {
      const before = await started.count(requests);
      const isSticky = options.sticky ?? (await keepsClients(started));
      let isRefusing = true;
      let asks = 0;
      started.side.hooks.eligible.tap('balancer-check', (_, upstream) => {
        asks++;
        return isRefusing && upstream.id === refused ? false : undefined;
      });
      let redraws = 0;
      let scans = 0;
      const shares = new Shares();
      for (let n = 0; n < requests; n++) {
        asks = 0;
        await started.count(1, shares);
        if (asks > 1) redraws++;
        if (asks > maxDraws) scans++;
      }
      if (shares.of(refused) > 0)
        throw new Error(`${refused} got ${shares.describe(refused)} though it was refused`);
      const others = upstreams.filter(id => id !== refused);
      shares.expectNotStarved(before, others, `while ${refused} was refused,`);
      // A balancer that chooses by client chooses the same for the same client.
      if (scans > redraws * 0.6 && redraws > 20 && !isSticky) {
        throw new Error(
          `when asked again for the same request, it chose what had been refused: in ${scans} of ${redraws} such requests all upstreams had to be looked at`,
        );
      }
      isRefusing = false;
      const after = await started.count(requests);
      after.expectAlike(before, upstreams, `after ${refused} was refused for a while,`);
    });
  },
};

/** Returns whether each client gets the same upstream each time. */
async function keepsClients(started: Trial): Promise<boolean> {
  const seen = new Map<number, string | undefined>();
  // Not a multiple of the number of upstreams, so that turns do not look like affinity.
  const clients = 21;
  for (let n = 0; n < 4 * clients; n++) {
    const { upstream } = await started.run(client(n % clients));
    const known = seen.get(n % clients);
    if (known !== undefined && known !== upstream?.id) return false;
    seen.set(n % clients, upstream?.id);
  }
  return true;
}

// As long as others: these checks are not about latency.
const after = 5;

/** The fates of a request, besides being answered. */
const fates: readonly {
  readonly name: string;
  readonly answer: UpstreamAnswer;
  readonly retried: boolean;
}[] = [
  { name: 'had requests whose clients left', answer: { error: 'CLIENT_CLOSED', after }, retried: false },
  { name: 'had responses that were cut', answer: { status: 200, cut: true, after }, retried: false },
  { name: 'had requests that failed', answer: { error: 'CONNECT_FAILED', after }, retried: false },
  {
    name: 'had requests that were tried again elsewhere',
    answer: { error: 'CONNECT_FAILED', after },
    retried: true,
  },
  { name: 'answered with errors', answer: { status: 503, after }, retried: false },
];

// A balancer that counts failures forgets them at some point.
const untilForgotten = 3_600_000;

export const inFlight: CheckDefinition = {
  name: 'chooses as before after requests that were aborted, failed or tried again',
  async run({ balancer }) {
    for (const { name, answer, retried } of fates) {
      await suffer(balancer, name, async (started, n) => {
        let isRetried = retried;
        started.retries = () => {
          const again = isRetried;
          isRetried = false;
          return again;
        };
        const { result } = await started.begin(client(n), ({ id }) =>
          id === unlucky ? answer : { status: 200, after },
        );
        await started.settled(result);
      });
    }
    await suffer(balancer, 'had requests that a plugin replied to', async (started, n) => {
      started.onChosen = ({ id }) => {
        if (id !== unlucky) return undefined;
        started.side.clock.advance(after);
        return reply(403);
      };
      await started.run(client(n));
      started.onChosen = () => undefined;
    });
  },
};

const unlucky = urlOf(1);
const requestsEach = 900;

export const stillBusy: CheckDefinition = {
  name: 'counts what is in flight when others have ended',
  async run({ balancer }) {
    const alone = await sharesWhileBusy(balancer, undefined);
    const ends = [{ name: 'had requests that were responded to', answer: 200 }, ...fates.filter(isLast)];
    for (const { name, answer } of ends) {
      const shares = await sharesWhileBusy(balancer, answer);
      if (shares.of(unlucky) <= alone.of(unlucky) + shares.total * 0.2) continue;
      throw new Error(
        `after ${unlucky} ${name}, and with one left in flight, it got ${shares.describe(unlucky)}, and ${alone.describe(unlucky)} when it had only that one`,
      );
    }
  },
};

const isLast = ({ retried }: (typeof fates)[number]): boolean => !retried;

/**
 * The shares while one of two upstreams has a request in flight; with a fate, after other simultaneous requests there
 * ended that way. No time passes: this is not about latency.
 */
async function sharesWhileBusy(
  balancer: Parameters<typeof trial>[0],
  fate: UpstreamAnswer | undefined,
): Promise<Shares> {
  const shares = new Shares();
  await trial(balancer, { upstreams: [urlOf(0), unlucky] }, async started => {
    started.latency = 0;
    const left = Promise.withResolvers<UpstreamAnswer>();
    const others = Promise.withResolvers<undefined>();
    const results: Promise<unknown>[] = [];
    let isBusy = false;
    for (let n = 0; n < 200 && !(isBusy && (fate === undefined || n >= 24)); n++) {
      const { result } = await started.begin(client(n), ({ id }) => {
        if (id !== unlucky) return others.promise.then(() => 200);
        if (isBusy && fate !== undefined) return others.promise.then(() => atOnce(fate));
        isBusy = true;
        return left.promise;
      });
      results.push(result);
    }
    if (!isBusy) throw new Error(`${unlucky} was never chosen, in 200 requests`);
    others.resolve(undefined);
    await started.turn();
    // Only chosen, not run: requests that run would also end.
    for (let n = 0; n < 500; n++) {
      const { pool } = started;
      shares.add((await started.expectChoice(pool, context({ ...client(1000 + n), pool }))).id);
    }
    left.resolve(200);
    await started.settled(Promise.all(results));
  });
  return shares;
}

/** The same, without a delay. */
function atOnce(answer: UpstreamAnswer): UpstreamAnswer {
  return typeof answer === 'object' ? { ...answer, after: 0 } : answer;
}

async function suffer(
  balancer: Parameters<typeof trial>[0],
  what: string,
  request: (started: Trial, n: number) => Promise<void>,
): Promise<void> {
  const upstreams = alike(3);
  await trial(balancer, { upstreams }, async started => {
    const before = await started.count(requestsEach);
    for (let n = 0; n < 150; n++) await request(started, n);
    started.side.clock.advance(untilForgotten);
    const after = await started.count(requestsEach);
    after.expectAlike(before, upstreams, `after ${unlucky} ${what},`);
  });
}

export const leftBusy: CheckDefinition = {
  name: 'chooses as before after an upstream left with requests in flight',
  async run({ balancer }) {
    await leaveBusy(balancer, 'removed', pool => pool.delete(unlucky));
    await leaveBusy(balancer, 'down', pool => pool.set(upstreamRecord({ url: unlucky, state: 'down' })));
  },
};

/**
 * Requests that an upstream had when it left end after it has come back: a balancer that forgot them counts below zero.
 */
async function leaveBusy(
  balancer: Parameters<typeof trial>[0],
  how: string,
  leave: (pool: Pool) => unknown,
): Promise<void> {
  const upstreams = alike(3);
  await trial(balancer, { upstreams }, async started => {
    started.latency = 0;
    const before = await started.count(requestsEach);
    const release = await started.hold(unlucky);
    leave(started.pool);
    await started.count(1);
    started.pool.set(upstreamRecord(unlucky));
    await started.count(1);
    await release();
    started.side.clock.advance(untilForgotten);
    const after = await started.count(requestsEach);
    after.expectAlike(
      before,
      upstreams,
      `after ${unlucky} was ${how} with requests in flight and came back,`,
    );
  });
}
