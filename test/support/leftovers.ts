// Finds and kills the processes that a test file started and left running: those of its process group, and
// those that left the group but inherited the mark in its environment.
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const GRACE_MS = 2_000;
const KILL_ROUNDS = 20;

/**
 * Waits a moment for the processes of a group, or with `mark` in their environment, to end, then kills the rest.
 * Reads /proc, and finds none on a system without it.
 * @returns one text for each that had to be killed: its id and command line
 */
export async function killLeftovers(mark: string, group: number | undefined): Promise<readonly string[]> {
  const deadline = performance.now() + GRACE_MS;
  while (find(mark, group).length > 0 && performance.now() < deadline) await sleep(50);
  const killed = new Map<number, string>();
  // In rounds: a process may start another one while it is being killed.
  for (let round = 0; round < KILL_ROUNDS; round++) {
    const found = find(mark, group);
    if (found.length === 0) break;
    for (const pid of found) {
      killed.set(pid, `${pid} ${read(pid, 'cmdline').replaceAll('\0', ' ').trim()}`);
      kill(pid);
    }
    await sleep(50);
  }
  return [...killed.values()];
}

/** Returns whether a process runs; a zombie does not. Needs /proc. */
export function isRunning(pid: number): boolean {
  return !/^(?:Z|gone)$/.test(stat(pid).state);
}

function find(mark: string, group: number | undefined): number[] {
  return processes().filter(pid => {
    if (pid === process.pid) return false;
    const { state, processGroup } = stat(pid);
    return !/^(?:Z|gone)$/.test(state) && (processGroup === group || read(pid, 'environ').includes(mark));
  });
}

interface Stat {
  /** `gone`, or the letter of proc(5). */
  readonly state: string;
  readonly processGroup: number;
}

function stat(pid: number): Stat {
  // proc(5): the command's name comes first, in parentheses, and may itself contain some.
  const fields = read(pid, 'stat').split(')').at(-1)?.trim().split(' ') ?? [];
  return { state: fields[0] || 'gone', processGroup: Number(fields[2]) };
}

function processes(): number[] {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    // It has ended meanwhile, or belongs to another user.
    return '';
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}
