// The processes of this machine, as /proc shows them; none on a system without it.
import { readdirSync, readFileSync } from 'node:fs';

/** What proc(5) says of a process. */
export interface ProcessFacts {
  readonly parent: number;
  readonly group: number;
}

/** Returns the facts of a process; undefined if it has ended, also if it is a zombie. */
export function factsOf(pid: number): ProcessFacts | undefined {
  // The command's name comes first, in parentheses, and may itself contain some.
  const [state, parent, group] = readProcess(pid, 'stat').split(')').at(-1)?.trim().split(' ') ?? [];
  return state === undefined || state === '' || state === 'Z'
    ? undefined
    : { parent: Number(parent), group: Number(group) };
}

/** Returns whether a process runs. */
export function isRunning(pid: number): boolean {
  return factsOf(pid) !== undefined;
}

/** Returns the ids of all running processes. */
export function runningProcesses(): number[] {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger).filter(isRunning);
  } catch {
    return [];
  }
}

/** Returns the ids of the running child processes. */
export function childrenOf(pid: number): number[] {
  return runningProcesses().filter(id => factsOf(id)?.parent === pid);
}

/** Returns the CPU time of this process and of the children that it has waited for, ms. */
export function cpuMs(): number {
  const fields = readProcess(process.pid, 'stat').split(')').at(-1)?.trim().split(' ') ?? [];
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return ticks * 10;
}

/** Returns the text of a file of /proc/PID; empty if the process has ended, or belongs to another user. */
export function readProcess(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
