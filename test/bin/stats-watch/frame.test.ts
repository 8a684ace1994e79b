// Frames of the view: their content at each size.
import * as assert from 'uvu/assert';
import { drawFrame, type FrameContent, type Size } from '../../../bin/stats-watch/frame.ts';
import { textOf, widthOf } from '../../../bin/stats-watch/line.ts';
import type { Look } from '../../../bin/stats-watch/look.ts';
import { suite } from '../../support/suite.ts';
import { lookOf } from './looks.ts';

const test = suite('frames of stats --watch');

const content = (look: Look, more: Partial<FrameContent> = {}): FrameContent => ({
  address: 'http://127.0.0.1:8687',
  look,
  readAt: '12:34:56',
  ageMs: 0,
  intervalMs: 1000,
  problem: undefined,
  order: undefined,
  hasKeys: true,
  ...more,
});

/** Returns the lines for a terminal without colours; checks that their number and widths fit. */
function draw(of: FrameContent, size: Size): string[] {
  const lines = drawFrame(of, size).map(line => textOf(line, { colours: false }));
  assert.is(lines.length, size.rows);
  for (const line of lines) assert.ok(widthOf(line) <= size.columns, `${widthOf(line)}: ${line}`);
  return lines.map(line => line.trimEnd());
}

const many = (count: number) =>
  Array.from({ length: count }, (_, n) => ({ id: `http://10.0.0.${n + 1}:3000`, success: n }));

const busy = {
  id: 'http://10.0.0.5:3000',
  success: 1200,
  failed: 4,
  inFlight: 3,
  latency: { p99: 120, count: 1204, sum: 12_040 },
};
const down = {
  id: 'http://10.0.0.6:3000',
  state: 'down',
  reason: 'health-check: 503 of /up',
};

test('shows rates, states, totals, requests in flight, latencies and reasons', () => {
  const lines = draw(content(lookOf([busy, down])), { columns: 120, rows: 20 });
  assert.match(lines[0] ?? '', /^weldr stats {2}12:34:56 {2}http:\/\/127\.0\.0\.1:8687$/);
  assert.is(lines[1], 'clients 1204/s  4/s failed  since the start 1200 succeeded, 4 failed');
  assert.match(
    lines[4] ?? '',
    /^SERVER +STATE +REQ\/S +FAIL\/S +IN FLIGHT +MEAN MS +P99 MS +SUCCESS +FAILED +REASON$/,
  );
  assert.match(lines[5] ?? '', /^http:\/\/10\.0\.0\.5:3000 +active +1204 +4 +3 +10 +120 +1200 +4$/);
  assert.match(
    lines[6] ?? '',
    /^http:\/\/10\.0\.0\.6:3000 +down +0 +0 +0 +- +- +0 +0 +health-check: 503 of \/up$/,
  );
  assert.is(lines.at(-1), 'q: quit  s: sort');
});

test('names the pools if there is more than one', () => {
  const size = { columns: 80, rows: 20 };
  assert.not.match(draw(content(lookOf([busy])), size)[4] ?? '', 'POOL');
  const lines = draw(content(lookOf([busy, { ...busy, pool: 'api' }])), size);
  assert.match(lines[4] ?? '', /^SERVER +POOL +STATE/);
  assert.match(lines[6] ?? '', /3000 +api +active/);
});

test('drops the least important columns first as it gets narrower, and is readable on 40 columns', () => {
  const words = (columns: number) =>
    (draw(content(lookOf([busy, down])), { columns, rows: 20 })[4] ?? '')
      .replace('IN FLIGHT', 'IN-FLIGHT')
      .replaceAll(' MS', '')
      .split(/ +/);
  assert.equal(words(40), ['SERVER', 'STATE', 'REQ/S', 'FAIL/S']);
  assert.equal(words(60), ['SERVER', 'STATE', 'REQ/S', 'FAIL/S', 'IN-FLIGHT', 'MEAN']);
  let before = words(200);
  for (let columns = 199; columns > 0; columns--) {
    const now = words(columns);
    assert.ok(columns < 10 || now.every(word => before.includes(word)), `${columns}: ${now}`);
    before = now;
  }
  const lines = draw(content(lookOf([busy, down])), { columns: 40, rows: 20 });
  assert.is(lines[1], 'clients 1204/s  4/s failed');
  assert.match(lines[5] ?? '', /^10\.0\.0\.5:3000|^http:\/\/10\.0\.0\.5:3000/);
  assert.match(lines[5] ?? '', / active +1204 +4$/);
});

