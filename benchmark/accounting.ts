// Accounting: the resources that a process tree has used, read from /proc.
import { readdirSync, readFileSync } from 'node:fs';

/** The time of cores since the machine started, in clock ticks. */
export interface CoreTicks {
  readonly idle: number;
  readonly total: number;
}

/** Returns a process and all its descendants, the process first; empty if it has ended. */
export function processTree(pid: number): number[] {
  const threads = threadsOf(pid);
  const children = threads.flatMap(thread => numbersIn(read(`${thread}/children`)));
  return threads.length === 0 ? [] : [pid, ...children.flatMap(processTree)];
}

/** Returns the CPU time of these processes so far, ns: user and system, all threads. */
export function cpuTimeOf(pids: readonly number[]): number {
  const times = pids.flatMap(threadsOf).map(thread => parseSchedstat(read(`${thread}/schedstat`)));
  return sum(times);
}

/**
 * Returns the memory of these processes, bytes: their proportional set size, in which a page that n processes share counts as
 * one n-th for each.
 */
export function memoryOf(pids: readonly number[]): number {
  return sum(pids.map(pid => parsePss(read(`/proc/${pid}/smaps_rollup`))));
}

/** Returns the time of these cores so far. */
export function coreTicks(cores: readonly number[]): CoreTicks {
  const all = parseCoreTicks(read('/proc/stat'));
  const chosen = cores.map(core => all.get(core) ?? { idle: 0, total: 0 });
  return { idle: sum(chosen.map(({ idle }) => idle)), total: sum(chosen.map(({ total }) => total)) };
}

/** Returns the first of the three numbers of a thread's `schedstat`: its time on a core, ns. */
export function parseSchedstat(text: string): number {
  return numbersIn(text)[0] ?? 0;
}

/** Returns the bytes of the line `Pss:` of a process's `smaps_rollup`. */
export function parsePss(text: string): number {
  return Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) * 1024;
}

/** Parses the lines `cpuN` of /proc/stat. */
export function parseCoreTicks(text: string): Map<number, CoreTicks> {
  const cores = new Map<number, CoreTicks>();
  for (const [, core, numbers = ''] of text.matchAll(/^cpu(\d+) (.+)$/gm)) {
    // user nice system idle iowait irq softirq steal; user includes guest time.
    const ticks = numbersIn(numbers).slice(0, 8);
    cores.set(Number(core), { idle: (ticks[3] ?? 0) + (ticks[4] ?? 0), total: sum(ticks) });
  }
  return cores;
}

function threadsOf(pid: number): string[] {
  const folder = `/proc/${pid}/task`;
  try {
    return readdirSync(folder).map(thread => `${folder}/${thread}`);
  } catch {
    return [];
  }
}

/** Reads a file; returns an empty text for a process that has ended meanwhile. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function numbersIn(text: string): number[] {
  return (text.match(/\d+/g) ?? []).map(Number);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
