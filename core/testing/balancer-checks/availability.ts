// Checks of which upstreams a balancer may choose: only and all those that are available now.

import type { Pool, Upstream } from '../../pool/pool.ts';
import { context } from '../context.ts';
import { type UpstreamInput, upstreamRecord } from '../pool.ts';
import { seeded } from '../seeded.ts';
import type { CheckDefinition, Subject } from './balancer-check.ts';
import { Shares } from './shares.ts';
import { alike, client, expectAvailable, type Trial, trial, urlOf } from './trial.ts';

export const emptyPool: CheckDefinition = {
  name: 'chooses nothing from an empty pool',
  run: ({ balancer }) =>
    trial(balancer, {}, async started => {
      const { pool } = started;
      await started.expectNothing(pool);
      pool.set(upstreamRecord(urlOf(1)));
      await started.expectChoice(pool);
      pool.delete(urlOf(1));
      await started.expectNothing(pool);
    }),
};

export const noneAvailable: CheckDefinition = {
  name: 'chooses nothing when no upstream is available',
  run: ({ balancer }) => {
    const upstreams: UpstreamInput[] = [
      { url: urlOf(1), state: 'down' },
      { url: urlOf(2), state: 'draining' },
      { url: urlOf(3), state: 'disabled' },
    ];
    return trial(balancer, { upstreams }, async started => {
      const { pool } = started;
      await started.expectNothing(pool);
      pool.set(upstreamRecord(urlOf(2)));
      await started.expectChoice(pool);
      pool.set(upstreamRecord({ url: urlOf(2), state: 'down' }));
      await started.expectNothing(pool);
    });
  },
};

export const onlyAvailable: CheckDefinition = {
  name: 'never chooses an unavailable upstream',
  run: ({ balancer }) => {
    const states = ['active', 'down', 'active', 'draining', 'disabled', 'active'] as const;
    const upstreams = states.map((state, n): UpstreamInput => ({ url: urlOf(n), state }));
    return trial(balancer, { upstreams }, async started => {
      const shares = await started.count(600);
      for (const [n, state] of states.entries()) {
        const count = shares.of(urlOf(n));
        if (state !== 'active' && count > 0) throw new Error(`an upstream that is ${state} was chosen`);
        if (state === 'active' && count === 0) {
          throw new Error(`an active upstream was never chosen, in ${shares.total} requests`);
        }
      }
    });
  },
};

export const backups: CheckDefinition = {
  name: 'gives a backup requests only while no other is available',
  run: ({ balancer }) => {
    const waiting = [urlOf(1), urlOf(2)];
    const upstreams = [urlOf(0), ...waiting.map((url): UpstreamInput => ({ url, backup: true }))];
    return trial(balancer, { upstreams }, async started => {
      const expectOnly = async (urls: readonly string[], when: string): Promise<void> => {
        const shares = await started.count(300);
        for (const url of [urlOf(0), ...waiting]) {
          if (shares.of(url) > 0 === urls.includes(url)) continue;
          throw new Error(`${url} got ${shares.of(url)} of ${shares.total} requests ${when}`);
        }
      };
      await expectOnly([urlOf(0)], 'before the only one that is not a backup went down');
      started.pool.set(upstreamRecord({ url: urlOf(0), state: 'down' }));
      await expectOnly(waiting, 'while the only one that is not a backup was down');
      started.pool.set(upstreamRecord(urlOf(0)));
      await expectOnly([urlOf(0)], 'after the only one that is not a backup came back');
    });
  },
};

export const changes: CheckDefinition = {
  name: 'follows upstreams that come, go and change',
  run: ({ balancer }) => trial(balancer, {}, followChanges),
};

const changingUpstreams = 8;

async function followChanges(started: Trial): Promise<void> {
  const random = seeded(20_250_101);
  const { pool } = started;
  for (let n = 0; n < 80; n++) {
    for (let count = Math.floor(random() * 4); count >= 0; count--) changeSomething(pool, random);
    for (let i = 0; i < 3; i++) {
      const chosen = await chooseRightly(started, n * 3 + i);
      // A balancer that keeps its choices must notice that one left.
      if (chosen === undefined || n % 4 !== 0) continue;
      if (i === 2) pool.set(upstreamRecord({ url: chosen.id, state: 'down' }));
      else pool.delete(chosen.id);
      for (let again = 0; again < 5; again++) await chooseRightly(started, n * 3 + i);
    }
  }
  for (const url of alike(20)) pool.set(upstreamRecord(url));
  // Some join while others are down, and the others come back when none joins.
  const away = [urlOf(3), urlOf(4)];
  for (const url of away) pool.set(upstreamRecord({ url, state: 'down' }));
  await chooseRightly(started, 0);
  pool.set(upstreamRecord(urlOf(20)));
  await chooseRightly(started, 0);
  for (const url of away) pool.set(upstreamRecord(url));
  const shares = await started.count(1500);
  if (shares.size !== pool.size) {
    throw new Error(`only ${shares.size} of ${pool.size} upstreams were chosen, in ${shares.total} requests`);
  }
}

