// Every scenario of the cluster in namespaces, and keepalived beside it: `npm run test:cluster [-- WORDS]`. Prints what
// the client saw of each; exit code 1 when two held the address, a change was lost, or a goal was missed.

import { whyNoEtcd } from './etcd-cluster.ts';
import { playKeepalived, whyNoKeepalived } from './keepalived.ts';
import { whyNoLab } from './lab.ts';
import { type Outcome, playAll, scenarios } from './scenarios.ts';

const missing = whyNoLab() ?? whyNoEtcd();
if (missing !== undefined) {
  console.error(missing);
  process.exit(1);
}

const words = process.argv.slice(2);
const chosen = scenarios.filter(({ name }) => words.every(word => name.includes(word)));
const problems: string[] = [];

const print = (outcome: Outcome, weldrs: number) => {
  const { scenario, requests, failed, reconnects, longestGap, overlaps, lost, changes, refusedChanges } =
    outcome;
  const late = scenario.goal !== undefined && longestGap > scenario.goal;
  console.log(`${weldrs} Weldrs: ${scenario.name}`);
  console.log(
    `  longest gap ${longestGap} ms${scenario.goal === undefined ? '' : ` (goal ${scenario.goal})`}, ` +
      `${failed} of ${requests} requests failed, ${reconnects} reconnects ${JSON.stringify(outcome.errors)}`,
  );
  console.log(
    `  ${changes} changes of the pool acknowledged, ${refusedChanges} refused, ${lost.length} lost; two holders: ${
      overlaps.join('; ') || 'never'
    }`,
  );
  if (late) problems.push(`${scenario.name}: the gap was ${longestGap} ms`);
  if (scenario.goal !== undefined && failed > 0) problems.push(`${scenario.name}: ${failed} requests failed`);
  problems.push(...overlaps.map(text => `${scenario.name}: two holders: ${text}`));
  problems.push(...lost.map(text => `${scenario.name}: lost: ${text}`));
};

await playAll(chosen, 2, outcome => print(outcome, 2));
if (words.length === 0) {
  await playAll(
    scenarios.filter(({ short }) => short),
    3,
    outcome => print(outcome, 3),
  );
  const why = whyNoKeepalived();
  if (why !== undefined) console.log(`keepalived was not run: ${why}`);
  else
    for (const { name, report } of await playKeepalived()) {
      console.log(
        `keepalived, default timers: ${name}\n  longest gap ${report.longestGap} ms, ${report.failed} of ${report.requests} requests failed, ${report.reconnects} reconnects`,
      );
    }
}
for (const problem of problems) console.log(`✘ ${problem}`);
console.log(problems.length === 0 ? 'all as it should be' : `${problems.length} problems`);
process.exit(problems.length === 0 ? 0 : 1);
