// Field blocks as Weldr and two other decoders read them; `hpack.slow.test.ts` is the long form.
import * as assert from 'uvu/assert';
import { Random } from '../../support/random.ts';
import { suite } from '../../support/suite.ts';
import { fuzzFrames } from './frame-differential.ts';
import { requestsCase } from './hpack-cases.ts';
import { fuzzHpack, hasPythonHpack } from './hpack-differential.ts';
import { nghttp2 } from './other-servers.ts';

const test = suite('HPACK beside other implementations', { testTimeoutMs: 120_000 });

test('1,280 requests with field blocks of all forms mean the same to nghttp2', async () => {
  const figures = await fuzzFrames(nghttp2, 128, new Random(1), requestsCase);
  assert.equal(figures.findings, []);
  assert.ok(figures.requests > 1_000, `${figures.requests} requests were complete`);
});

const behaviour = '6,000 field blocks mean the same to python3-hpack';
const body = async (): Promise<void> => {
  const { findings, refused } = await fuzzHpack(6_000, new Random(1));
  assert.equal(findings, []);
  assert.ok(refused > 10, `${refused} blocks were refused`);
};
if (hasPythonHpack) test(behaviour, body);
else test.skip(behaviour, 'python3-hpack is not installed', body);
