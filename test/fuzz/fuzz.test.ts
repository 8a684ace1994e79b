// A bounded run of the fuzzers; `npm run fuzz` is the long form.
import * as assert from 'uvu/assert';
import { Random } from '../support/random.ts';
import { suite } from '../support/suite.ts';
import { fuzz } from './differential.ts';
import { mutate } from './mutation.ts';
import { disagreement } from './outcome.ts';
import { fuzzSockets } from './sockets.ts';
import { readRequests } from './weldr-reader.ts';

const test = suite('fuzzing', { testTimeoutMs: 60_000 });

for (const side of ['requests', 'responses'] as const) {
  test(`15,000 mutated ${side} are never read worse than by Node`, async () => {
    const figures = await fuzz(side, 15_000, 1);
    assert.equal(figures.findings, []);
    assert.is(figures.cases, 15_000);
    // If all mutations were refused, the run would show nothing.
    assert.ok(figures.accepted > 1_000, `${figures.accepted} were accepted`);
    assert.ok(figures.refusedByNode > 1_000, `Node refused ${figures.refusedByNode}`);
  });

  test(`400 mutated ${side} over sockets harm neither the origin nor other clients`, async () => {
    assert.equal(await fuzzSockets(side, 400, 1), []);
  });
}

test('a seed repeats its mutations', () => {
  const make = (seed: number) => {
    const random = new Random(seed);
    return Array.from({ length: 50 }, () => mutate(['GET / HTTP/1.1\r\nHost: a.test\r\n\r\n'], random));
  };
  assert.equal(make(3), make(3));
  assert.is.not(make(3).join(), make(4).join());
});

test('a reader that accepts more, or ends a message elsewhere, is detected', () => {
  const read = (text: string) => readRequests(text);
  const one = read('POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc');
  const longer = read('POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\nabcd');
  const cut = read('POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\nabc');
  const other = read('PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc');
  const refused = read('POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: +3\r\n\r\nabc');
  assert.is(disagreement(one, one), '');
  assert.is(disagreement(refused, one), '', 'refusing more is fine');
  for (const worse of [longer, cut, other, refused]) assert.is.not(disagreement(one, worse), '');
});
