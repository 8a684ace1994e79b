// `npm run bench:balancing`: compares the balancers in simulated fleets. `-- --publish` writes it to docs/balancing.md, and
// the picture in it.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Plugin } from '../../core/plugin/plugin.ts';
import { consistentHash, leastRequests, peakEwma, random, roundRobin } from '../../plugins/index.ts';
import { replaceFigures, type Section, sectionMarkdown, sectionText, summarise } from '../report.ts';
import { type Fleet, fleets } from './fleets.ts';
import { drawPicture, type PictureGroup } from './picture.ts';
import { type BalancingResult, simulate } from './simulation.ts';

const seeds = [1, 2, 3];

const balancers: Readonly<Record<string, () => Plugin>> = {
  roundRobin: () => roundRobin(),
  random: () => random(),
  leastRequests: () => leastRequests(),
  peakEwma: () => peakEwma(),
  consistentHash: () => consistentHash(),
};

const document = fileURLToPath(new URL('../../docs/balancing.md', import.meta.url));
const picture = fileURLToPath(new URL('../../docs/balancing.svg', import.meta.url));
const begin = '<!-- figures: written by npm run bench:balancing -- --publish -->';
const end = '<!-- end of the figures -->';

const sections: Section[] = [];
const groups: PictureGroup[] = [];
for (const fleet of fleets) {
  const rows = await compare(fleet);
  const section = {
    name: fleet.name,
    title: fleet.title,
    headings: ['', 'p50', 'p99', 'failed', 'busiest ÷ mean'],
    rows: rows.map(({ balancer, p50, p99, failed, busiest }) => [
      balancer,
      `${p50.toFixed(1)} ms`,
      `${p99.toFixed(0)} ms`,
      `${(failed * 100).toFixed(1)} %`,
      busiest.toFixed(2),
    ]),
    notes: [],
    refusals: [],
  };
  console.log(sectionText(section));
  sections.push(section);
  groups.push({ title: fleet.title, rows });
}
if (process.argv.includes('--publish')) {
  const figures = sections.map(sectionMarkdown).join('\n\n');
  writeFileSync(document, replaceFigures(readFileSync(document, 'utf8'), begin, end, figures));
  writeFileSync(picture, drawPicture(groups));
  console.log(`\nwrote ${document} and ${picture}`);
}

/** Returns the medians of each balancer. */
async function compare(fleet: Fleet): Promise<(BalancingResult & { readonly balancer: string })[]> {
  const rows = [];
  for (const [balancer, make] of Object.entries(balancers)) {
    const results: BalancingResult[] = [];
    for (const seed of seeds) results.push(await simulate(make(), fleet, seed));
    const median = (of: keyof BalancingResult): number =>
      summarise(results.map(result => result[of]))?.median ?? Number.NaN;
    const [p50, p99, failed, busiest] = [median('p50'), median('p99'), median('failed'), median('busiest')];
    rows.push({ balancer, p50, p99, failed, busiest });
  }
  return rows;
}
