// `npm run bench:balancing`: compares the balancers in simulated fleets. `-- --publish` writes it to docs/balancing.md.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Plugin } from '../../core/plugin/plugin.ts';
import { consistentHash, leastRequests, peakEwma, random, roundRobin } from '../../plugins/index.ts';
import { type Section, sectionMarkdown, sectionText } from '../section.ts';
import { summarise } from '../statistics.ts';
import { type FleetScenario, fleets } from './scenarios.ts';
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
const begin = '<!-- figures: written by npm run bench:balancing -- --publish -->';
const end = '<!-- end of the figures -->';

const sections: Section[] = [];
for (const fleet of fleets) {
  const section = await compare(fleet);
  console.log(sectionText(section));
  sections.push(section);
}
if (process.argv.includes('--publish')) {
  const text = readFileSync(document, 'utf8');
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${document} has no place for figures`);
  const figures = sections.map(sectionMarkdown).join('\n\n');
  writeFileSync(document, `${text.slice(0, from)}${begin}\n${figures}\n${text.slice(to)}`);
  console.log(`\nwrote ${document}`);
}

async function compare(fleet: FleetScenario): Promise<Section> {
  const rows: string[][] = [];
  for (const [name, make] of Object.entries(balancers)) {
    const results: BalancingResult[] = [];
    for (const seed of seeds) results.push(await simulate(make(), fleet, seed));
    const median = (pick: (result: BalancingResult) => number): number =>
      summarise(results.map(pick))?.median ?? Number.NaN;
    rows.push([
      name,
      `${median(({ p50 }) => p50).toFixed(1)} ms`,
      `${median(({ p99 }) => p99).toFixed(0)} ms`,
      `${(median(({ failed }) => failed) * 100).toFixed(1)} %`,
      median(({ busiest }) => busiest).toFixed(2),
    ]);
  }
  return {
    name: fleet.name,
    title: fleet.title,
    headings: ['', 'p50', 'p99', 'failed', 'busiest ÷ mean'],
    rows,
    notes: [],
    refusals: [],
  };
}
