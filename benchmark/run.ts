// `npm run bench`: compares Weldr with other proxies on this machine. `--help` says how.
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { compare, type ScenarioResult } from './comparison.ts';
import { describeMachine, firstLine, planCores } from './machine.ts';
import { parseOptions, usage } from './options.ts';
import { startOrigin } from './origin.ts';
import { cleanUpAtExit, stop } from './processes.ts';
import { proxies } from './proxies/index.ts';
import { installNodeProxies, nodeProxies } from './proxies/node.ts';
import type { ComparedProxy, RunningProxy } from './proxies/proxy.ts';
import { describeScenario } from './report.ts';
import { scenarios } from './scenarios.ts';

const here = fileURLToPath(new URL('.', import.meta.url));

if (process.argv.includes('--help')) {
  console.log(usage);
  process.exit(0);
}
const options = parseOptions(process.argv.slice(2), {
  proxies: proxies.map(proxy => proxy.name),
  scenarios: scenarios.map(scenario => scenario.name),
});
cleanUpAtExit();

requireTools();
const quickProxies = ['nginx', 'haproxy', 'weldr'];
const wanted = proxies.filter(({ name }) =>
  options.only === undefined ? !options.quick || quickProxies.includes(name) : options.only.includes(name),
);
if (wanted.some(proxy => nodeProxies.includes(proxy))) installNodeProxies();
const present = wanted.filter(isPresent);
const chosen = scenarios.filter(({ name, quick }) =>
  options.scenarios === undefined ? quick || !options.quick : options.scenarios.includes(name),
);

const cores = planCores();
const origin = await startOrigin(cores.origin);
const bench = { cores, origin };
const running = new Map<string, RunningProxy>();
for (const proxy of present) {
  running.set(proxy.name, await proxy.start({ origin, cores: cores.proxy, workers: 1 }));
}
const results: ScenarioResult[] = [];
for (const scenario of chosen) {
  const effort = { rounds: options.rounds, seconds: options.seconds, warmUp: options.quick ? 1 : 2 };
  const result = await compare(bench, running, scenario, effort, progress);
  progress('');
  results.push(result);
  console.log(describeScenario(result));
}
await Promise.all([...running.values()].map(proxy => stop(proxy.process)));
await stop(origin.process);

const record = {
  date: new Date().toISOString(),
  machine: describeMachine(),
  versions: Object.fromEntries(present.map(proxy => [proxy.name, proxy.version()])),
  options,
  cores,
  scenarios: results,
};
mkdirSync(`${here}results`, { recursive: true });
const file = `${here}results/${record.date.replaceAll(':', '-').slice(0, 19)}.json`;
writeFileSync(file, `${JSON.stringify(record, undefined, 2)}\n`);
console.log(`\nall figures: ${file}`);
const refused = results.flatMap(result => result.results).filter(result => result.refused !== undefined);
process.exit(refused.length > 0 ? 1 : 0);

function requireTools(): void {
  for (const [tool, args, how] of [
    ['wrk', ['-v'], 'apt-get install wrk'],
    ['nginx', ['-v'], 'apt-get install nginx-light (it is the origin)'],
  ] as const) {
    if (firstLine(tool, args) !== undefined) continue;
    console.error(`${tool} is missing: ${how}`);
    process.exit(2);
  }
}

function isPresent(proxy: ComparedProxy): boolean {
  if (proxy.version() !== undefined) return true;
  console.error(`${proxy.name} is missing, going on without it: ${proxy.install}`);
  return false;
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}
