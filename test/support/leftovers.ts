// Finds and kills the processes that test files started and left running: those of their process group, and those that
// left the group but inherited the mark in their environment.
import { setTimeout as sleep } from 'node:timers/promises';
import { factsOf, readProcess, runningProcesses } from './processes.ts';

const GRACE_MS = 2_000;
const KILL_ROUNDS = 20;

/** A process that had to be killed. */
export interface Leftover {
  /** Its id and command line. */
  readonly command: string;
  /** What follows the mark in its environment, up to the next blank; undefined: it has not inherited the mark. */
  readonly suffix: string | undefined;
}

/** Waits a moment for the processes of a group, or with `mark` in their environment, to end, then kills the rest. */
export async function killLeftovers(mark: string, group: number | undefined): Promise<readonly Leftover[]> {
  const deadline = performance.now() + GRACE_MS;
  while (find(mark, group).length > 0 && performance.now() < deadline) await sleep(50);
  const killed = new Map<number, Leftover>();
  // In rounds: a process may start another one while it is being killed.
  for (let round = 0; round < KILL_ROUNDS; round++) {
    const found = find(mark, group);
    if (found.length === 0) break;
    for (const pid of found) {
      const command = `${pid} ${readProcess(pid, 'cmdline').replaceAll('\0', ' ').trim()}`;
      const suffix = readProcess(pid, 'environ').split(mark)[1]?.split(/[ \0]/)[0];
      killed.set(pid, { command, suffix });
      kill(pid);
    }
    await sleep(50);
  }
  return [...killed.values()];
}

function find(mark: string, group: number | undefined): number[] {
  return runningProcesses().filter(
    pid =>
      pid !== process.pid && (factsOf(pid)?.group === group || readProcess(pid, 'environ').includes(mark)),
  );
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}
