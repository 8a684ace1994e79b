// Checks of what a balancer must keep separate: pools, its own instances, workers.
import type { Pool } from '../../pool/pool.ts';
import { context } from '../context.ts';
import { upstreamRecord } from '../pool.ts';
import type { CheckDefinition } from './balancer-check.ts';
import { Shares } from './shares.ts';
import { alike, client, type Trial, trial, trials, urlOf } from './trial.ts';

export const pools: CheckDefinition = {
  name: 'chooses from the pool of the request',
  run: ({ balancer }) =>
    trial(balancer, { upstreams: [urlOf(1), urlOf(2)] }, async started => {
      const other = started.side.pools.ensure('other');
      await started.expectNothing(other);
      other.set(upstreamRecord(urlOf(3)));
      for (let n = 0; n < 20; n++) {
        await started.expectChoice(other);
        await started.expectChoice(started.pool);
      }
      // A server may be in two pools; each has a separate upstream for it.
      const same = started.side.pools.ensure('same');
      for (const url of [urlOf(1), urlOf(2)]) same.set(upstreamRecord(url));
      for (let n = 0; n < 20; n++) {
        await started.expectChoice(same);
        await started.expectChoice(started.pool);
      }
    }),
};

export const poolsApart: CheckDefinition = {
  name: 'keeps its pools and its instances apart',
  async run({ balancer }) {
    const upstreams = alike(4);
    await trial(balancer, { upstreams }, async started => {
      const other = started.side.pools.ensure('other');
      for (const url of upstreams) other.set(upstreamRecord(url));
      await expectApart('when two pools take turns,', [
        n => chooseFrom(started, started.pool, n),
        n => chooseFrom(started, other, n),
      ]);
    });
    const both = [
      { upstreams, id: 1 },
      { upstreams, id: 1 },
    ];
    await trials(balancer, both, async started => {
      const chooses = started.map(one => (n: number) => chooseFrom(one, one.pool, n));
      await expectApart('when two instances in one process take turns,', chooses);
    });
  },
};

async function chooseFrom(started: Trial, pool: Pool, n: number): Promise<string> {
  const { upstream } = await started.run({ ...client(n), pool: pool.name });
  return upstream?.id ?? '';
}

/** Each chooses all of its upstreams, no matter which ones others choose in between. */
async function expectApart(
  when: string,
  chooses: readonly ((n: number) => Promise<string>)[],
): Promise<void> {
  const shares = chooses.map(() => new Shares());
  for (let n = 0; n < 400; n++) {
    for (const [index, choose] of chooses.entries()) shares[index]?.add(await choose(n));
  }
  for (const one of shares) one.expectAll(alike(4), when);
}

// As many as there are upstreams: random choices would hit only about five.
const workers = 8;
const leastDifferent = 3;
const steps = 4;

export const notInStep: CheckDefinition = {
  name: 'lets workers choose different upstreams at the same time',
  run: ({ balancer }) => {
    const upstreams = alike(workers);
    const each = upstreams.map((_, n) => ({ upstreams, id: n + 1 }));
    return trials(balancer, each, async started => {
      await expectDifferent(started, 'for their first requests');
      for (const one of started) await one.count(200);
      await expectDifferent(started, 'after 200 requests each');
      for (const { pool } of started) {
        pool.set(upstreamRecord({ url: urlOf(3), state: 'down' }));
        pool.set(upstreamRecord(urlOf(3)));
        pool.set(upstreamRecord(urlOf(workers)));
        pool.delete(urlOf(workers));
      }
      await expectDifferent(started, 'after a change of the pool');
    });
  },
};

/** Has all workers choose at the same time, several times; each has requests from its own clients. */
async function expectDifferent(started: readonly Trial[], when: string): Promise<void> {
  let different = 0;
  for (let step = 0; step < steps; step++) {
    const chosen = new Set<string | undefined>();
    for (const [worker, one] of started.entries()) {
      chosen.add((await one.run(client(worker * 997 + step))).upstream?.id);
    }
    different += chosen.size;
  }
  if (different >= steps * leastDifferent) return;
  const mean = (different / steps).toFixed(1);
  throw new Error(
    `${when} ${workers} workers chose ${mean} different upstreams at the same time, of ${workers} alike`,
  );
}

export const sticky: CheckDefinition = {
  name: 'keeps a client at its upstream',
  appliesTo: options => options.sticky === true,
  run: ({ balancer }) => {
    const upstreams = alike(5);
    const both = [
      { upstreams, id: 1 },
      { upstreams, id: 2 },
    ];
    return trials(balancer, both, async started => {
      const [one, two] = started;
      if (one === undefined || two === undefined) return;
      const homes = await homesOf(one);
      expectSame(homes, await homesOf(one), 0, 'got another upstream at their second request');
      expectSame(homes, await homesOf(two), 0, 'got another upstream from another worker');
      one.pool.delete(urlOf(2));
      const left = new Map([...homes].filter(([, home]) => home !== urlOf(2)));
      expectSame(left, await homesOf(one), 0.25, 'lost their upstream because another one left');
    });
  },
};

const clients = 200;

async function homesOf(started: Trial): Promise<Map<number, string>> {
  const homes = new Map<number, string>();
  for (let n = 0; n < clients; n++) {
    const { pool } = started;
    homes.set(n, (await started.expectChoice(pool, context({ ...client(n), pool }))).id);
  }
  return homes;
}

function expectSame(
  before: ReadonlyMap<number, string>,
  after: ReadonlyMap<number, string>,
  allowed: number,
  what: string,
): void {
  const moved = [...before].filter(([n, home]) => after.get(n) !== home).length;
  if (moved > before.size * allowed) throw new Error(`${moved} of ${before.size} clients ${what}`);
}
