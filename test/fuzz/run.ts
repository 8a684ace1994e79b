// `npm run fuzz -- --cases 1000000 --seed 1 [--side requests|responses|both]`: the long form of what the tests run.
// Exit code 1 when something was found; the input is printed as a JSON string.
import { parseArgs } from 'node:util';
import { type Figures, fuzz, type Side } from './differential.ts';

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    side: { type: 'string', default: 'both' },
  },
});
const cases = Number(values.cases);
const seed = Number(values.seed);
const sides: readonly Side[] =
  values.side === 'both'
    ? ['requests', 'responses']
    : values.side === 'responses'
      ? ['responses']
      : ['requests'];

for (const side of sides) {
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