/** Has the balancer choose for the n-th client; throws unless its choice is right. */
async function chooseRightly(started: Trial, n: number): Promise<Upstream | undefined> {
  const { pool } = started;
  const chosen = await started.choose(context({ ...client(n), pool }));
  if (pool.available.length > 0) return expectAvailable(chosen, pool);
  if (chosen !== undefined) throw new Error(`${chosen.id} was chosen though no upstream was available`);
  return undefined;
}

function changeSomething(pool: Pool, random: () => number): void {
  const url = urlOf(Math.floor(random() * changingUpstreams));
  const dice = random();
  if (dice < 0.25) pool.delete(url);
  else if (dice < 0.5) pool.set(upstreamRecord({ url, state: 'down' }));
  else pool.set(upstreamRecord({ url, weight: 1 + Math.floor(random() * 5) }));
}

export const flaps: CheckDefinition = {
  name: 'treats an upstream as before when it comes back',
  async run(subject) {
    await flap(subject, 'down', pool => pool.set(upstreamRecord({ url: flapping, state: 'down' })));
    await flap(subject, 'removed', pool => pool.delete(flapping));
    await keepFlapping(subject);
  },
};

/** The pool changes with nearly every request: a balancer that starts over each time gives all of them to a few. */
async function keepFlapping({ balancer }: Subject): Promise<void> {
  const others = alike(4);
  const requests = 160;
  await trial(balancer, { upstreams: [...others, urlOf(4)] }, async started => {
    const { pool } = started;
    const random = seeded(20_270_101);
    const before = await started.count(requests);
    const shares = new Shares();
    for (let isDown = true; shares.total < requests; isDown = !isDown) {
      pool.set(upstreamRecord({ url: urlOf(4), state: isDown ? 'down' : 'active' }));
      await started.count(1 + Math.floor(random() * 2), shares);
    }
    for (const id of others) {
      if (shares.of(id) >= before.of(id) / 4) continue;
      const got = `${shares.describe(id)}, and ${before.describe(id)} before`;
      throw new Error(`while another upstream went down and came back all the time, ${id} got only ${got}`);
    }
  });
}

const flapping = urlOf(2);
const flappings = 12;
const untilWarm = 600_000;

async function flap({ balancer }: Subject, how: string, away: (pool: Pool) => unknown): Promise<void> {
  const upstreams = alike(4);
  await trial(balancer, { upstreams }, async started => {
    const { pool } = started;
    const early = (await started.count(40)).of(flapping);
    const before = await started.count(1000);
    for (let n = 0; n < flappings; n++) {
      away(pool);
      await started.count(3);
      comeBack(started);
      await started.count(3);
    }
    const flapped = `after it was ${how} and active again ${flappings} times,`;
    // A slow start has ended by then.
    started.side.clock.advance(untilWarm);
    (await started.count(1000)).expectAlike(before, upstreams, flapped);
    away(pool);
    await started.count(300);
    comeBack(started);
    // A balancer that makes up for missed turns floods an upstream that has just come back.
    const first = await started.count(40);
    if (first.of(flapping) > early + 16) {
      const got = `${first.describe(flapping)}, and ${early} before`;
      throw new Error(`when it was ${how} for 300 requests, ${flapping} got ${got}`);
    }
    started.side.clock.advance(untilWarm);
    (await started.count(1000)).expectAlike(before, upstreams, `after it was ${how} for 300 requests,`);
  });
}

function comeBack({ pool, side }: Trial): void {
  pool.set(upstreamRecord({ url: flapping, activeSince: side.clock.now() }));
}

export const largePool: CheckDefinition = {
  name: 'chooses all upstreams of a large pool',
  run: ({ balancer }) => {
    const upstreams = alike(160);
    return trial(balancer, { upstreams }, async started => {
      const shares = await started.count(15 * upstreams.length);
      // In a ring with few points the smallest parts may get none.
      if (shares.size >= upstreams.length * 0.88) return;
      throw new Error(
        `only ${shares.size} of ${upstreams.length} upstreams were chosen, in ${shares.total} requests`,
      );
    });
  },
};

export const waiting: CheckDefinition = {
  name: 'chooses no upstream that left while it waited',
  async run({ balancer }) {
    for (const how of ['removed', 'down'] as const) {
      for (const stays of alike(3)) {
        await trial(balancer, { upstreams: alike(3) }, started => leaveWhileChoosing(started, how, stays));
      }
    }
  },
};

/** All but one leave while the balancer waits for something; one that does not wait has chosen by then. */
async function leaveWhileChoosing(started: Trial, how: 'removed' | 'down', stays: string): Promise<void> {
  const { pool } = started;
  let isSettled = false;
  const choosing = started.side.select(context({ ...client(1), pool }));
  const settling = () => {
    isSettled = true;
  };
  choosing.then(settling, settling);
  await started.turn();
  if (isSettled) return;
  for (const url of alike(3)) {
    if (url === stays) continue;
    if (how === 'removed') pool.delete(url);
    else pool.set(upstreamRecord({ url, state: 'down' }));
  }
  const chosen: Upstream | undefined = await started.settled(choosing);
  if (chosen === undefined || chosen.id === stays) return;
  throw new Error(`${chosen.id} was chosen, which was ${how} while the balancer waited`);
}
