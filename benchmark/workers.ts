// Workers: measures what a second worker adds, if the machine has a core for it.

import type { Load } from './load.ts';
import { stop } from './processes.ts';
import type { RunningProxy } from './proxies/proxy.ts';
import { weldr } from './proxies/weldr.ts';
import { type Sample, takeSample } from './sample.ts';
import { formatCount, formatMedian, formatRatio, type Section } from './section.ts';
import { pairedRatios, summarise } from './statistics.ts';
import type { Bench, Study } from './study.ts';

const load: Load = { path: '/small', connections: 256 };
const head: Pick<Section, 'name' | 'title'> = { name: 'workers', title: 'two workers against one' };

export const workers: Study = {
  name: 'workers',
  quick: false,
  async run(bench) {
    const { twoWorkers } = bench.cores;
    if (twoWorkers === undefined || !bench.running.has(weldr.name)) {
      const why = twoWorkers === undefined ? 'Not measurable on fewer than four cores.' : 'It needs weldr.';
      return { section: { ...head, headings: [], rows: [], notes: [why], refusals: [] }, figures: why };
    }
    return await measure(bench, twoWorkers);
  },
};

async function measure(bench: Bench, cores: readonly number[]): ReturnType<Study['run']> {
  const { effort, origin } = bench;
  const one = await weldr.start({ origin, cores, workers: 1 });
  const two = await weldr.start({ origin, cores, workers: 2 });
  const samples: Record<'one' | 'two', Sample[]> = { one: [], two: [] };
  const take = async (into: Sample[], proxy: RunningProxy): Promise<void> => {
    into.push(await takeSample(bench, proxy, load, effort.seconds));
  };
  try {
    for (const proxy of [one, two]) await takeSample(bench, proxy, load, effort.warmUp);
    for (let round = 1; round <= effort.rounds; round++) {
      bench.progress(`workers: round ${round} of ${effort.rounds}`);
      await take(samples.one, one);
      await take(samples.two, two);
    }
  } finally {
    await Promise.all([stop(one.process), stop(two.process)]);
  }
  const refused = [...samples.one, ...samples.two].find(sample => sample.refused !== undefined)?.refused;
  const rates = (of: readonly Sample[]): number[] => of.map(sample => sample.requestsPerSecond);
  const rows =
    refused === undefined
      ? [
          ['one worker', formatMedian(summarise(rates(samples.one)), formatCount), '1.00'],
          [
            'two workers',
            formatMedian(summarise(rates(samples.two)), formatCount),
            formatRatio(summarise(pairedRatios(rates(samples.two), rates(samples.one)))),
          ],
        ]
      : [];
  return {
    section: {
      ...head,
      headings: ['', 'requests/s', '× one worker (quartiles)'],
      rows,
      notes: [],
      refusals: refused === undefined ? [] : [`no comparison: ${refused}`],
    },
    figures: samples,
  };
}
