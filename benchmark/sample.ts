// Sample: runs one proxy under one load, and measures the cost.
import { type CoreTicks, coreTicks, cpuTimeOf, memoryOf, processTree } from './accounting.ts';
import { runH2load } from './h2load.ts';
import { type Load, type LoadOptions, type LoadResult, portOf } from './load.ts';
import type { RunningProxy } from './proxies/proxy.ts';
import { runResumption } from './resumption.ts';
import type { Bench } from './study.ts';
import { runWrk } from './wrk.ts';

/** The figures of one run. */
export interface Sample {
  /** CPU time of the proxy's processes per request, µs. */
  readonly cpuPerRequest: number;
  readonly requestsPerSecond: number;
  /** Latencies, µs; undefined if the load generator does not report them. */
  readonly p50: number | undefined;
  readonly p99: number | undefined;
  /** Memory of the proxy's processes after the run, bytes (proportional set size). */
  readonly memory: number;
  readonly requests: number;
  /** Shares of the run's time, 0 to 1: the proxy on its cores, ... */
  readonly proxyBusy: number;
  /** ... others on these cores, ... */
  readonly othersBusy: number;
  /** ... the origin on its core, ... */
  readonly originBusy: number;
  /** ... and all processes on the cores of client and origin. */
  readonly clientCoresBusy: number;
  /** Why this run does not count; undefined: it counts. */
  readonly refused: string | undefined;
}

/** From this share, the origin counts as saturated. */
export const originSaturation = 0.85;
/** From this share, the client's core limits the throughput, not the proxy. */
export const clientSaturation = 0.97;

const tolerableNoise = 0.05;

/** Puts a load on a proxy for some seconds, and measures it. */
export async function takeSample(
  bench: Pick<Bench, 'cores' | 'origin'>,
  proxy: RunningProxy,
  load: Load,
  seconds: number,
): Promise<Sample> {
  const otherCores = [...new Set([...bench.cores.client, ...bench.cores.origin])];
  const pids = processTree(proxy.process.pid);
  const originPids = processTree(bench.origin.process.pid);
  const proxyBefore = cpuTimeOf(pids);
  const originBefore = cpuTimeOf(originPids);
  const coresBefore = coreTicks(otherCores);
  const proxyCoresBefore = coreTicks(bench.cores.proxy);
  const start = performance.now();
  const result = await runLoad(proxy, load, { seconds, cores: bench.cores.client });
  const wall = (performance.now() - start) * 1e6;
  const proxyAfter = cpuTimeOf(pids);
  const originAfter = cpuTimeOf(originPids);
  const coresAfter = coreTicks(otherCores);
  const proxyCoresBusy = busyShare(proxyCoresBefore, coreTicks(bench.cores.proxy)) * bench.cores.proxy.length;
  const cpu = proxyAfter - proxyBefore;
  const originBusy = (originAfter - originBefore) / wall;
  const sameProcesses = processTree(proxy.process.pid).join() === pids.join() && pids.length > 0;
  return {
    cpuPerRequest: cpu / 1000 / result.requests,
    requestsPerSecond: result.requests / (result.duration / 1e6),
    p50: result.p50,
    p99: result.p99,
    memory: memoryOf(pids),
    requests: result.requests,
    proxyBusy: cpu / wall,
    othersBusy: Math.max(0, proxyCoresBusy - cpu / wall),
    originBusy,
    clientCoresBusy: busyShare(coresBefore, coresAfter),
    refused: refusal(result, originBusy, sameProcesses),
  };
}

function runLoad(proxy: RunningProxy, load: Load, options: LoadOptions): Promise<LoadResult> {
  const port = portOf(proxy, load.entry);
  if (port === undefined) throw new Error(`this proxy is not measured with ${load.entry}`);
  if (load.resumes) return runResumption(port, load, options);
  return load.streams === undefined ? runWrk(port, load, options) : runH2load(port, load, options);
}

/** Returns the 99th percentile of a run's latencies, µs. Throws an Error if the load generator does not report them. */
export function p99Of({ p99 }: Sample): number {
  if (p99 === undefined) throw new Error('this load generator reports no latencies');
  return p99;
}

/** Returns a note if other processes used the proxy's cores during these runs. */
export function noiseNotes(samples: readonly Sample[]): string[] {
  const others = Math.max(0, ...samples.map(sample => sample.othersBusy));
  if (others <= tolerableNoise) return [];
  return [`Noise: other processes had up to ${Math.round(others * 100)} % of the proxy's core.`];
}

function refusal(result: LoadResult, originBusy: number, sameProcesses: boolean): string | undefined {
  if (result.requests === 0) return 'no request succeeded';
  if (result.errors > 0) return `${result.errors} errors in ${result.requests} requests`;
  if (originBusy >= originSaturation) return `the origin was saturated (${Math.round(originBusy * 100)} %)`;
  if (!sameProcesses) return 'a process of the proxy ended';
  return undefined;
}

function busyShare(before: CoreTicks, after: CoreTicks): number {
  return 1 - (after.idle - before.idle) / (after.total - before.total);
}
