// What Weldr makes of a client's frames, beside two other servers; `frames.slow.test.ts` is the long form.
import * as assert from 'uvu/assert';
import { suite } from '../../support/suite.ts';
import { Random } from '../random.ts';
import { fuzzFrames } from './frame-differential.ts';
import { nghttp2, pythonH2 } from './other-servers.ts';
import { hasPythonH2 } from './python-connection.ts';

const test = suite('frames of HTTP/2 beside other servers', { testTimeoutMs: 120_000 });

test('800 sequences that a seed repeats, and 800 new ones, are read as by nghttp2, or a rule says why not', async () => {
  for (const seed of [1, Date.now() % 1_000_000]) {
    console.log(`the seed is ${seed}`);
    const figures = await fuzzFrames(nghttp2, 800, new Random(seed));
    assert.equal(figures.findings, []);
    assert.ok(figures.requests > 150, `${figures.requests} requests came whole`);
  }
});

const behaviour = '1,000 new sequences are read as by python3-h2, or a rule says why not';
const body = async (): Promise<void> => {
  const seed = Date.now() % 1_000_000;
  console.log(`the seed is ${seed}`);
  const figures = await fuzzFrames(pythonH2, 1_000, new Random(seed));
  assert.equal(figures.findings, []);
  assert.ok(figures.requests > 200, `${figures.requests} requests came whole`);
};
if (hasPythonH2) test(behaviour, body);
else test.skip(behaviour, 'python3-h2 is not installed', body);