test('shortens a long id in its middle, its scheme first', () => {
  const id = 'http://web-1.shop.internal.example.org:8080';
  const [, , , , , row = ''] = draw(content(lookOf([{ ...busy, id }])), { columns: 40, rows: 20 });
  assert.match(row, /^web-1.*….*:8080 active/);
});

test('says how many servers do not fit', () => {
  const lines = draw(content(lookOf(many(30))), { columns: 80, rows: 24 });
  const shown = lines.filter(line => line.startsWith('http://10.0.0.')).length;
  assert.is(shown, 18);
  assert.match(lines.at(-1) ?? '', /^and 12 more servers {2}q: quit/);
  assert.not.match(draw(content(lookOf(many(18))), { columns: 80, rows: 24 }).at(-1) ?? '', 'more');
});

test('sorts before it cuts', () => {
  const look = lookOf(many(30));
  const lines = draw(content(look, { order: 'rate' }), { columns: 80, rows: 24 });
  assert.match(lines[5] ?? '', 'http://10.0.0.30:3000');
  assert.match(lines.at(-1) ?? '', 'by rate');
});

test('fits any size, down to a single character', () => {
  const look = lookOf(many(5));
  const problem = 'cannot reach http://127.0.0.1:8687, trying again (connect ECONNREFUSED 127.0.0.1:8687)';
  for (const columns of [1, 2, 7, 20, 40, 79, 300]) {
    for (const rows of [1, 2, 3, 5, 6, 11, 12, 50]) {
      draw(content(look), { columns, rows });
      draw(content(look, { problem, ageMs: 5000 }), { columns, rows });
    }
  }
});

test('keeps the last figures when there is a problem, says how old they are, and why', () => {
  const problem = 'cannot reach http://127.0.0.1:8687, trying again (connect ECONNREFUSED 127.0.0.1:8687)';
  const of = content(lookOf([busy]), { problem, ageMs: 12_300 });
  const lines = draw(of, { columns: 40, rows: 20 });
  assert.match(lines[0] ?? '', /^weldr stats {2}12 s old/);
  assert.match(lines[5] ?? '', ' 1204 ');
  assert.equal(lines.slice(-4, -1), [
    'cannot reach http://127.0.0.1:8687,',
    'trying again (connect ECONNREFUSED',
    '127.0.0.1:8687)',
  ]);
});

test('says that an answer is late before giving up on it', () => {
  const lines = draw(content(lookOf([busy]), { ageMs: 6000 }), { columns: 80, rows: 20 });
  assert.match(lines.at(-2) ?? '', 'no answer from http://127.0.0.1:8687 for 5 s');
  assert.not.match(
    draw(content(lookOf([busy]), { ageMs: 2900 }), { columns: 80, rows: 20 }).join(),
    'no answer',
  );
});

test('says how to add a server if there is none', () => {
  const lines = draw(content(lookOf([])), { columns: 80, rows: 20 });
  assert.match(lines.join('\n'), 'no servers  add one: weldr servers add URL');
});

test('removes control characters, and those that change the direction of text', () => {
  const evil = '\x1b[2J\x9b31m\x07\r\n\u202ehttp://evil\u200b';
  const look = lookOf([
    { id: evil, pool: evil, state: evil, reason: evil },
    { id: 'http://10.0.0.1:80', pool: 'b' },
  ]);
  const of = content(look, { problem: evil, address: evil });
  for (const columns of [20, 40, 80, 200]) {
    for (const line of drawFrame(of, { columns, rows: 20 })) {
      assert.not.match(textOf(line, { colours: false }), /[\p{Cc}\p{Cf}]/u);
    }
  }
});

test('has styles only with colours', () => {
  const lines = drawFrame(content(lookOf([busy, down])), { columns: 80, rows: 20 });
  const texts = (colours: boolean) => lines.map(line => textOf(line, { colours })).join('\n');
  assert.match(texts(true), '\x1b[31mdown');
  assert.not.match(texts(false), '\x1b');
});
