// `npm run bench`: compares Weldr with other proxies on this machine. `--help` says how.
import { setTimeout as sleep } from 'node:timers/promises';
import { describeMachine, firstLine, pinProcess, planCores } from './machine.ts';
import { type BenchmarkOptions, parseOptions, usage } from './options.ts';
import { startOrigin } from './origin.ts';
import { cleanUpAtExit, stop } from './processes.ts';
import { proxies } from './proxies/index.ts';
import { installNodeProxies, nodeProxies } from './proxies/node.ts';
import type { ComparedProxy, RunningProxy } from './proxies/proxy.ts';
import { type BenchmarkRecord, publish, saveRecord } from './publication.ts';
import { sectionText } from './section.ts';
import { studies } from './studies.ts';
import type { StudyResult } from './study.ts';

const quickProxies = ['nginx', 'haproxy', 'weldr'];
/** The pause between the start and the first load, ms. */
const settleTime = 500;

if (process.argv.includes('--help')) {
  console.log(usage);
  process.exit(0);
}
// Debian's folders for nginx and HAProxy, which are not in the PATH of an unprivileged user.
process.env['PATH'] = `${process.env['PATH']}:/usr/sbin:/sbin`;
const options = readOptions();
requireTools();
cleanUpAtExit();
const present = choose();
const record = await measure(present);
console.log(`\nall figures: ${saveRecord(record)}`);
if (options.publish) for (const path of publish(record)) console.log(`wrote ${path}`);
process.exit(record.results.some(({ section }) => section.refusals.length > 0) ? 1 : 0);

function readOptions(): BenchmarkOptions {
  try {
    return parseOptions(process.argv.slice(2), {
      proxies: proxies.map(proxy => proxy.name),
      scenarios: studies.map(study => study.name),
    });
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${usage}`);
    process.exit(2);
  }
}

function requireTools(): void {
  const missing = [
    { tool: 'taskset', args: ['-V'], how: 'apt-get install util-linux' },
    { tool: 'wrk', args: ['-v'], how: 'apt-get install wrk' },
    { tool: 'h2load', args: ['--version'], how: 'apt-get install nghttp2-client' },
    { tool: 'openssl', args: ['version'], how: 'apt-get install openssl' },
    { tool: 'nginx', args: ['-v'], how: 'apt-get install nginx-light (it is the origin too)' },
  ].filter(({ tool, args }) => firstLine(tool, args) === undefined);
  for (const { tool, how } of missing) console.error(`${tool} is missing: ${how}`);
  if (missing.length > 0) process.exit(2);
}

function choose(): ComparedProxy[] {
  const { only, quick } = options;
  const wanted = proxies.filter(({ name }) => (only ?? (quick ? quickProxies : [name])).includes(name));
  if (wanted.some(proxy => nodeProxies.includes(proxy))) installNodeProxies();
  return wanted.filter(proxy => {
    if (proxy.version() !== undefined) return true;
    console.error(`${proxy.name} is missing, continuing without it: ${proxy.install}`);
    return false;
  });
}

async function measure(compared: readonly ComparedProxy[]): Promise<BenchmarkRecord> {
  const { rounds, seconds } = options;
  const date = new Date().toISOString();
  const cores = planCores();
  // Away from the proxies' core.
  pinProcess(process.pid, cores.client);
  const origin = await startOrigin(cores.origin);
  const running = new Map<string, RunningProxy>();
  for (const proxy of compared) {
    running.set(proxy.name, await proxy.start({ origin, cores: cores.proxy, workers: 1 }));
  }
  await sleep(settleTime);
  const effort = { rounds, seconds, warmUp: options.quick ? 1 : 2 };
  const bench = { cores, origin, proxies: compared, running, effort, progress };
  const chosen = studies.filter(({ name, quick }) =>
    options.scenarios === undefined ? quick || !options.quick : options.scenarios.includes(name),
  );
  const results: StudyResult[] = [];
  for (const study of chosen) {
    const result = await study.run(bench);
    results.push(result);
    progress('');
    console.log(sectionText(result.section));
  }
  await Promise.all([...running.values()].map(proxy => stop(proxy.process)));
  await stop(origin.process);
  const versions = Object.fromEntries(compared.map(proxy => [proxy.name, proxy.version() ?? 'unknown']));
  const wrk = firstLine('wrk', ['-v'])?.split(' ').slice(1, 3).join(' ') ?? 'unknown';
  return { date, machine: describeMachine(), versions: { ...versions, wrk }, rounds, seconds, results };
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}
