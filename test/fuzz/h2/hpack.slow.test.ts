// The long form of `hpack.test.ts`, with a new seed each time.
import * as assert from 'uvu/assert';
import { Random } from '../../support/random.ts';
import { suite } from '../../support/suite.ts';
import { fuzzFrames } from './frame-differential.ts';
import { requestsCase } from './hpack-cases.ts';
import { fuzzHpack, hasPythonHpack } from './hpack-differential.ts';
import { nghttp2 } from './other-servers.ts';

const test = suite('HPACK beside other implementations, at length', {
  timeoutMs: 900_000,
  testTimeoutMs: 800_000,
});

test('100,000 requests with field blocks of all forms mean the same to nghttp2', async () => {
  const seed = Date.now() % 1_000_000;
  console.log(`again: npm run fuzz -- --side hpack --beside nghttp2 --cases 10000 --seed ${seed}`);
  const { findings, requests } = await fuzzFrames(nghttp2, 10_000, new Random(seed), requestsCase);
  console.log(`${requests} requests were complete`);
  assert.equal(findings, []);
});

const behaviour = '1,000,000 field blocks mean the same to python3-hpack';
const body = async (): Promise<void> => {
  const seed = Date.now() % 1_000_000;
  console.log(`again: npm run fuzz -- --side hpack --cases 1000000 --seed ${seed}`);
  const { blocks, refused, stricter, findings } = await fuzzHpack(1_000_000, new Random(seed));
  console.log(`${blocks} blocks, ${refused} refused by both; by Weldr alone:`, stricter);
  assert.equal(findings, []);
};
if (hasPythonHpack) test(behaviour, body);
else test.skip(behaviour, 'python3-hpack is not installed', body);
