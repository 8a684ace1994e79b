// The long form of `frames.test.ts`: a million sequences, with a new seed each time.
import * as assert from 'uvu/assert';
import { Random } from '../../support/random.ts';
import { suite } from '../../support/suite.ts';
import { fuzzFrames, type OtherServer } from './frame-differential.ts';
import { nghttp2, pythonH2 } from './other-servers.ts';
import { hasPythonH2 } from './python-connection.ts';

const test = suite('HTTP/2 frames beside other servers, at length', {
  timeoutMs: 2_400_000,
  testTimeoutMs: 1_800_000,
});

async function compare(other: OtherServer, cases: number): Promise<void> {
  const seed = Date.now() % 1_000_000;
  console.log(`again: npm run fuzz -- --side frames --beside ${other.name} --cases ${cases} --seed ${seed}`);
  const { findings, requests, explained } = await fuzzFrames(other, cases, new Random(seed));
  console.log(
    `${cases} connections beside ${other.name}, ${requests} requests complete; explained:`,
    explained,
  );
  assert.equal(findings, []);
  assert.ok(requests > cases / 5, `${requests} requests were complete`);
}

test('850,000 sequences are read as by nghttp2, or a rule explains the difference', () =>
  compare(nghttp2, 850_000));

const behaviour = '150,000 sequences are read as by python3-h2, or a rule explains the difference';
if (hasPythonH2) test(behaviour, () => compare(pythonH2, 150_000));
else test.skip(behaviour, 'python3-h2 is not installed', () => compare(pythonH2, 150_000));
