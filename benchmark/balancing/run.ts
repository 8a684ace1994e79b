// `npm run bench:balancing`: compares the balancers in simulated fleets. `-- --publish` writes it to docs/balancing.md, and
// the picture in it.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Plugin } from '../../core/plugin/plugin.ts';
import { consistentHash, leastRequests, peakEwma, random, roundRobin } from '../../plugins/index.ts';
import { type Section, sectionMarkdown, sectionText } from '../section.ts';
import { summarise } from '../statistics.ts';
import { drawPicture, type PictureGroup, type PictureRow } from './picture.ts';
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
const picture = fileURLToPath(new URL('../../docs/balancing.svg', import.meta.url));
const begin = '<!-- figures: written by npm run bench:balancing -- --publish -->';
const end = '<!-- end of the figures -->';

const sections: Section[] = [];
const groups: PictureGroup[] = [];
for (const fleet of fleets) {
  const rows = await compare(fleet);
  const section = sectionOf(fleet, rows);
  console.log(sectionText(section));
  sections.push(section);
  groups.push({ title: fleet.title, rows });
}
if (process.argv.includes('--publish')) {
  const text = readFileSync(document, 'utf8');
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${document} has no place for figures`);
  const figures = sections.map(sectionMarkdown).join('\n\n');
  writeFileSync(document, `${text.slice(0, from)}${begin}\n${figures}\n${text.slice(to)}`);
  writeFileSync(picture, drawPicture(groups));
  console.log(`\nwrote ${document} and ${picture}`);
}

/** A row of the picture and of the table. */
interface Row extends PictureRow {
  /** In ms. */
  readonly p50: number;
}

async function compare(fleet: FleetScenario): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [balancer, make] of Object.entries(balancers)) {
    const results: BalancingResult[] = [];
    for (const seed of seeds) results.push(await simulate(make(), fleet, seed));
    const median = (pick: (result: BalancingResult) => number): number =>
      summarise(results.map(pick))?.median ?? Number.NaN;
    rows.push({
      balancer,
      p50: median(({ p50 }) => p50),
      p99: median(({ p99 }) => p99),
      failed: median(({ failed }) => failed),
      busiest: median(({ busiest }) => busiest),
    });
  }
  return rows;
}

function sectionOf({ name, title }: FleetScenario, rows: readonly Row[]): Section {
  return {
    name,
    title,
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
}
