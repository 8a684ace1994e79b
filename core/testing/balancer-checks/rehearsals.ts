// Check of what a balancer does with requests that are only explained.
import type { CheckDefinition } from './balancer-check.ts';
import { Shares } from './shares.ts';
import { alike, client, trial } from './trial.ts';

const upstreams = alike(4);
// Enough for a random balancer to choose all of them, except in one run of many millions.
const requests = 80;
/** As many between two requests as bring a balancer that takes turns for them back to the same upstream. */
const between = upstreams.length - 1;
/** Clients that send no other requests. */
const firstClient = 50_000;

export const rehearsals: CheckDefinition = {
  name: 'leaves no trace of a request that is only explained',
  run: ({ balancer }) =>
    trial(balancer, { upstreams }, async started => {
      const shares = new Shares();
      for (let n = 0; n < requests; n++) {
        await started.count(1, shares);
        for (let i = 0; i < between; i++) await started.explain(client(firstClient + n * between + i));
      }
      shares.expectAll(
        upstreams,
        `with ${between} explained requests (ctx.rehearsal) between any two others,`,
      );
    }),
};
