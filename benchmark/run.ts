// `npm run bench`: compares Weldr with other proxies on this machine. `--help` says how.
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { comparison } from './comparison.ts';
import { idle } from './idle.ts';
import { describeMachine, firstLine, pinProcess, planCores } from './machine.ts';
import { type BenchmarkOptions, parseOptions, usage } from './options.ts';
import { startOrigin } from './origin.ts';
import { type Peer, type RunningPeer, startPeer } from './peer.ts';
import { installNodePeers, peers, weldr } from './peers.ts';
import { cleanUpAtExit, runToEnd, stop } from './processes.ts';
import { type BenchmarkRecord, publish, saveRecord } from './publication.ts';
import { type StudyResult, sectionText, studyResult } from './report.ts';
import { scenarios } from './scenarios.ts';
import { sight } from './sight.ts';
import { startTime } from './start.ts';
import type { Bench, Study } from './study.ts';

const quickPeers = ['nginx', 'haproxy', 'weldr'];
const quickScenarios = ['small', 'realistic', '64k'];
/** The pause between the start and the first load, ms. */
const settleTime = 500;
const microTimeout = 120_000;

/** What the benchmark runs, and the packages of Debian that have it. nginx is the origin too. */
const tools = {
  taskset: 'util-linux',
  wrk: 'wrk',
  h2load: 'nghttp2-client',
  openssl: 'openssl',
  nginx: 'nginx-light',
};

/** In a separate process, on the core of the proxy. */
const micro: Study = {
  name: 'micro',
  needs: weldr.name,
  async run({ cores }) {
    const args = ['-C', 'weldr-source', fileURLToPath(new URL('micro.ts', import.meta.url)), '--json'];
    const options = { cores: cores.proxy, timeout: microTimeout };
    return studyResult.parse(JSON.parse(await runToEnd(process.execPath, args, options)));
  },
};

const studies: readonly Study[] = [...scenarios.map(comparison), ...idle, sight, startTime, micro];

// Debian's folders for nginx and HAProxy, which are not in the PATH of an unprivileged user.
process.env['PATH'] = `${process.env['PATH']}:/usr/sbin:/sbin`;
const options = readOptions();
requireTools();
cleanUpAtExit();
const record = await measure(choosePeers());
console.log(`\nall figures: ${saveRecord(record)}`);
if (options.publish) for (const path of publish(record)) console.log(`wrote ${path}`);
process.exit(record.results.some(({ section }) => section.refusals.length > 0) ? 1 : 0);

function readOptions(): BenchmarkOptions {
  const known = { only: peers.map(({ name }) => name), scenario: studies.map(({ name }) => name) };
  if (process.argv.includes('--help')) {
    console.log(usage(known));
    process.exit(0);
  }
  try {
    return parseOptions(process.argv.slice(2), known);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${usage(known)}`);
    process.exit(2);
  }
}

function requireTools(): void {
  const missing = Object.entries(tools).filter(([tool]) => firstLine(tool, ['-V']) === undefined);
  for (const [tool, from] of missing) console.error(`${tool} is missing: apt-get install ${from}`);
  if (missing.length > 0) process.exit(2);
}

function choosePeers(): Peer[] {
  const { only, quick } = options;
  const wanted = peers.filter(({ name }) => (only ?? (quick ? quickPeers : [name])).includes(name));
  installNodePeers(wanted);
  return wanted.filter(({ name, version, install }) => {
    if (version() !== undefined) return true;
    console.error(`${name} is missing, continuing without it: ${install}`);
    return false;
  });
}

function chooseStudies(compared: readonly Peer[]): Study[] {
  const { scenario, quick } = options;
  const wanted = studies.filter(({ name }) => (scenario ?? (quick ? quickScenarios : [name])).includes(name));
  return wanted.filter(({ name, needs }) => {
    if (needs === undefined || compared.some(peer => peer.name === needs)) return true;
    console.error(`${name} needs ${needs}, continuing without it`);
    return false;
  });
}

async function measure(compared: readonly Peer[]): Promise<BenchmarkRecord> {
  const effort = options.quick ? { rounds: 3, seconds: 2, warmUp: 1 } : { rounds: 5, seconds: 2, warmUp: 2 };
  const { rounds, seconds } = effort;
  const date = new Date().toISOString();
  const cores = planCores();
  // Away from the proxies' core.
  pinProcess(process.pid, cores.client);
  const origin = await startOrigin(cores.origin);
  const start = (peer: Peer) => startPeer(peer, origin.place.http, cores.proxy);
  const running: RunningPeer[] = [];
  for (const peer of compared) running.push(await start(peer));
  await sleep(settleTime);
  const bench: Bench = { cores, origin, running, effort, start, progress };
  const results: StudyResult[] = [];
  for (const study of chooseStudies(compared)) {
    const result = await study.run(bench);
    results.push(result);
    progress('');
    console.log(sectionText(result.section));
  }
  await Promise.all([...running, origin].map(peer => stop(peer.process)));
  const versions = Object.fromEntries(compared.map(({ name, version }) => [name, version() ?? 'unknown']));
  const wrk = firstLine('wrk', ['-v'])?.split(' ').slice(1, 3).join(' ') ?? 'unknown';
  return { date, machine: describeMachine(), versions: { ...versions, wrk }, rounds, seconds, results };
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}
