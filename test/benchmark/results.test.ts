// Results of the benchmark: what the load's tools print, medians, ratios, and where they are written.
import { readFileSync } from 'node:fs';
import * as assert from 'uvu/assert';
import { drawChart } from '../../benchmark/chart.ts';
import { parseH2load, parseResumption, parseWrk, wrkScript } from '../../benchmark/load.ts';
import { parseOptions } from '../../benchmark/options.ts';
import { benchmarkRecord, chartOf, figuresMarkdown } from '../../benchmark/publication.ts';
import {
  formatBytes,
  formatRatio,
  formatTime,
  pairedRatios,
  replaceFigures,
  sectionMarkdown,
  sectionText,
  summarise,
} from '../../benchmark/report.ts';
import { suite } from '../support/suite.ts';

const test = suite('benchmark results');

const wrkOutput = `Running 2s test @ http://127.0.0.1:19000/small
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.51ms    1.20ms  31.44ms   93.01%
  78000 requests in 2.00s, 12.20MB read

{"requests":78000,"duration":2001342,"errors":3,"p50":1400,"p99":5020}
`;

test('the result of a run is read from what wrk printed', () => {
  const expected = { requests: 78_000, duration: 2_001_342, errors: 3, p50: 1400, p99: 5020 };
  assert.equal(parseWrk(wrkOutput), expected);
});

test('an output without a result is an error', () => {
  assert.throws(() => parseWrk('unable to connect to 127.0.0.1:1\n'), /no result.*unable to connect/s);
  assert.throws(() => parseWrk('{"requests":78000}'));
  assert.throws(() => parseH2load('connect: refused\n'), /no result.*refused/s);
  assert.throws(() => parseResumption('rrr\n', 2), /no result/);
});

const h2loadOutput = `TLS Protocol: TLSv1.3
Application protocol: h2
finished in 2.01s, 3000.00 req/s, 231.64KB/s
requests: 6001 total, 6003 started, 6001 done, 6000 succeeded, 1 failed, 1 errored, 0 timeout
status codes: 5990 2xx, 0 3xx, 10 4xx, 0 5xx
`;

test('the result of an HTTP/2 run is read from what h2load printed, with bad statuses as errors', () => {
  const { requests, errors, duration, p99 } = parseH2load(h2loadOutput);
  assert.is(requests, 6_001);
  assert.is(errors, 12);
  assert.is(Math.round(duration / 1e3), 2_000);
  assert.is(p99, undefined);
});

test('an HTTP/2 run that came out as HTTP/1.1 is an error', () => {
  assert.throws(
    () => parseH2load(h2loadOutput.replace('protocol: h2', 'protocol: http/1.1')),
    /the run was not HTTP\/2/,
  );
});

test('sessions of all clients are added, and those that were not resumed are errors', () => {
  const outputOf = (marks: string): string => `starting\n${marks}\n\n5 connections in 0.10s\n`;
  const output = ['rr*rr', 'rrr'].map(outputOf).join('\n');
  assert.equal(parseResumption(output, 2), { requests: 8, errors: 1 });
});

test('wrk’s script calls Lua for a request only where the connection pauses', () => {
  const plain = wrkScript({ path: '/', connections: 1 });
  assert.not.match(plain, /function (request|response|delay)/);
  assert.match(plain, /^function done/m);
  assert.match(wrkScript({ path: '/', connections: 1, thinkTime: 20 }), /function delay\(\)/);
  assert.match(wrkScript({ path: '/', connections: 1, uploadBytes: 65_536 }), /string\.rep\("x", 65536\)/);
});

test('a summary is the median with its quartiles', () => {
  assert.equal(summarise([5, 1, 3, 2, 4]), { median: 3, low: 2, high: 4, count: 5 });
  assert.equal(summarise([1, 2]), { median: 1.5, low: 1.25, high: 1.75, count: 2 });
  assert.is(summarise([]), undefined);
});

test('ratios are those of one round, not of the medians', () => {
  assert.equal(pairedRatios([2, 9, 4], [1, 3, 8]), [2, 3, 0.5]);
  assert.equal(pairedRatios([2, 9], [1]), [2]);
});

