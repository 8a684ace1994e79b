// What the suite of the cluster computes from its observations: gaps, holders, medians, problems, the order of plays.
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { type ClientLine, reportOf } from './endless-client.ts';
import { type Entry, Figures, type SuiteSettings } from './figures.ts';
import { awayOf, overlapsOf } from './holder-watch.ts';
import type { Figure } from './scenario.ts';
import { estimate, type Planned, schedule } from './schedule.ts';
import { describe, markdownOf, medianOf, problemsOf } from './table.ts';

const test = suite('figures of the cluster suite');

const answer = (at: number): ClientLine => ({
  at,
  settled: true,
  ok: true,
  status: 200,
  error: '',
  broken: false,
  tries: 1,
});
const failure = (at: number, error: string, broken = false): ClientLine => ({
  ...answer(at),
  settled: false,
  ok: false,
  status: 0,
  error,
  broken,
});

test('a gap lasts from the last good answer before to the first one after', () => {
  const lines = [
    answer(90),
    failure(130, 'no connection'),
    failure(340, 'reset', true),
    answer(500),
    answer(520),
  ];
  const { longestGap, reconnects, broken, errors } = reportOf(lines, 100, 600);
  assert.is(longestGap, 410);
  assert.is(reconnects, 2);
  assert.is(broken, 1);
  assert.equal(errors, { 'no connection': 1, reset: 1 });
});

test('a gap that is still open counts until now', () => {
  assert.is(reportOf([answer(100)], 90, 5000).longestGap, 4900);
});

test('the usual time between answers is a gap of 0, unless an attempt failed', () => {
  assert.is(reportOf([answer(100), answer(160), answer(200)], 100, 220).longestGap, 0);
  assert.is(
    reportOf([answer(100), failure(120, 'reset'), answer(160), answer(200)], 100, 220).longestGap,
    60,
  );
});

test('two holders at once are found, also while they last, and two in succession are not', () => {
  const a = { machine: 'a', from: 100, to: 200 };
  assert.equal(overlapsOf([a, { machine: 'b', from: 200, to: undefined }], 0), []);
  assert.equal(overlapsOf([a, { machine: 'b', from: 150, to: undefined }], 0), [
    { machines: ['a', 'b'], ms: 50 },
  ]);
  const lasting = [
    { machine: 'a', from: 100, to: undefined },
    { machine: 'b', from: 150, to: undefined },
  ];
  assert.equal(overlapsOf(lasting, 120, 250), [{ machines: ['a', 'b'], ms: 100 }]);
});

test('the time away is what no holding covers', () => {
  const holdings = [
    { machine: 'a', from: 0, to: 100 },
    { machine: 'b', from: 130, to: 200 },
  ];
  assert.is(awayOf(holdings, 50, 150), 30);
  assert.is(awayOf(holdings, 50, 300), 130);
  assert.is(awayOf([], 50, 300), 250);
  assert.is(awayOf([{ machine: 'a', from: 0, to: undefined }], 50, 300), 0);
});

test('a median is the middle value', () => {
  assert.is(medianOf([9, 1, 5]), 5);
  assert.is(medianOf([9, 1, 5, 7]), 6);
});

const figure = (goal: Figure['goal'], longestGap: number, rest: Partial<Figure> = {}): Figure => ({
  goal,
  longestGap,
  away: 0,
  load: 1,
  requests: 100,
  failed: 0,
  broken: 0,
  reconnects: 0,
  errors: {},
  ...rest,
});
const entry = (rest: Partial<Entry>): Entry => ({
  who: 'weldr',
  scenario: 's',
  run: 1,
  at: 0,
  load: 1,
  figures: [],
  checks: [],
  overlaps: [],
  failed: 0,
  lost: [],
  changes: 1,
  refusedChanges: 0,
  ...rest,
});

test('a median beyond 1.4 of its goal is a problem, a single run beyond it is not', () => {
  const runs = (...gaps: number[]) =>
    gaps.map((gap, i) => entry({ run: i + 1, figures: [figure('stop', gap)] }));
  assert.equal(problemsOf(runs(270, 275, 5000)), []);
  assert.is(problemsOf(runs(270, 290, 300)).length, 1);
});

test('a goal of 0 is missed by any gap', () => {
  assert.equal(problemsOf([entry({ figures: [figure('diedReturns', 0)] })]), []);
  assert.is(problemsOf([entry({ figures: [figure('diedReturns', 40)] })]).length, 1);
});

