// How Weldr reads a client's frames, compared with two other servers; `frames.slow.test.ts` is the long form.
import * as assert from 'uvu/assert';
import { Random } from '../../support/random.ts';
import { suite } from '../../support/suite.ts';
import { fuzzFrames } from './frame-differential.ts';
import { nghttp2, pythonH2 } from './other-servers.ts';
import { hasPythonH2 } from './python-connection.ts';

const test = suite('HTTP/2 frames beside other servers', { testTimeoutMs: 120_000 });

// Only the long form tries new seeds: what they find usually needs a new rule, and is rarely the fault of a change.
test('1,600 sequences are read as by nghttp2, or a rule explains the difference', async () => {
  const figures = await fuzzFrames(nghttp2, 1_600, new Random(1));
  assert.equal(figures.findings, []);
  assert.ok(figures.requests > 300, `${figures.requests} requests were complete`);
});

const behaviour = '1,000 sequences are read as by python3-h2, or a rule explains the difference';
const body = async (): Promise<void> => {
  const figures = await fuzzFrames(pythonH2, 1_000, new Random(770_709));
  assert.equal(figures.findings, []);
  assert.ok(figures.requests > 200, `${figures.requests} requests were complete`);
};
if (hasPythonH2) test(behaviour, body);
else test.skip(behaviour, 'python3-h2 is not installed', body);
