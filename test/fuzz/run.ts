// `npm run fuzz -- [--cases 1000000] [--seed 1] [--side SIDE] [--beside SERVER]`: the long form of the fuzzers in the tests.
//   --side requests, responses or both (default): HTTP/1.1 messages, compared with Node's parser
//   --side frames: HTTP/2 frames, compared with nghttp2, or --beside python3-h2
//   --side hpack: field blocks, compared with python3-hpack, or in requests --beside nghttp2
// Prints what it finds, with the input. Exits with 1 if it finds anything.
import { parseArgs } from 'node:util';
import { Random } from '../support/random.ts';
import { type Figures, fuzz, type Side } from './differential.ts';
import { fuzzFrames } from './h2/frame-differential.ts';
import { requestsCase } from './h2/hpack-cases.ts';
import { fuzzHpack } from './h2/hpack-differential.ts';
import { nghttp2, pythonH2 } from './h2/other-servers.ts';

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    side: { type: 'string', default: 'both' },
    beside: { type: 'string' },
  },
});
const cases = Number(values.cases);
const seed = Number(values.seed);
const sidesOf: Readonly<Record<string, readonly Side[]>> = {
  both: ['requests', 'responses'],
  requests: ['requests'],
  responses: ['responses'],
};
const sides = sidesOf[values.side];

if (sides === undefined) {
  if (values.side !== 'frames' && values.side !== 'hpack')
    throw new Error(`--side ${values.side} is unknown`);
  const random = new Random(seed);
  const figures = await fuzzHttp2(values.side, random);
  console.log(figures);
  if (figures.findings.length > 0) process.exitCode = 1;
}

function fuzzHttp2(side: 'frames' | 'hpack', random: Random): Promise<{ readonly findings: string[] }> {
  const { beside } = values;
  if (side === 'frames') return fuzzFrames(beside === pythonH2.name ? pythonH2 : nghttp2, cases, random);
  return beside === nghttp2.name
    ? fuzzFrames(nghttp2, cases, random, requestsCase)
    : fuzzHpack(cases, random);
}

for (const side of sides ?? []) {
  const startedAt = performance.now();
  let shown = 0;
  const report = (figures: Figures): void => {
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    const { cases: done, accepted, refused, refusedByNode, findings } = figures;
    console.log(
      `${side}: ${done} cases in ${seconds} s, ${accepted} messages accepted, ${refused} streams refused (Node: ${refusedByNode}), ${findings.length} findings, ` +
        `${Math.round(process.memoryUsage().heapUsed / 1e6)} MB heap`,
    );
  };
  const figures = await fuzz(side, cases, seed, now => {
    if (now.cases - shown < 100_000) return;
    shown = now.cases;
    report(now);
  });
  report(figures);
  for (const { input, why } of figures.findings) console.log(`${why}\n  ${JSON.stringify(input)}`);
  if (figures.findings.length > 0) process.exitCode = 1;
}