test('two holders, lost changes, broken requests, false claims and failed plays are problems', () => {
  const overlaps = [{ machines: ['a', 'b'], ms: 3 }] as const;
  const problems = problemsOf([
    entry({ overlaps }),
    entry({ lost: ['port 8001 should be in'] }),
    entry({ figures: [figure('handOver', 100, { broken: 1 })] }),
    entry({ checks: [{ claim: 'it is reported', holds: false, seen: '' }] }),
    entry({ error: 'no' }),
  ]);
  assert.is(problems.length, 5);
  assert.equal(problemsOf([entry({ who: 'keepalived', overlaps })]), [], 'it is compared, not judged');
  assert.equal(
    problemsOf([entry({ who: 'keepalived', scenario: 'keepalived: it is stopped', run: 3, error: 'no' })]),
    ['keepalived: it is stopped (run 3): could not be played: no'],
    'without it there is nothing to compare with',
  );
});

test('the table shows both beside the goal, and marks figures taken under load', () => {
  const text = describe([
    entry({ figures: [figure('killed', 500, { load: 3.4 })] }),
    entry({
      who: 'keepalived',
      figures: [figure('killed', 0)],
      overlaps: [{ machines: ['a', 'b'], ms: 2700 }],
    }),
  ]);
  assert.match(text, /killed \(-9\) +600 +✔ +500 +3.4 \(1 busy\) +0, two holders for 2700 ms/);
});

const planned: Planned[] = [
  { name: 'm1', seconds: 10, measures: true },
  { name: 'm2', seconds: 10, measures: true, world: { workers: 2 } },
  ...['o1', 'o2', 'o3'].map(name => ({ name, seconds: 5 })),
];
const plays = (runs: number, each: 'once' | 'each') =>
  schedule(planned, runs, each).flatMap(({ run, scenarios }) =>
    scenarios.map(({ name }) => `${run} ${name}`),
  );

test('each gap is measured in every run, the rest is played once, spread over the runs', () => {
  const all = plays(2, 'once');
  assert.equal(all.filter(text => text.includes('m1')).sort(), ['1 m1', '2 m1']);
  assert.equal(all.filter(text => text.includes('o')).sort(), ['1 o1', '1 o3', '2 o2']);
  assert.is(plays(2, 'each').length, 10);
  assert.is(estimate(schedule(planned, 1, 'once')), 2 * 8 + 35, 'two worlds, and what is played in them');
});

test('raw figures survive an interruption, except a line that was cut off', () => {
  const directory = mkdtempSync(join(tmpdir(), 'weldr-figures-'));
  try {
    const path = join(directory, 'sub/figures.jsonl');
    const settings: SuiteSettings = {
      runs: 7,
      words: [],
      variant: 'shared',
      etcd: 'plain',
      weldrs: 2,
      keepalived: true,
    };
    Figures.begin(path, settings).add(entry({ scenario: 'one' }));
    appendFileSync(path, '{"who":"weldr","scen');
    const again = Figures.continue(path);
    assert.equal(again.settings, settings);
    assert.ok(again.has({ who: 'weldr', scenario: 'one', run: 1 }));
    assert.not.ok(again.has({ who: 'weldr', scenario: 'one', run: 2 }));
    again.add(entry({ scenario: 'two' }));
    assert.is(Figures.continue(path).entries.length, 2);
    assert.throws(() => Figures.begin(path, settings), /--continue/);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test('the table is printed as Markdown', () => {
  const gaps = [1500, 2100, 1700].map((gap, run) =>
    entry({ run: run + 1, figures: [figure('diesElsewhere', gap)] }),
  );
  const stop = entry({ scenario: 'stop', figures: [figure('stop', 240)] });
  const beside = entry({
    who: 'keepalived',
    figures: [figure('diesElsewhere', 3119)],
    overlaps: [{ machines: ['a', 'b'], ms: 2300 }],
  });
  assert.equal(
    markdownOf([...gaps, stop, beside])
      .split('\n')
      .slice(2),
    [
      '| Weldr is stopped (SIGTERM) | 200 | 240, nothing broken | – |',
      "| the machine dies, etcd's leader is elsewhere | 1800 | 1,700 (1,500 – 2,100) | 3,119, two holders for 2,300 ms |",
    ],
  );
});