test('times, sizes and ratios are readable at each magnitude', () => {
  assert.is(formatTime(0.0571), '57.1 ns');
  assert.is(formatTime(24.13), '24.1 µs');
  assert.is(formatTime(840.4), '840 µs');
  assert.is(formatTime(1240), '1.24 ms');
  assert.is(formatBytes(4600), '4.5 KB');
  assert.is(formatBytes(9.5 * 1024 * 1024), '9.5 MB');
  assert.is(formatRatio(summarise([1.2, 1.3, 1.4])), '1.30 (1.25–1.35)');
  assert.is(formatRatio(undefined), '–');
});

const section = {
  name: 'small',
  title: 'small GET',
  headings: ['', 'CPU'],
  rows: [
    ['nginx', '18 µs'],
    ['weldr', '–'],
  ],
  notes: ['A note.'],
  refusals: ['weldr: no comparison: 3 errors in 78000 requests'],
};

test('a section has the same content for a terminal and for the documentation', () => {
  assert.is(
    sectionText(section),
    '\nsmall GET\n' +
      '         CPU\n-----  -----\nnginx  18 µs\nweldr      –\n' +
      'weldr: no comparison: 3 errors in 78000 requests\nA note.',
  );
  assert.is(
    sectionMarkdown(section),
    '### small GET\n\n|  | CPU |\n| --- | ---: |\n| nginx | 18 µs |\n| weldr | – |\n\n' +
      'weldr: no comparison: 3 errors in 78000 requests\n\nA note.',
  );
});

test('figures replace those between their marks, and a document without marks is an error', () => {
  const [begin, end] = ['<!-- begin -->', '<!-- end -->'];
  const text = `# Performance\n\n${begin}\nold\n${end}\n\nReasons.\n`;
  const expected = `# Performance\n\n${begin}\nnew\n${end}\n\nReasons.\n`;
  assert.is(replaceFigures(text, begin, end, 'new'), expected);
  assert.throws(() => replaceFigures('# Performance\n', begin, end, 'new'), /no place for figures/);
});

test('the published figures and the chart are those of the latest record', () => {
  const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
  const record = benchmarkRecord.parse(JSON.parse(read('benchmark/results/latest.json')));
  // Long notes may be wrapped in the document.
  const unwrapped = (text: string): string => text.replace(/\s+/g, ' ');
  assert.ok(unwrapped(read('docs/performance.md')).includes(unwrapped(figuresMarkdown(record))));
  assert.is(chartOf(record), read('docs/benchmark.svg'));
});

test('the bars of a chart have the lengths and the order of their ratios', () => {
  const svg = drawChart({
    title: 'CPU <a> request',
    subtitle: '',
    groups: [{ title: 'small', ratios: { weldr: 2, nginx: 1, slow: 4 } }],
    highlighted: 'weldr',
  });
  const bars = [...svg.matchAll(/<rect class="(\w+)"[^>]* width="([\d.]+)"/g)];
  const widths = bars.map(bar => Number(bar[2]));
  const [nginx = 0, weldr = 0, slow = 0] = widths;
  assert.equal(
    bars.map(bar => bar[1]),
    ['bar', 'own', 'bar'],
  );
  assert.ok(Math.abs(weldr - 2 * nginx) < 0.2 && Math.abs(slow - 4 * nginx) < 0.2);
  assert.match(svg, /CPU &lt;a> request/);
});

const known = { only: ['nginx', 'weldr'], scenario: ['small'] };

test('the command line names unknown words', () => {
  const nothing = { quick: false, publish: false, only: undefined, scenario: undefined };
  assert.equal(parseOptions([], known), nothing);
  assert.equal(parseOptions(['--quick', '--only', 'weldr,nginx'], known), {
    ...nothing,
    quick: true,
    only: ['weldr', 'nginx'],
  });
  assert.throws(
    () => parseOptions(['--only', 'weldr,apache'], known),
    /--only: expected one of nginx, weldr, got apache/,
  );
  assert.throws(
    () => parseOptions(['--scenario', 'big'], known),
    /--scenario: expected one of small, got big/,
  );
  assert.throws(() => parseOptions(['--fast'], known), /--fast/);
});

test('figures of a part of the benchmark are not published', () => {
  assert.ok(parseOptions(['--publish'], known).publish);
  for (const part of [['--quick'], ['--only', 'weldr'], ['--scenario', 'small']]) {
    assert.throws(() => parseOptions(['--publish', ...part], known), /--publish needs a full run/);
  }
});
