// Checks of the cost of a choice.
import type { Plugin } from '../../plugin/plugin.ts';
import { context } from '../context.ts';
import type { CheckDefinition } from './balancer-check.ts';
import { alike, client, trial } from './trial.ts';
import { Reads } from './watched-pools.ts';

// Enough to tell a part from all; a cost that is linear here is also linear for 10,000.
const upstreams = 500;
const choices = 100;
// Far more than any search or sample looks at, far less than all.
const mostReads = upstreams / 5;

/**
 * Counts looks at upstreams, and at lists that `map` and the like make of the pool's. It misses copies made by hand and
 * searched without a look at an upstream, such as sums of weights in an array.
 */
export const work: CheckDefinition = {
  name: 'looks at a few upstreams, however many there are',
  run: ({ balancer }) => run(balancer, new Reads()),
};

async function run(balancer: Plugin, reads: Reads): Promise<void> {
  await trial(balancer, { upstreams: alike(upstreams), reads }, async started => {
    const { pool } = started;
    const tried = reads.watched([]);
    // Work done once per pool may touch all upstreams.
    for (let n = 0; n < 5; n++) await started.expectChoice(pool, context({ ...client(n), pool, tried }));
    reads.count = 0;
    for (let n = 0; n < choices; n++) {
      await started.choose(context({ ...client(n), pool, tried }));
    }
    expectFew(reads, 'a choice');
    reads.count = 0;
    // Work in other stages counts, too.
    await started.count(choices);
    expectFew(reads, 'a request');
  });
}

function expectFew(reads: Reads, what: string): void {
  const mean = Math.round(reads.count / choices);
  if (mean <= mostReads) return;
  throw new Error(`${what} among ${upstreams} upstreams looked at them ${mean} times`);
}
