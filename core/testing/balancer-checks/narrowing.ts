// Checks that a balancer stays within the part of a pool that its Weldr uses.
import type { UpstreamInput } from '../pool.ts';
import { upstreamRecord } from '../pool.ts';
import type { CheckDefinition } from './balancer-check.ts';
import type { Shares } from './shares.ts';
import { type Trial, trial, urlOf } from './trial.ts';

const here = [0, 1, 2, 3, 4, 5].map(urlOf);
const elsewhere = [6, 7, 8, 9, 10, 11].map(urlOf);
const subsetSize = 2;

export const narrowed: CheckDefinition = {
  name: 'leaves servers of other Weldrs to them',
  run({ balancer, options }) {
    const upstreams = [
      ...here.map((url): UpstreamInput => ({ url, zone: 'here' })),
      ...elsewhere.map((url): UpstreamInput => ({ url, zone: 'elsewhere' })),
    ];
    const vantage = { worker: 0, workers: 1, zone: 'here', start: 0.3 };
    return trial(balancer, { upstreams, vantage }, async started => {
      await expectAvailableOnly(started, 200, 'while its own zone was healthy');
      for (const url of here.slice(0, 3)) put(started, url, 'down');
      const mindsWeights = options.distribution !== 'none' && options.weights !== false;
      // A balancer that chooses by requests in flight may not use one of little weight before all others are busy.
      const some = mindsWeights ? [] : elsewhere;
      const spilt = await expectAvailableOnly(started, 400, 'while half of its own zone was down', some);
      if (mindsWeights) expectSpill(spilt);
      for (const url of here.slice(0, 3)) put(started, url, 'active');
      await expectAvailableOnly(started, 150, 'when its own zone was healthy again');
      started.pool.setSettings({ subset: { size: subsetSize } });
      await expectAvailableOnly(started, 150, `of a subset of ${subsetSize}`);
      for (const { id } of started.pool.available.slice(0, 1)) put(started, id, 'down');
      await expectAvailableOnly(started, 150, 'when one of the subset went down and another one stepped in');
    });
  },
};

function put({ pool }: Trial, url: string, state: 'active' | 'down'): void {
  pool.set(upstreamRecord({ url, zone: 'here', state }));
}

/** Runs requests; throws unless all available upstreams except `spare` get some, and no others do. */
async function expectAvailableOnly(
  started: Trial,
  requests: number,
  when: string,
  spare: readonly string[] = [],
): Promise<Shares> {
  const shares = await started.count(requests);
  const available = new Set(started.pool.available.map(({ id }) => id));
  for (const id of [...here, ...elsewhere]) {
    if (shares.of(id) > 0 === available.has(id)) continue;
    if (shares.of(id) === 0 && spare.includes(id)) continue;
    throw new Error(`${id} got ${shares.of(id)} of ${shares.total} requests ${when}`);
  }
  return shares;
}

/** Half of a zone is down, of which 0.7 are needed: others get what is missing. */
function expectSpill(shares: Shares): void {
  const count = elsewhere.reduce((sum, id) => sum + shares.of(id), 0);
  const part = count / shares.total;
  if (part > 0.18 && part < 0.4) return;
  throw new Error(`servers of another zone got ${count} of ${shares.total} requests instead of some 28 %`);
}
