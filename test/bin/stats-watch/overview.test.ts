// The overview in `weldr stats --watch`: figures with charts, and problems, for any size of a terminal.
import * as assert from 'uvu/assert';
import { block, jsonLine } from '../../../bin/stats-watch/blocks.ts';
import { drawFrame } from '../../../bin/stats-watch/frame.ts';
import { textOf, widthOf } from '../../../bin/stats-watch/line.ts';
import type { Look } from '../../../bin/stats-watch/look.ts';
import type { Overview } from '../../../bin/stats-watch/overview.ts';
import { sparkline } from '../../../bin/stats-watch/sparkline.ts';
import { suite } from '../../support/suite.ts';
import { lookOf } from './looks.ts';

const test = suite('the overview of stats --watch');

const end = Date.UTC(2026, 2, 1);
const at = Array.from({ length: 450 }, (_, n) => end - (449 - n) * 2_000);

const overview: Overview = {
  at: end,
  status: 'error',
  problems: [
    { severity: 'error', text: '6 of 6 servers of api down: connection refused since 14:03' },
    { severity: 'warning', text: 'the certificate shop.test ends in 12 days and cannot be renewed: refused' },
    { severity: 'warning', text: 'empty has no servers' },
  ],
  traffic: { rate: 812.5, errorShare: 0.0021, p50: 1.94, p95: 8.1, p99: 1_310 },
  history: {
    step: 2_000,
    at,
    rate: at.map((_, n) => n * 2),
    errorShare: at.map(() => 0),
    p50: at.map(() => 2),
    p95: at.map((_, n) => (n < 225 ? null : 8)),
    p99: at.map((_, n) => (n === 449 ? 1_310 : 10)),
  },
};

const look = (more: Partial<Overview> = {}): Look => ({
  ...lookOf([{ id: 'http://10.0.0.5:3000', success: 10 }]),
  overview: { ...overview, ...more },
});

function draw(of: Look, columns: number, rows: number, problem?: string): string[] {
  const content = {
    address: 'http://127.0.0.1:8687',
    readAt: '12:34:56',
    intervalMs: 1_000,
    order: undefined,
  };
  const lines = drawFrame({ ...content, look: of, ageMs: 0, problem, hasKeys: true }, { columns, rows }).map(
    line => textOf(line, { colours: false }),
  );
  assert.is(lines.length, rows);
  for (const line of lines) assert.ok(widthOf(line) <= columns, `${widthOf(line)} of ${columns}: ${line}`);
  return lines.map(line => line.trimEnd());
}

test('shows requests, errors and latencies now and over 15 minutes, the problems, then the servers', () => {
  const lines = draw(look(), 100, 30);
  assert.match(lines[1] ?? '', /^requests +813\/s {2}▁[▁▂▃▄▅▆▇█]{58}█ {2}at most 89\d\/s$/);
  assert.match(lines[2] ?? '', /^errors +0\.2 % {2}▁{60} {2}at most 0 %$/);
  assert.match(lines[3] ?? '', /^p50 +1\.9 ms {2}█{60} {2}at most 2 ms$/);
  assert.match(lines[4] ?? '', /^p95 +8\.1 ms {2} {30}█{30} {2}at most 8 ms$/);
  assert.match(lines[5] ?? '', /^p99 +1310 ms {2}▁{59}█ {2}at most 1310 ms$/);
  assert.match(lines[6] ?? '', /^clients 10\/s/);
  assert.equal(lines.slice(8, 12), [
    'error: 6 of 6 servers of api down: connection refused since 14:03',
    'warning: the certificate shop.test ends in 12 days and cannot be renewed: refused',
    'warning: empty has no servers',
    '',
  ]);
  assert.match(lines[12] ?? '', /^SERVER/);
  assert.match(draw(look({ problems: [] }), 100, 30)[8] ?? '', /^nothing is wrong$/);
});

test('fits 40 columns, and has one line of figures if there are few rows', () => {
  const narrow = draw(look(), 40, 24);
  assert.match(narrow[1] ?? '', /^requests +813\/s {2}[▁▂▃▄▅▆▇█]{21}$/);
  assert.equal(narrow.slice(8, 12), [
    'error: 6 of 6 servers of api down:',
    'connection refused since 14:03',
    'and 2 more',
    '',
  ]);
  const low = draw(look(), 80, 10);
  assert.is(low[1], '813/s  errors 0.2 %  p50 1.9 ms  p95 8.1 ms  p99 1310 ms');
  assert.match(low[2] ?? '', /^error: 6 of 6 servers/);
  assert.match(low[3] ?? '', /^SERVER/);
});

test('fits any size, with and without traffic, history and problems', () => {
  const long = { severity: 'error', text: `${'x'.repeat(300)} ${'word '.repeat(60)}\x1b[31m` };
  const looks = [
    look(),
    look({ traffic: null, history: null }),
    look({ history: null, problems: [] }),
    look({ problems: Array.from({ length: 40 }, () => long) }),
  ];
  for (const one of looks) {
    for (const columns of [1, 2, 9, 18, 27, 40, 79, 300]) {
      for (const rows of [1, 3, 6, 11, 12, 19, 20, 50]) {
        draw(one, columns, rows);
        for (const line of draw(one, columns, rows, 'cannot reach it')) assert.not.match(line, /\p{Cc}/u);
      }
    }
  }
});

test('a block has the figures and all problems as lines, a line of JSON the overview without its history', () => {
  assert.equal(block(look()).split('\n').slice(0, 5), [
    'requests 813/s  errors 0.2 %  p50 1.9 ms  p95 8.1 ms  p99 1310 ms',
    'error: 6 of 6 servers of api down: connection refused since 14:03',
    'warning: the certificate shop.test ends in 12 days and cannot be renewed: refused',
    'warning: empty has no servers',
    '',
  ]);
  assert.match(block(look({ problems: [] })), /^requests .*\nnothing is wrong\n\n/);
  const { overview: written } = JSON.parse(jsonLine(look()));
  assert.equal([written.traffic.rate, written.problems.length, written.history], [812.5, 3, undefined]);
});

test('a sparkline has a character for each span, blanks for unknown values, and the newest value at its end', () => {
  const options = { at: [0, 1_000, 2_000, 3_000], span: 4_000, width: 4, least: 0, show: 'mean' } as const;
  assert.equal(sparkline({ ...options, values: [0, 7, null, 3] }), { text: '▁█ ▄', highest: 7 });
  assert.equal(sparkline({ ...options, values: [1, 3, 5, 7], width: 2 }), { text: '▃█', highest: 6 });
  assert.is(sparkline({ ...options, values: [1, 3, 5, 7], width: 2, show: 'highest' }).text, '▄█');
  assert.is(sparkline({ ...options, values: [0.001, 0, 0, 0], least: 0.01 }).text, '▂▁▁▁');
  assert.equal(sparkline({ ...options, at: [], values: [], width: 3 }), { text: '   ', highest: undefined });
  assert.is(sparkline({ ...options, values: [1, 1, 1, 1], width: 0 }).text, '');
});
