// The simulation of balancers: the same seed gives the same result, a fleet behaves as its scenario says, and the
// published figures agree.
import { readFileSync } from 'node:fs';
import * as assert from 'uvu/assert';
import { type Fleet, fleets } from '../../benchmark/balancing/fleets.ts';
import { drawPicture } from '../../benchmark/balancing/picture.ts';
import { simulate } from '../../benchmark/balancing/simulation.ts';
import { leastRequests, peakEwma } from '../../plugins/index.ts';
import { suite } from '../support/suite.ts';

const test = suite('the simulation of balancers');

/** A fleet with so little to do that it is quick. */
function quiet(name: string): Fleet {
  const fleet = fleets.find(one => one.name === name);
  if (fleet === undefined) throw new Error(`no fleet ${name}`);
  return { ...fleet, load: 0.05 };
}

test('gives the same result for the same seed, and another one for another', async () => {
  const first = await simulate(leastRequests(), quiet('alike'), 1);
  assert.equal(await simulate(leastRequests(), quiet('alike'), 1), first);
  assert.not.equal(await simulate(leastRequests(), quiet('alike'), 2), first);
});

test('gives requests the times that the fleet sets while there is room', async () => {
  const { p50, failed } = await simulate(leastRequests(), quiet('alike'), 3);
  // The median of an exponential distribution of mean 10.
  assert.ok(Math.abs(p50 - 10 * Math.LN2) < 1, `${p50}`);
  assert.is(failed, 0);
});

test('shows that a server that fails at once attracts requests, unless failures count as slow', async () => {
  const drawn = await simulate(leastRequests(), quiet('failing'), 4);
  assert.ok(drawn.failed > 0.08, `${drawn.failed}`);
  const avoided = await simulate(peakEwma(), quiet('failing'), 4);
  assert.ok(avoided.failed < 0.02, `${avoided.failed}`);
});

test('publishes the same figures in its picture and its tables', () => {
  const read = (name: string): string => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');
  const [, ...sections] = (read('balancing.md').split('<!-- figures')[1] ?? '').split('\n### ');
  const groups = sections.map(section => ({
    title: section.slice(0, section.indexOf('\n')),
    rows: [...section.matchAll(/^\| (\w+) \| [\d.]+ ms \| (\d+) ms \| ([\d.]+) % \| ([\d.]+) \|$/gm)].map(
      ([, balancer = '', p99, failed, busiest]) => ({
        balancer,
        p99: Number(p99),
        failed: Number(failed) / 100,
        busiest: Number(busiest),
      }),
    ),
  }));
  assert.equal(
    groups.map(({ title, rows }) => [title, rows.length]),
    fleets.map(({ title }) => [title, 5]),
  );
  // Lengths of bars differ by what the tables round.
  const textsOf = (svg: string): string[] =>
    [...svg.matchAll(/>([^<>]+)<\/text>/g)].map(([, text = '']) => text);
  assert.equal(textsOf(read('balancing.svg')), textsOf(drawPicture(groups)));
});
