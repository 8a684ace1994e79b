// Sample: runs one peer under one load, and measures the cost.
import { type CoreTicks, coreTicks, cpuTimeOf, memoryOf, processTree } from './accounting.ts';
import { type Load, type LoadResult, runLoad } from './load.ts';
import type { RunningPeer } from './peer.ts';
import type { Bench } from './study.ts';

/** The figures of one run. */
export interface Sample {
  /** CPU time of the peer's processes per request, µs. */
  readonly cpuPerRequest: number;
  readonly requestsPerSecond: number;
  /** Latencies, µs; undefined if the load's tool does not report them. */
  readonly p50: number | undefined;
  readonly p99: number | undefined;
  /** Memory of the peer's processes after the run, bytes (proportional set size). */
  readonly memory: number;
  /** Shares of the run's time, 0 to 1: processes other than the peer's on its cores, … */
  readonly othersBusy: number;
  /** … the origin on its core, … */
  readonly originBusy: number;
  /** … and all processes on the cores of client and origin. */
  readonly clientCoresBusy: number;
  /** Why this run does not count; undefined: it counts. */
  readonly refused: string | undefined;
}

/** From this share, the origin counts as saturated. */
const originSaturation = 0.85;
const tolerableNoise = 0.05;

/** Puts a load on a peer for some seconds, and measures it. */
export async function takeSample(
  { cores, origin }: Bench,
  { process, place }: RunningPeer,
  load: Load,
  seconds: number,
): Promise<Sample> {
  const pids = processTree(process.pid);
  const originPids = processTree(origin.process.pid);
  const usage = () => ({
    time: performance.now() * 1e6,
    proxy: cpuTimeOf(pids),
    origin: cpuTimeOf(originPids),
    proxyCores: coreTicks(cores.proxy),
    otherCores: coreTicks([...new Set([...cores.client, ...cores.origin])]),
  });
  const before = usage();
  const result = await runLoad(place[load.entry ?? 'http'], load, { seconds, cores: cores.client });
  const after = usage();
  const wall = after.time - before.time;
  const proxyBusy = (after.proxy - before.proxy) / wall;
  const originBusy = (after.origin - before.origin) / wall;
  const proxyCoresBusy = busyShare(before.proxyCores, after.proxyCores) * cores.proxy.length;
  const isWhole = processTree(process.pid).join() === pids.join() && pids.length > 0;
  return {
    cpuPerRequest: (after.proxy - before.proxy) / 1000 / result.requests,
    requestsPerSecond: result.requests / (result.duration / 1e6),
    p50: result.p50,
    p99: result.p99,
    memory: memoryOf(pids),
    othersBusy: Math.max(0, proxyCoresBusy - proxyBusy),
    originBusy,
    clientCoresBusy: busyShare(before.otherCores, after.otherCores),
    refused: isWhole ? refusal(result, originBusy) : 'a process of the proxy ended',
  };
}

/**
 * Takes a sample of each peer once per round. Every other round runs backwards, so that drift of the machine affects all
 * alike. `warmUp`: when each peer gets a load that does not count.
 */
export async function takeRounds(
  bench: Bench,
  name: string,
  peers: ReadonlyMap<string, RunningPeer>,
  load: Load,
  warmUp: 'first' | 'before each sample',
): Promise<ReadonlyMap<string, readonly Sample[]>> {
  const { rounds, warmUp: warmUpSeconds } = bench.effort;
  const seconds = Math.max(bench.effort.seconds, load.seconds ?? 0);
  const samples = new Map<string, Sample[]>([...peers.keys()].map(label => [label, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const [label, peer] of round % 2 === 0 ? peers : [...peers].toReversed()) {
      bench.progress(`${name}: ${round === 0 ? 'warm-up' : `round ${round} of ${rounds}`}, ${label}`);
      if (round === 0 || warmUp !== 'first') await takeSample(bench, peer, load, warmUpSeconds);
      if (round > 0) samples.get(label)?.push(await takeSample(bench, peer, load, seconds));
    }
  }
  return samples;
}

/** Returns why one of these runs does not count; undefined: all count. */
export function refusalOf(samples: readonly Sample[]): string | undefined {
  return samples.find(({ refused }) => refused !== undefined)?.refused;
}

/** Returns a note if other processes used the proxy's cores during these runs. */
export function noiseNotes(samples: readonly Sample[]): string[] {
  const others = Math.max(0, ...samples.map(({ othersBusy }) => othersBusy));
  if (others <= tolerableNoise) return [];
  return [`Noise: other processes had up to ${Math.round(others * 100)} % of the proxy's core.`];
}

function refusal({ requests, errors }: LoadResult, originBusy: number): string | undefined {
  if (requests === 0) return 'no request succeeded';
  if (errors > 0) return `${errors} errors in ${requests} requests`;
  if (originBusy < originSaturation) return undefined;
  return `the origin was saturated (${Math.round(originBusy * 100)} %)`;
}

function busyShare(before: CoreTicks, after: CoreTicks): number {
  return 1 - (after.idle - before.idle) / (after.total - before.total);
}
