// Accounting: the resources that a process tree has used, read from /proc.
import { readdirSync, readFileSync } from 'node:fs';

/** The time of cores since the machine started, in clock ticks. */
export interface CoreTicks {
  readonly idle: number;
  readonly total: number;
}

/** Returns a process and all its descendants, the process first; empty if it has ended. */
export function processTree(pid: number): number[] {
  const found: number[] = [];
  const pending = [pid];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const threads = list(`/proc/${next}/task`);
    if (threads.length === 0) continue;
    found.push(next);
    for (const thread of threads) {
      pending.push(...parseNumbers(read(`/proc/${next}/task/${thread}/children`)));
    }
  }
  return found;
}

/** Returns the CPU time of these processes so far, ns: user and system, all threads. */
export function cpuTimeOf(pids: readonly number[]): number {
  let time = 0;
  for (const pid of pids) {
    for (const thread of list(`/proc/${pid}/task`)) {
      time += parseSchedstat(read(`/proc/${pid}/task/${thread}/schedstat`));
    }
  }
  return time;
}

/**
 * Returns the memory of these processes, bytes: their proportional set size, which counts a page that n processes share as a
 * n-th in each, or the resident set if the kernel does not report it.
 */
export function memoryOf(pids: readonly number[]): number {
  let bytes = 0;
  for (const pid of pids) {
    const kilobytes =
      parseField(read(`/proc/${pid}/smaps_rollup`), 'Pss') ??
      parseField(read(`/proc/${pid}/status`), 'VmRSS') ??
      0;
    bytes += kilobytes * 1024;
  }
  return bytes;
}

/** Returns the time of these cores so far. */
export function coreTicks(cores: readonly number[]): CoreTicks {
  const perCore = parseCoreTicks(read('/proc/stat'));
  let idle = 0;
  let total = 0;
  for (const core of cores) {
    idle += perCore.get(core)?.idle ?? 0;
    total += perCore.get(core)?.total ?? 0;
  }
  return { idle, total };
}

/** Returns the first of the three numbers of a thread's `schedstat`: its time on a core, ns. */
export function parseSchedstat(text: string): number {
  return parseNumbers(text)[0] ?? 0;
}

/** Returns the number after `NAME:` in a file of /proc such as `status`; undefined without such a line. */
export function parseField(text: string, name: string): number | undefined {
  const value = new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1];
  return value === undefined ? undefined : Number(value);
}

/** Parses the lines `cpuN` of /proc/stat. */
export function parseCoreTicks(text: string): Map<number, CoreTicks> {
  const cores = new Map<number, CoreTicks>();
  for (const match of text.matchAll(/^cpu(\d+) (.+)$/gm)) {
    // user nice system idle iowait irq softirq steal; user includes guest time.
    const ticks = parseNumbers(match[2] ?? '').slice(0, 8);
    const idle = (ticks[3] ?? 0) + (ticks[4] ?? 0);
    cores.set(Number(match[1]), { idle, total: ticks.reduce((sum, one) => sum + one, 0) });
  }
  return cores;
}

function parseNumbers(text: string): number[] {
  return text.trim() === '' ? [] : text.trim().split(/\s+/).map(Number);
}

/** Reads a file; returns an empty text for a process that has ended meanwhile. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
